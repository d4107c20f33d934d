"""Answers that are remembered."""

from __future__ import annotations

from embloom.serving.remembered import ENTRY, SHORT, Remembered


def test_the_oldest_go_first_and_the_size_is_bounded() -> None:
    remembered = Remembered(most=3 * (ENTRY + 10))
    for name in "abc":
        remembered.put(name, 1, name.encode() * 10)
    assert remembered.get("a") == b"a" * 10  # so it is no longer the oldest
    remembered.put("d", 1, b"d" * 10)
    assert [remembered.get(name) is not None for name in "abcd"] == [True, False, True, True]
    remembered.put("large", 1, b"x" * 10_000)  # larger than all: nothing stays
    assert remembered.size == 0
    assert not remembered.answers


def test_long_questions_are_not_remembered() -> None:
    remembered = Remembered()
    remembered.put("long", SHORT + 1, b"answer")
    assert remembered.get("long") is None
