"""Regular expressions that may come from somebody else: those that could take forever on an ordinary text are refused.

Python tries one way after the other to match. Where a repeat can take the same characters in several ways, as `(a+)+`
can, and what follows it does not fit, their number doubles with each character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from re import _compiler, _parser  # type: ignore[attr-defined]  # isort: skip

REPEATS = (_parser.MAX_REPEAT, _parser.MIN_REPEAT)
ALWAYS = (
    "".join(map(chr, range(0x250))) + "\u0301\u0416\u05d0\u0627\u0915\u093e\u0e01\u2019\u3042\u4e1c\uac00\U0001f600"
)


def is_catastrophic(pattern: str) -> bool:
    """Whether a regular expression, which compiles, has a repeat with several ways to take the same characters, and
    behind it something that may not fit."""
    parsed = _parser.parse(pattern)
    letters = frozenset(ALWAYS) | {chr(n) for bound in bounds(parsed) for n in (bound - 1, bound, bound + 1) if n >= 0}
    return any(ambiguous(item, Letters(parsed.state, letters)) for item in repeats(parsed, False))


@dataclass
class Letters:
    """Which of the letters that matter an item takes."""

    state: Any
    letters: frozenset[str]
    known: dict[str, frozenset[str]] = field(default_factory=dict)

    def of(self, item: Any) -> frozenset[str]:
        """Those of one item of a pattern that takes a single character."""
        if repr(item) not in self.known:
            one = _compiler.compile(_parser.SubPattern(self.state, [item]), self.state.flags & ~re.DEBUG)
            self.known[repr(item)] = frozenset(filter(one.match, self.letters))
        return self.known[repr(item)]


def bounds(items: Iterable[Any]) -> Iterator[int]:
    """Every character that a pattern names, by its number; two classes that overlap do so beside one of them."""
    for item in items:
        if isinstance(item, int) and not isinstance(item, type(_parser.LITERAL)):
            yield min(item, 0x10FFFE)
        elif isinstance(item, (tuple, list, _parser.SubPattern)):
            yield from bounds(item)


def repeats(items: Sequence[Any], fails: bool) -> Iterator[Any]:
    """The repeats of a pattern behind which something may not fit; `fails`: so it is behind all of the items."""
    for number, (kind, value) in enumerate(items):
        behind = fails or any(not optional(item) for item in list(items)[number + 1 :])
        behind = behind or (kind in REPEATS and value[0] > 1)  # its own next round
        if kind in REPEATS and behind:
            yield (kind, value)
        for inner in inside(kind, value):
            yield from repeats(inner, behind)


def inside(kind: Any, value: Any) -> list[Any]:
    """The patterns within an item."""
    if kind is _parser.BRANCH:
        return list(value[1])
    if kind in (_parser.ASSERT, _parser.ASSERT_NOT):
        return [value[1]]
    found = value if isinstance(value, tuple) else (value,)
    return [inner for inner in found if isinstance(inner, _parser.SubPattern)]


def optional(item: Any) -> bool:
    """Whether an item fits everywhere, by taking nothing."""
    kind, value = item
    if kind in REPEATS and value[0] == 0:
        return True
    if kind in (_parser.AT, _parser.ASSERT, _parser.ASSERT_NOT):
        return False
    inner = inside(kind, value)
    every = all if kind is not _parser.BRANCH else any
    return bool(inner) and every(all(map(optional, part)) for part in inner)


def ambiguous(repeat: Any, letters: Letters) -> bool:
    """Whether a repeat can take the same characters in several ways: whether from one of its places two steps, be they
    to the same place, take the same character (Glushkov's construction, each step as often as there is a way)."""
    follow: dict[int, list[int]] = {}
    takes: list[frozenset[str]] = []

    def sequence(items: Iterable[Any]) -> tuple[list[int], list[int], bool]:
        first: list[int] = []
        last: list[int] = []
        empty = True
        for one, end, free in map(places, items):
            for place in last:
                follow[place] += one
            first += one if empty else []
            last = [*last, *end] if free else end
            empty = empty and free
        return first, last, empty

    def places(item: Any) -> tuple[list[int], list[int], bool]:
        kind, value = item
        inner = [sequence(part) for part in inside(kind, value)]
        if kind in (_parser.AT, _parser.ASSERT, _parser.ASSERT_NOT):
            return [], [], True
        if not inner:
            takes.append(letters.of(item))
            follow[len(takes) - 1] = []
            return [len(takes) - 1], [len(takes) - 1], False
        first = [place for part in inner for place in part[0]]
        last = [place for part in inner for place in part[1]]
        empty = any(part[2] for part in inner)
        if kind in REPEATS:
            low, high = value[2].getwidth()
            if value[1] > 1 and not (value[0] == value[1] and low == high):
                for place in last:
                    follow[place] += first
            empty = empty or value[0] == 0
        return first, last, empty

    places(repeat)
    for steps in follow.values():
        taken: set[str] = set()
        for step in steps:
            if taken & takes[step]:
                return True
            taken |= takes[step]
    return False
