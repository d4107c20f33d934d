"""Checks of numbers and choices that a part's constructor takes; a message names the parameter alone, and the builder
adds where it stands (`margin=-1: ...` becomes `loss.triplet.margin=-1: ...`)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def integers(at_least: int, **values: Any) -> None:
    """Refuses what is no integer, or a smaller one.

    Raises:
        ValueError: a line for each.
    """
    wanted = {0: "an integer of at least 0", 1: "a positive integer"}.get(
        at_least, f"an integer of at least {at_least}"
    )
    bad = {k: v for k, v in values.items() if isinstance(v, bool) or not isinstance(v, int) or v < at_least}
    if bad:
        raise ValueError("\n".join(f"{key}={value}: it must be {wanted}" for key, value in bad.items()))


def positive_integers(**values: Any) -> None:
    """See `integers`."""
    integers(1, **values)


def numbers(
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    **values: Any,
) -> None:
    """Refuses what is no number within the bounds; NaN and infinity never are.

    Raises:
        ValueError: a line for each.
    """

    def fits(value: Any) -> bool:
        return (
            not isinstance(value, bool)
            and isinstance(value, (int, float))
            and math.isfinite(value)
            and (at_least is None or value >= at_least)
            and (above is None or value > above)
            and (at_most is None or value <= at_most)
            and (below is None or value < below)
        )

    lower = f"at least {at_least:g}" if at_least is not None else f"above {above:g}" if above is not None else ""
    upper = f"at most {at_most:g}" if at_most is not None else f"below {below:g}" if below is not None else ""
    wanted = " and ".join(filter(None, (lower, upper))) or "finite"
    if bad := {key: value for key, value in values.items() if not fits(value)}:
        raise ValueError("\n".join(f"{key}={value}: it must be a number, {wanted}" for key, value in bad.items()))


def probabilities(**values: Any) -> None:
    """Refuses what is outside [0, 1)."""
    numbers(at_least=0, below=1, **values)


def choices(known: Iterable[Any], **values: Any) -> None:
    """Refuses what is not among the known options.

    Raises:
        ValueError: a line for each.
    """
    known = list(known)
    bad = {key: value for key, value in values.items() if value not in known}
    if bad:
        there = ", ".join("null" if k is None else str(k).lower() if isinstance(k, bool) else str(k) for k in known)
        raise ValueError("\n".join(f"{key}={value}: it must be one of {there}" for key, value in bad.items()))
