"""Where an embedding comes from and what was measured of it: the part of a card called `lineage`.

A card without one is of an embedding that was trained from scratch. `lineage` is no part of the content hash: what an
embedding says does not change with what is known of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What was done to the parents.
HOW = ("trained from", "grown from", "compatible with", "aligned to", "compressed from", "built on")
KEYS = ("content_hash", "path", "how")  # of a parent


@dataclass(frozen=True)
class Parent:
    """An embedding that another one comes from.

    Attributes:
        content_hash: of its artifact.
        path: where it was, which may have changed since.
        how: what was done with it, one of `HOW`.
    """

    content_hash: str
    path: str
    how: str

    def __post_init__(self) -> None:
        assert self.how in HOW, self.how


def described(
    parents: Sequence[Parent], promise: Mapping[str, float] | None = None, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The value of a card's `lineage`; it says the day, too.

    Args:
        parents: where it comes from, the most important one first.
        promise: what was measured against the parents: figure -> value, such as `neighbors_kept` or `old_on_old`.
        settings: how it was done, plain containers.
    """
    known = [{"how": one.how, "content_hash": one.content_hash, "path": one.path} for one in parents]
    made = {"promise": dict(promise or {}), "settings": dict(settings or {}), "at": time.strftime("%Y-%m-%d")}
    return {"parents": known, **made}


def is_lineage(value: Any) -> bool:
    """Whether a card's `lineage` is as `described` writes it, or None: trained from scratch.

    What was done may be a word that only a later embloom knows.
    """
    if value is None:
        return True
    if not isinstance(value, Mapping) or not isinstance(value.get("parents"), list):
        return False
    promise = value.get("promise", {})
    return (
        all(isinstance(one, Mapping) and all(isinstance(one.get(key), str) for key in KEYS) for one in value["parents"])
        and isinstance(promise, Mapping)
        and all(isinstance(figure, (int, float)) and not isinstance(figure, bool) for figure in promise.values())
        and isinstance(value.get("settings", {}), Mapping)
        and isinstance(value.get("at", ""), str)
    )


def parents_of(card: Mapping[str, Any]) -> list[Parent]:
    """The parents that a card names; those it does not name as embloom does are left out."""
    lineage = card.get("lineage")
    named = lineage.get("parents") if isinstance(lineage, Mapping) else None
    return [
        Parent(*(one[key] for key in KEYS))
        for one in (named if isinstance(named, list) else [])
        if isinstance(one, Mapping) and all(isinstance(one.get(key), str) for key in KEYS) and one["how"] in HOW
    ]
