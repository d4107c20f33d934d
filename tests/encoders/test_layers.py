"""Layer sizes as people write them: `auto` is what the dataset says, where it says one thing."""

from __future__ import annotations

from typing import Any

import pytest

from embloom.encoders.layers import parse_layers, widths_of
from embloom.training.components import build_components
from trained import configuration


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("auto-512-auto", [None, 512, None]), ("auto-10", [None, 10]), ("12-auto", [12, None]),
        (["auto", 8, "auto"], [None, 8, None]),
    ],
)  # fmt: skip
def test_auto_stands_at_the_ends(layers: Any, expected: list[int | None]) -> None:
    assert parse_layers(layers) == expected


@pytest.mark.parametrize("layers", ["12-auto-3", "12-Auto", "auto-auto-auto", "-auto", "auto-0-auto"])
def test_auto_elsewhere_is_refused(layers: str) -> None:
    with pytest.raises(ValueError, match=r"^layers=.*: write two or more sizes, .* first and last may be auto$"):
        widths_of(layers, 12, {"label": 3})


def test_the_first_is_the_number_of_features_and_the_last_that_of_classes() -> None:
    assert widths_of("auto-8-auto", 12, {"label": 3}) == [12, 8, 3]
    assert widths_of("auto-auto", 12, {"label": 3}) == [12, 3]
    assert widths_of("auto", 12, {"label": 3}) == [12, 512, 3]
    assert widths_of("auto-8-5", 12) == [12, 8, 5]
    assert widths_of("9-auto", labels={"label": 3}) == [9, 3]  # of word vectors, say


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({}, "the dataset has no label"),
        (None, "the dataset has no label"),
        ({"color": 5, "shape": 7}, r"the dataset has several labels \(color 5, shape 7\)"),
    ],
)
def test_a_last_size_that_the_labels_do_not_say_is_asked_for(labels: dict[str, int] | None, why: str) -> None:
    with pytest.raises(ValueError, match=rf"^layers=auto-8-auto: {why}: write the last size as a number"):
        widths_of("auto-8-auto", 12, labels)


def test_a_first_size_that_is_free_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"^layers=auto-3: the first size is free here: write a number"):
        widths_of("auto-3")


def test_the_same_setting_fits_another_dataset() -> None:
    for side, classes in ((32, 10), (8, 10)):
        encoder = build_components(configuration("encoder.layers=auto-20-auto", f"dataset.side={side}")).encoder
        assert encoder.sizes == {"hidden_0": 20, "embedding": classes}
        assert encoder.linears[0].in_features == side * side  # type: ignore[index, union-attr]
    with pytest.raises(ValueError, match=r"^encoder\.layers=auto-20-auto: the dataset has several labels \(color "):
        build_components(configuration("experiment=color_shape", "encoder=mlp", "encoder.layers=auto-20-auto"))
