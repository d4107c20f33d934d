"""Augmentation does to images what it says, and views are what losses of views take them for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from embloom.data.augment import Augment
from embloom.data.digits import Digits
from embloom.data.image_folder import ImageFolder
from embloom.seeding import seed_step

EVERYTHING: dict[str, float] = {
    "crop": 0.3, "scale": 0.2, "shift": 0.1, "rotation": 20, "shear": 10, "elastic": 0.03, "flip": 0.5,
    "brightness": 0.2, "contrast": 0.5, "color": 0.3, "erase": 0.5,
}  # fmt: skip
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def smooth(count: int = 64, channels: int = 3, side: int = 32) -> Tensor:
    """Images without sharp edges, bright in the middle and dark all around."""
    coarse = torch.rand(count, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    hill = torch.hann_window(side, periodic=False)
    return F.interpolate(coarse, (side, side), mode="bilinear") * hill[:, None] * hill


def centers(images: Tensor) -> Tensor:
    """The center of mass of each image: (N, 2), x and y in parts of the side from the middle."""
    mass = images.sum(1)
    place = (torch.arange(mass.shape[-1]) + 0.5) / mass.shape[-1] - 0.5
    total = mass.sum((1, 2))
    return torch.stack([(mass.sum(1) * place).sum(1), (mass.sum(2) * place).sum(1)], 1) / total[:, None]


def dataset(**options: Any) -> Digits:
    made = Digits(64, **{"views": 2, "augment": EVERYTHING, **options})
    made.setup()
    return made


def batch_of(data: Digits, count: int = 10) -> dict[str, Tensor]:
    return {name: column[:count] for name, column in data.columns["train"].items()}


# -- what happens to an image


def test_nothing_is_asked_for_and_nothing_happens() -> None:
    images = smooth()
    assert not Augment().changes
    assert Augment()(images) is images


@pytest.mark.parametrize("name", EVERYTHING)
def test_each_option_changes_images_and_each_image_differently(name: str) -> None:
    augment, images = Augment(**{name: EVERYTHING[name]}), smooth(1).expand(16, -1, -1, -1)
    assert augment.changes
    torch.manual_seed(0)
    changed = augment(images)
    assert changed.shape == images.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert len(torch.unique(changed.flatten(1), dim=0)) >= (2 if name == "flip" else 12)


@pytest.mark.parametrize("name", EVERYTHING)
def test_a_tiny_strength_changes_little(name: str) -> None:
    images = smooth()
    changed = Augment(**{name: 1e-4})(images)
    torch.testing.assert_close(changed, images, rtol=0, atol=1e-2)


def test_flip_is_left_for_right() -> None:
    images = smooth()
    torch.testing.assert_close(Augment(flip=1)(images), images.flip(3), rtol=0, atol=1e-5)


def test_shift_moves_by_up_to_its_part_of_the_side() -> None:
    images = F.pad(smooth(2000, 1, 16), (24, 24, 24, 24))
    moved = centers(Augment(shift=0.25)(images)) - centers(images)
    assert moved.abs().max() == pytest.approx(0.25, abs=0.01)
    assert moved.abs().mean() == pytest.approx(0.125, abs=0.01)


def test_rotation_turns_about_the_middle() -> None:
    point = torch.zeros(500, 1, 65, 65)
    point[:, :, 32, 52:55] = 1
    x, y = centers(Augment(rotation=90)(point)).unbind(1)
    radius = float(centers(point)[0, 0])
    torch.testing.assert_close((x**2 + y**2).sqrt(), torch.full_like(x, radius), rtol=0, atol=0.01)
    assert x.min() > -0.02
    assert y.min() < -0.9 * radius
    assert y.max() > 0.9 * radius


def test_scale_stretches_either_way_about_the_middle() -> None:
    images = F.pad(smooth(2000, 1, 16), (24, 24, 24, 24))
    mass = Augment(scale=0.5)(images).sum((1, 2, 3)) / images.sum((1, 2, 3))
    assert 1 / 2.25 * 0.9 < mass.min() < 0.6
    assert 1.8 < mass.max() < 2.25 * 1.1


def test_crop_never_looks_outside() -> None:
    assert Augment(crop=0.6)(torch.ones(200, 1, 16, 16))[:, :, 1:-1, 1:-1].min() > 1 - 1e-5


def test_erase_blackens_a_square() -> None:
    kept = Augment(erase=0.5)(torch.ones(500, 2, 20, 20))
    black = (kept == 0).double().mean((1, 2, 3))
    assert 0.15 < black.max() <= 0.28
    height, width = ((kept[:, 0] == 0).any(dim).sum(1) for dim in (2, 1))
    inside = (height > 0) & (kept[:, 0, [0, -1]].amin((1, 2)) > 0) & (kept[:, 0, :, [0, -1]].amin((1, 2)) > 0)
    assert ((height - width).abs() <= 1)[inside].all()


def test_tones_leave_a_flat_gray_image_flat() -> None:
    changed = Augment(brightness=0.2, contrast=0.5)(torch.full((50, 1, 8, 8), 0.5))
    assert (changed.flatten(1).std(1) < 1e-6).all()
    assert changed[:, 0, 0, 0].min() >= 0.3
    assert changed[:, 0, 0, 0].max() <= 0.7


def test_brightness_changes_channels_alike_and_color_does_not() -> None:
    gray = torch.full((20, 3, 4, 4), 0.5)
    brighter, colored = Augment(brightness=0.2)(gray), Augment(color=0.5)(gray)
    assert (brighter[:, 0] == brighter[:, 1]).all()
    assert ((colored[:, 0] - colored[:, 1]).abs().amax((1, 2)) > 1e-3).sum() > 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop": 1}, r"dataset\.augment\.crop=1: it must be a number, at least 0 and below 1"),
        ({"rotation": -5}, r"dataset\.augment\.rotation=-5"),
        ({"flip": 1.5}, r"dataset\.augment\.flip=1\.5"),
        ({"elastic": float("nan")}, r"dataset\.augment\.elastic=nan"),
        ({"rotate": 5}, r"dataset\.augment\.rotate: .*did you mean rotation"),
    ],
)
def test_mistakes_name_the_override(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Digits(64, augment=options)


# -- views


@pytest.mark.parametrize("phase", ["train", "eval"])
def test_a_batch_has_two_views_of_each_image(phase: Any) -> None:
    data = dataset()
    batch = batch_of(data)
    columns = data.transform(batch, phase)
    assert {name: len(column) for name, column in columns.items()} == dict.fromkeys(columns, 20)
    assert torch.equal(columns["sample"], torch.arange(10).repeat(2))
    assert torch.equal(columns["label"], batch["label"].repeat(2))
    first, second = columns["image"].split(10)
    assert ((first - second).abs().amax(1) > 0.1).all()
    assert torch.equal(columns["features"], columns["image"])
    assert set(columns) == set(data.sizes)


def test_views_of_an_image_are_nearer_than_those_of_others() -> None:
    data = dataset(augment={"rotation": 1, "brightness": 0.02})
    columns = data.transform(batch_of(data, 50), "train")
    distance = torch.cdist(*columns["image"].split(50))
    assert torch.equal(distance.argmin(1), columns["sample"][50:])


def test_held_out_views_are_the_same_each_time() -> None:
    data = dataset(noise=0.1)
    batch, seen = batch_of(data), []
    for _ in range(2):
        torch.rand(7)
        seed_step(CPU, 0, -1, 3)
        seen.append(data.transform(batch, "eval")["image"])
    assert torch.equal(*seen)
    seed_step(CPU, 0, -1, 4)
    assert not torch.equal(data.transform(batch, "eval")["image"], seen[0])


def test_probes_see_each_image_once_as_it_is() -> None:
    data = dataset(noise=0.5, mask=0.5)
    batch = batch_of(data)
    columns = data.transform(batch, "embed")
    assert torch.equal(columns["image"], batch["image"] / 255)
    assert torch.equal(columns["clean"], columns["image"])
    assert torch.equal(columns["label"], batch["label"])
    assert set(columns) == set(data.sizes)


def test_one_view_is_augmented_in_training_only() -> None:
    data = dataset(views=1)
    batch = batch_of(data)
    as_it_is = batch["image"] / 255
    assert not torch.equal(data.transform(batch, "train")["image"], as_it_is)
    assert torch.equal(data.transform(batch, "eval")["image"], as_it_is)
    assert "sample" not in data.sizes
    assert set(data.transform(batch, "train")) == set(data.sizes)


def test_clean_images_show_the_augmentation_and_not_the_noise() -> None:
    data = dataset(noise=0.5)
    columns = data.transform(batch_of(data), "train")
    difference = columns["image"] - columns["clean"]
    assert float(difference.std()) == pytest.approx(0.5, rel=0.05)
    assert not torch.equal(columns["clean"][:10], columns["clean"][10:])


def test_three_views() -> None:
    data = dataset(views=3)
    assert torch.equal(data.transform(batch_of(data, 4), "train")["sample"], torch.arange(4).repeat(3))


def test_views_that_nothing_makes_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"views=2: nothing makes them differ: add dataset\.augment"):
        Digits(64, views=2)
    assert Digits(64, views=2, noise=0.1).sizes["sample"] == 1


def test_batches_of_views_are_of_one_size_held_out_or_not() -> None:
    data = dataset()
    assert {len(batch["label"]) for batch in data.loader("train", shuffle=True)} == {60, 63}
    assert [len(batch["label"]) for batch in data.loader("val")] == [60, 60, 60]
    assert sum(len(batch["label"]) for batch in data.loader("test")) == 360


def test_what_changes_no_held_out_figure_depends_on_the_views() -> None:
    assert {"augment", "noise", "mask", "batch_size", "train_size"} <= set(dataset(views=1).training_only)
    assert set(dataset().training_only) == {"seed", "train_size"}


# -- fewer images


def test_train_size_takes_as_many_of_each_class_and_leaves_the_rest_alone() -> None:
    whole, few = dataset(), dataset(train_size=30)
    assert few.rows() == {**whole.rows(), "train": 30}
    assert torch.bincount(few.columns["train"]["label"]).tolist() == [3] * 10
    assert torch.equal(few.columns["test"]["image"], whole.columns["test"]["image"])
    assert torch.equal(few.columns["train"]["image"], dataset(train_size=30).columns["train"]["image"])


def test_train_size_cannot_be_more_than_there_is() -> None:
    with pytest.raises(ValueError, match=r"dataset\.train_size=5000: there are only 1257 training images"):
        dataset(train_size=5000)


@pytest.mark.parametrize("stream", [False, True])
def test_train_size_of_folders(tmp_path: Path, stream: bool) -> None:
    for name, count in (("a", 30), ("b", 9)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("L", (8, 8), 5 * i).save(tmp_path / name / f"{i}.png")
    data = ImageFolder(4, str(tmp_path), side=8, train_size=8, stream=stream)
    data.setup()
    labels = torch.cat([batch["label"] for batch in data.loader("train")])
    assert data.rows()["train"] == len(labels) == 8
    assert torch.bincount(labels).tolist() == [4, 4]
