"""Tensors reach parameters by name; `of` renames and does nothing else."""

from __future__ import annotations

import pytest

from embloom.assembly.wiring import Wire


def function(center: int, context: int, positives: int = 7, *, noise: int = 9) -> tuple[int, ...]:
    return center, context, positives, noise


TENSORS = {"center": 1, "context": 2, "word": 3, "unused": 4}


def test_passes_by_parameter_name_and_nothing_else() -> None:
    assert Wire(function, None, "loss.x")(TENSORS) == (1, 2, 7, 9)
    assert Wire(function, {}, "loss.x")({**TENSORS, "noise": 0, "positives": 5}) == (1, 2, 5, 0)


def test_renames() -> None:
    assert Wire(function, {"center": "word", "noise": "unused"}, "loss.x")(TENSORS) == (3, 2, 7, 4)


def test_swaps() -> None:
    assert Wire(function, {"center": "context", "context": "center"}, "loss.x")(TENSORS)[:2] == (2, 1)


def test_one_tensor_can_feed_two_parameters() -> None:
    assert Wire(function, {"context": "center"}, "loss.x")(TENSORS)[:2] == (1, 1)


def test_names_what_is_missing() -> None:
    wire = Wire(function, {"context": "word"}, "loss.x")
    assert wire.missing(["center", "word"]) == []
    assert wire.missing(["center", "b", "a"]) == [
        "loss.x needs the tensor 'word' and nobody provides it; available: a, b, center. "
        "Rename with loss.x.of.context=..."
    ]
    assert len(wire.missing([])) == 2
    assert wire.missing(["word"])[0].endswith("Rename with +loss.x.of.center=...")  # Hydra has to add this one


def test_refuses_a_rename_of_no_parameter() -> None:
    with pytest.raises(ValueError, match=r"^loss\.x\.of\.centre: it takes no such tensor; it takes: center, context"):
        Wire(function, {"centre": "word"}, "loss.x")


def test_renamed_keeps_the_old_names_too() -> None:
    wire = Wire(function, {"center": "word", "noise": "absent"}, "loss.x")
    assert wire.renamed({"word": 3, "context": 2}) == {"word": 3, "context": 2, "center": 3}


def test_does_not_touch_what_it_is_given() -> None:
    tensors = dict(TENSORS)
    Wire(function, {"center": "word"}, "loss.x")(tensors)
    assert tensors == TENSORS
