"""Drawn pictures: what they show is what their labels say."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from embloom.data.color_shape import ColorShape
from embloom.data.drawing import SHAPES, draw, parse_color
from embloom.training.preparing import prepared
from trained import configuration

COLORS = {"red": "#d62828", "taxi_yellow": "#ffc400", "green": "#2a9d3a"}
# Areas of the shapes in their own frame.
AREAS = {
    "circle": math.pi * 0.64,
    "square": 1.44**2,
    "triangle": 3 * math.sqrt(3) / 4,
    "star": 5 * 0.42 * math.sin(math.pi / 5),
    "cross": 2 * 1.9 * 0.6 - 0.36,
    "ring": math.pi * (0.81 - 0.25),
    "diamond": 2 * 0.6,
}


def dataset(**options: Any) -> ColorShape:
    settings: dict[str, Any] = {
        "counts": {"train": 60, "val": 10, "test": 20}, "colors": COLORS, "shapes": ["circle", "car"],
        "attributes": {"taxi": {"color": ["taxi_yellow"], "shape": ["car"]}}, "channels": "rgb",
    }  # fmt: skip
    made = ColorShape(16, **{**settings, **options})
    made.setup()
    return made


def pictures(data: ColorShape, split: Any = "train") -> Tensor:
    return data.columns[split]["image"].reshape(-1, *data.supplies["image_shape"]).float() / 255


def one(shape: str, angle: float = 0.0, side: int = 128) -> Tensor:
    """How far each pixel of one big centred shape is covered."""
    factors = {name: torch.tensor([value]) for name, value in (("x", 0.0), ("y", 0.0), ("size", 0.9), ("angle", angle))}
    factors |= {"shape": torch.tensor([0]), "background": torch.zeros(1, 3)}
    return draw([shape], torch.ones(1, 3), factors, side, None)[0, :, :, 0].float() / 255


@pytest.mark.parametrize("shape", AREAS)
def test_shapes_have_their_area(shape: str) -> None:
    area = float(one(shape).mean()) * 4 / 0.81
    assert area == pytest.approx(AREAS[shape], rel=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_turning_moves_pixels_and_keeps_the_area(shape: str) -> None:
    upright, turned = one(shape), one(shape, angle=90.0)
    torch.testing.assert_close(turned, upright.rot90(-1), rtol=0, atol=0.02)


def test_triangle_and_star_point_up() -> None:
    for shape in ("triangle", "star"):
        covered = one(shape).amax(1).nonzero()
        assert one(shape)[covered[0, 0]].sum() < 12
    assert one("car")[64:].sum() > one("car")[:64].sum()


def test_labels_say_what_is_drawn() -> None:
    data = dataset(grain=0.0, background=[0.0, 0.0])
    columns, images = data.columns["train"], pictures(data)
    brightest = images.flatten(2).max(2).values
    expected = torch.tensor([parse_color(*item) for item in COLORS.items()])[columns["color"]] / 255
    torch.testing.assert_close(brightest, expected, rtol=0, atol=0.01)
    taxi = (columns["color"] == 1) & (columns["shape"] == 1)
    assert torch.equal(columns["taxi"], taxi.long())
    assert taxi.any()
    assert data.names["taxi"] == ["not taxi", "taxi"]
    assert data.sizes == {"image": 3072, "features": 3072, "clean": 3072, "color": 3, "shape": 2, "taxi": 2}


def test_a_picture_depends_on_its_place_alone() -> None:
    few, many = dataset(), dataset(counts={"train": 1500, "val": 10, "test": 20})
    assert torch.equal(few.columns["train"]["image"], many.columns["train"]["image"][:60])
    assert torch.equal(few.columns["test"]["image"], many.columns["test"]["image"])
    other = dataset(split_seed=1)
    assert not torch.equal(few.columns["train"]["image"], other.columns["train"]["image"])
    assert not torch.equal(few.columns["train"]["image"][:10], few.columns["val"]["image"])


def test_color_and_shape_are_independent_and_even() -> None:
    columns = dataset(counts={"train": 20_000, "val": 10, "test": 10}, side=4).columns["train"]
    table = torch.zeros(3, 2).index_put_((columns["color"], columns["shape"]), torch.tensor(1.0), accumulate=True)
    assert ((table - 20_000 / 6).abs() < 4 * math.sqrt(20_000 / 6)).all()


def test_numbers_make_attributes_too() -> None:
    data = dataset(attributes={"large": {"size": [0.65, 1.0]}}, grain=0.0, background=[0.0, 0.0])
    area = (pictures(data).amax(1) > 0.2).float().sum((1, 2))
    large, circle = data.columns["train"]["large"] == 1, data.columns["train"]["shape"] == 0
    assert area[large & circle].min() >= area[~large & circle].max()


@pytest.mark.parametrize(("channels", "width"), [("gray", 1024), ("yellow", 1024), ("rgb", 3072)])
def test_channels_are_taken_before_the_encoder(channels: str, width: int) -> None:
    data = dataset(channels=channels)
    assert data.columns["train"]["image"].shape == (60, width)
    assert data.sizes["image"] == width
    if channels == "yellow":
        bright = pictures(data).flatten(1).max(1).values
        yellow = data.columns["train"]["color"] == 1
        assert bright[yellow].min() > bright[~yellow].max()


def test_background_hues_and_noise_are_options() -> None:
    gray, colored = (pictures(dataset(background_hues=hues, grain=0.0))[:, :, 0, 0] for hues in (False, True))
    assert (gray.amax(1) - gray.amin(1)).max() == 0
    assert (colored.amax(1) - colored.amin(1)).min() > 0
    noisy = dataset(noise=0.5, mask=0.25)
    batch = {name: column[:8] for name, column in noisy.columns["train"].items()}
    seen = noisy.transform(batch, "train")
    assert float((seen["image"] == 0).float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(seen["clean"], batch["image"] / 255)
    assert torch.equal(noisy.transform(batch, "embed")["image"], seen["clean"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shapes": ["circle", "blob"]}, "there is no 'blob'; available: circle, square"),
        ({"shapes": ["circle"]}, "two or more"),
        ({"colors": {"red": "red", "blue": "#0000ff"}}, r"dataset.colors.red=red: write it as '#rrggbb'"),
        ({"counts": {"train": 0, "val": 1, "test": 1}}, "dataset.counts.train=0"),
        ({"size": [0.8, 0.5]}, "dataset.size="),
        ({"grain": -1}, "dataset.grain=-1"),
        ({"noise": -1}, "^noise=-1: it must be a number, at least 0"),
        ({"attributes": {"taxi": {"color": ["teal"]}}}, "dataset.attributes.taxi.color: there is no teal"),
        ({"attributes": {"taxi": {"weight": [1, 2]}}}, "there is no such property"),
        ({"attributes": {"color": {"shape": ["car"]}}}, "choose another name"),
        ({"attributes": {"large": {"size": [1]}}}, "it must be .low, high."),
    ],
)
def test_mistakes_name_the_override(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(**options)


def test_the_runs_seed_shuffles_and_the_pictures_stay() -> None:
    small = "dataset.counts={train: 8, val: 8, test: 8}"
    made = [prepared(configuration("experiment=color_shape", small, f"seed={seed}")).dataset for seed in (0, 7)]
    assert [data.seed for data in made] == [0, 7]
    assert torch.equal(*(data.load()["val"]["image"] for data in made if isinstance(data, ColorShape)))
