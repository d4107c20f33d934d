"""Images of any kind become the rows that they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from embloom.artifact.readers.image import CHANNELS, ImageReader, as_rgb

# red, green, blue, yellow, white, gray
COLORS = torch.tensor(
    [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0], [255, 255, 255], [90, 90, 90]], dtype=torch.uint8
)
IMAGES = COLORS[:, None, None, :].expand(-1, 4, 4, -1)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ("gray", [76, 150, 29, 226, 255, 90]),
        ("red", [255, 0, 0, 255, 255, 90]),
        ("green", [0, 255, 0, 255, 255, 90]),
        ("blue", [0, 0, 255, 0, 255, 90]),
        ("yellow", [0, 0, 0, 255, 0, 0]),
    ],
)
def test_channels_keep_what_they_say(channels: str, expected: list[int]) -> None:
    rows = ImageReader(4, channels).rows(IMAGES)
    assert rows.shape == (6, 16)
    assert rows.dtype == torch.uint8
    assert (rows == rows[:, :1]).all()
    assert rows[:, 0].tolist() == expected


def test_gray_weighs_colors_like_pillow() -> None:
    picture = torch.randint(0, 256, (1, 9, 9, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    theirs = np.asarray(Image.fromarray(picture[0].numpy()).convert("L")).astype(int)
    assert np.abs(ImageReader(9).rows(picture)[0].view(9, 9).numpy().astype(int) - theirs).max() <= 1


def test_rgb_keeps_three_planes_in_order() -> None:
    rows = ImageReader(4, "rgb").rows(IMAGES)
    assert rows.shape == (6, ImageReader(4, "rgb").size) == (6, 48)
    assert torch.equal(rows.view(6, 3, 16)[:, :, 0], COLORS)


@pytest.mark.parametrize("channels", CHANNELS)
def test_gray_images_are_the_same_with_one_plane_or_three(channels: str) -> None:
    gray = torch.randint(0, 256, (3, 8, 8), dtype=torch.uint8)
    reader = ImageReader(8, channels)
    assert torch.equal(reader.rows(gray), reader.rows(gray[..., None].expand(-1, -1, -1, 3)))


def test_pad_centres_and_keeps_the_pixels() -> None:
    picture = torch.arange(1, 7, dtype=torch.uint8).view(1, 2, 3)
    found = ImageReader(6, fit="pad").rows(picture).view(6, 6)
    expected = torch.zeros(6, 6, dtype=torch.uint8)
    expected[2:4, 1:4] = picture[0]  # the odd pixel is to the right
    assert torch.equal(found, expected)


def test_pad_refuses_to_shrink() -> None:
    with pytest.raises(ValueError, match=r"^side=4.*8x9.*dataset\.fit=resize"):
        ImageReader(4, fit="pad").rows(torch.zeros(1, 8, 9, dtype=torch.uint8))


@pytest.mark.parametrize("side", [4, 16, 21])
def test_resize_is_close_to_pillows(side: int) -> None:
    x = torch.linspace(0, 255, 12)
    picture = ((x[:, None] + x[None, :]) / 2).to(torch.uint8)
    theirs = Image.fromarray(picture.numpy()).resize((side, side), Image.Resampling.BILINEAR)
    ours = ImageReader(side).rows(picture[None]).view(side, side).numpy().astype(int)
    assert np.abs(ours - np.asarray(theirs).astype(int)).max() <= 2


def test_right_size_is_left_alone() -> None:
    picture = torch.randint(0, 256, (2, 5, 5), dtype=torch.uint8)
    for fit in ("pad", "resize"):
        assert torch.equal(ImageReader(5, fit=fit).rows(picture), picture.view(2, 25))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (2, 2), 1), [255, 255, 255]),
        (Image.new("L", (2, 2), 77), [77, 77, 77]),
        (Image.new("RGB", (2, 2), (1, 2, 3)), [1, 2, 3]),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 255)), [255, 0, 0]),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 0)), [255, 255, 255]),
        (Image.new("LA", (2, 2), (0, 0)), [255, 255, 255]),
        (Image.new("CMYK", (2, 2), (0, 0, 0, 0)), [255, 255, 255]),
        (Image.fromarray(np.full((2, 2), 65535, np.uint16)), [255, 255, 255]),
        (Image.fromarray(np.full((2, 2), 32896, np.uint16)), [128, 128, 128]),
        (Image.fromarray(np.full((2, 2), 65535, np.int32)), [255, 255, 255]),
        (Image.fromarray(np.full((2, 2), 0.5, np.float32)), [128, 128, 128]),
        (Image.fromarray(np.full((2, 2), 200.0, np.float32)), [200, 200, 200]),
    ],
)
def test_every_mode_becomes_rgb(image: Image.Image, expected: list[int]) -> None:
    found = as_rgb(image)
    assert found.shape == (2, 2, 3)
    assert found.dtype == np.uint8
    assert found.reshape(-1, 3).tolist() == [expected] * 4


def test_palette_and_its_transparent_color() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 0, 0])
    image.putdata([0, 1])
    assert as_rgb(image)[0].tolist() == [[10, 20, 30], [200, 0, 0]]
    image.info["transparency"] = 1
    assert as_rgb(image)[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_photographs_are_turned_upright(tmp_path: Path) -> None:
    image = Image.new("L", (4, 2), 0)
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    image.save(tmp_path / "a.png", exif=exif)
    row = ImageReader(4, fit="pad").read(tmp_path / "a.png").view(4, 4)
    assert row.nonzero().tolist() == [[0, 2]]


def test_new_inputs_of_any_kind_are_the_same_rows(tmp_path: Path) -> None:
    reader = ImageReader(6, "rgb", "resize")
    picture = torch.randint(0, 256, (8, 7, 3), dtype=torch.uint8)
    image = Image.fromarray(picture.numpy())
    image.save(tmp_path / "a.png")
    expected = reader.rows(picture[None]).float() / 255
    kinds: list[Any] = [
        tmp_path / "a.png", str(tmp_path / "a.png"), [tmp_path / "a.png"], image, [image], picture[None],
        picture[None].numpy(), picture[None].float() / 255, expected, expected.numpy(), reader.rows(picture[None]),
    ]  # fmt: skip
    for kind in kinds:
        torch.testing.assert_close(reader.of_any(kind), expected)
    (tmp_path / "b.png").write_bytes(b"no image")
    for name in ("absent.png", "b.png"):
        with pytest.raises(ValueError, match=rf"cannot read the image .*{name}"):
            reader.of_any([tmp_path / "a.png", tmp_path / name])
    with pytest.raises(ValueError, match=r"\(5, 17\)"):
        reader.of_any(torch.zeros(5, 17))


@pytest.mark.parametrize(
    ("option", "value"), [("channels", "purple"), ("fit", "crop"), ("side", 0), ("side", 2.5), ("side", "32")]
)
def test_refuses_options_it_does_not_know(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{option}={value}"):
        ImageReader(**{option: value})
