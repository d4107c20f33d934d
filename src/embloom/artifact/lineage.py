"""Where an embedding comes from and what was measured of it: the part of a card called `lineage`.

A card without one is of an embedding that was trained from scratch. `lineage` is no part of the content hash: what an
embedding says does not change with what is known of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# What was done to the parents.
HOW = ("trained from", "grown from", "compatible with", "aligned to", "compressed from", "built on")


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
    """The value of a card's `lineage`.

    Args:
        parents: where it comes from, the most important one first.
        promise: what was measured against the parents: figure -> value, such as `neighbors_kept` or `old_on_old`.
        settings: how it was done, plain containers.
    """
    known = [{"how": one.how, "content_hash": one.content_hash, "path": one.path} for one in parents]
    return {"parents": known, "promise": dict(promise or {}), "settings": dict(settings or {})}


def parents_of(card: Mapping[str, Any]) -> list[Parent]:
    """The parents that a card names; those it does not name as embloom does are left out."""
    lineage = card.get("lineage")
    named = lineage.get("parents") if isinstance(lineage, Mapping) else None
    keys = ("content_hash", "path", "how")
    return [
        Parent(*(one[key] for key in keys))
        for one in (named if isinstance(named, list) else [])
        if isinstance(one, Mapping) and all(isinstance(one.get(key), str) for key in keys) and one["how"] in HOW
    ]
