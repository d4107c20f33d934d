"""How images become rows of pixels: size, channels, and reading files of any mode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from embloom.artifact.readers.base import Inputs, Part, Reader, column_of, in_parts
from embloom.artifact.readers.columns import ColumnsReader
from embloom.assembly.parameters import choices, positive_integers
from embloom.files.finding import IMAGES, files_at, setting
from embloom.files.tables import is_table, table_rows
from embloom.files.tensors import first_line
from embloom.startup import option

CHANNELS = {"gray": 1, "rgb": 3, "red": 1, "green": 1, "blue": 1, "yellow": 1}
# ITU-R BT.601 luma, the weights that Pillow's "L" uses too.
LUMA = (0.299, 0.587, 0.114)
MODES = ("pad", "resize")
THREADS = 4
PIXELS = "EMBLOOM_MAX_PIXELS"  # environment: of an image file, before it is scaled
MOST_PIXELS = 40_000_000


@dataclass(frozen=True)
class ImageReader(Reader):
    """Brings images to rows of `channels * side * side` bytes.

    Args:
        side: height and width of the result, in pixels.
        channels: `gray`, `rgb`, one of `red`, `green`, `blue`, or `yellow` (how yellow a pixel is: the smaller
            of red and green, less blue). What is left out here, no encoder can learn.
        fit: `pad` centres a smaller image on black and keeps its pixels; `resize` scales it, bilinear.

    Raises:
        ValueError: unknown channels or fit, or a side below 1.
    """

    side: int = 32
    channels: str = "gray"
    fit: str = "resize"

    kind = "image"
    example = "['one.png', 'two.png']"

    def __post_init__(self) -> None:
        choices(CHANNELS, channels=self.channels)
        choices(MODES, fit=self.fit)
        positive_integers(side=self.side)

    def options(self) -> dict[str, Any]:
        """Side, channels and fit."""
        return asdict(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (CHANNELS[self.channels], self.side, self.side)

    @property
    def size(self) -> int:
        """Numbers in a row."""
        return CHANNELS[self.channels] * self.side**2

    def rows(self, images: Tensor) -> Tensor:
        """Images of one size, uint8 (N, H, W) or (N, H, W, 3) -> uint8 (N, size).

        Raises:
            ValueError: `pad` is asked to shrink an image.
        """
        planes = self.select(images)
        height, width = planes.shape[-2:]
        if (height, width) != (self.side, self.side):
            planes = self.padded(planes) if self.fit == "pad" else self.resized(planes)
        return planes.reshape(len(planes), -1).contiguous()

    def select(self, images: Tensor) -> Tensor:
        """The planes that `channels` keeps: uint8 (N, H, W[, 3]) -> uint8 (N, C, H, W)."""
        if images.ndim == 3:
            # Gray is red, green and blue alike, and so not yellow at all.
            planes = images.unsqueeze(1).expand(-1, CHANNELS[self.channels], -1, -1)
            return torch.zeros_like(planes) if self.channels == "yellow" else planes
        planes = images.permute(0, 3, 1, 2)
        if self.channels == "rgb":
            return planes
        if self.channels == "gray":
            weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
            return (planes.float() * weights).sum(1, keepdim=True).round().to(torch.uint8)
        red, green, blue = planes.short().unbind(1)
        if self.channels == "yellow":
            return (torch.minimum(red, green) - blue).clamp_min(0).to(torch.uint8).unsqueeze(1)
        return {"red": red, "green": green, "blue": blue}[self.channels].to(torch.uint8).unsqueeze(1)

    def padded(self, planes: Tensor) -> Tensor:
        """Centres (N, C, H, W) on black; an odd pixel goes below and to the right."""
        height, width = planes.shape[-2:]
        if max(height, width) > self.side:
            raise ValueError(f"side={self.side} is smaller than the images ({height}x{width}): use dataset.fit=resize")
        top, left = (self.side - height) // 2, (self.side - width) // 2
        return F.pad(planes, (left, self.side - width - left, top, self.side - height - top))

    def resized(self, planes: Tensor) -> Tensor:
        """Scales (N, C, H, W) to the side, bilinear with antialiasing."""
        scaled = F.interpolate(
            planes.float(), size=(self.side, self.side), mode="bilinear", antialias=True, align_corners=False
        )
        return scaled.round().clamp(0, 255).to(torch.uint8)

    def read(self, path: Path) -> Tensor:
        """One image file -> uint8 (size,).

        Raises:
            OSError, ValueError: the file is no image that Pillow reads.
        """
        with Image.open(path) as opened:
            limit = setting(PIXELS, MOST_PIXELS)
            if opened.width * opened.height > limit:
                raise ValueError(
                    f"{opened.width}x{opened.height} pixels are more than {limit:,}: scale it down, or set {PIXELS}"
                )
            return self.rows(torch.from_numpy(as_rgb(opened))[None])[0]

    def __call__(self, inputs: Any) -> dict[str, Tensor]:
        """`image` and `features`, the same rows; see `of_any`."""
        rows = self.of_any(inputs)
        return {"image": rows, "features": rows}

    def of_any(self, inputs: Any) -> Tensor:
        """New inputs for a trained encoder -> float (N, size) in 0..1.

        Args:
            inputs: rows of floats (N, size), taken as they are; uint8 or float images (N, H, W[, 3]); or a
                list of Pillow images or of paths.

        Raises:
            ValueError: the shape fits none of these.
        """
        if isinstance(inputs, (str, Path, Image.Image)):
            inputs = [inputs]
        if isinstance(inputs, (list, tuple)) and inputs and all(map(self.is_one, inputs)):
            return torch.stack([self.one(image) for image in inputs]).float() / 255
        try:
            tensor = torch.as_tensor(inputs)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"images are paths, Pillow images or arrays of numbers: {first_line(error)}") from error
        if tensor.ndim == 2 and (tensor.shape[1] == self.size or not len(tensor)):
            return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()
        if tensor.ndim == 3 or (tensor.ndim == 4 and 3 in (tensor.shape[-1], tensor.shape[1])) or colored(tensor):
            return self.rows(as_bytes(tensor)).float() / 255
        raise ValueError(
            f"inputs of shape {tuple(tensor.shape)} fit neither rows (N, {self.size}) nor images (height, width), "
            "(N, height, width) or (N, height, width, 3)"
        )

    def is_one(self, item: Any) -> bool:
        """Whether an item of a list is an image by itself: a path, a Pillow image, or an array of pixels."""
        shape = tuple(getattr(item, "shape", ()))
        return isinstance(item, (str, Path, Image.Image)) or len(shape) == 3 or (len(shape) == 2 and 1 not in shape)

    def one(self, item: Any) -> Tensor:
        """An image -> uint8 (size,)."""
        if isinstance(item, (str, Path)):
            return self.checked(Path(item))
        if isinstance(item, Image.Image):
            return self.rows(torch.from_numpy(as_rgb(item))[None])[0]
        return self.rows(as_bytes(torch.as_tensor(item)[None]))[0]

    def whole(self, inputs: Any, column: str | None = None) -> Any:
        """A single array (height, width[, 3 or 4]) as one of several; a column of paths as a list."""
        found = column_of(inputs, column, "path")
        if hasattr(found, "shape") and not isinstance(found, Image.Image):
            shape = tuple(found.shape)
            rows = len(shape) == 2 and (shape[1] == self.size or not shape[0])
            batch = len(shape) == 3 and (shape[1:] == (self.side, self.side) or shape[-1] not in (1, 3, 4))
            pixels = str(found.dtype).endswith("uint8")  # floats (N, D) are rows, and of another width a mistake
            if (len(shape) == 2 and not rows and pixels) or (len(shape) == 3 and not batch):
                return found[None]
        return found

    def open(self, path: str, column: str | None, size: int) -> Inputs:
        """An image, a folder or a glob of images, or a CSV file with a column of paths or one for each pixel."""
        place = Path(path).expanduser()
        if place.is_file() and is_table(place):
            if column is None:
                rows = ColumnsReader({"image": {"width": self.size, "dtype": "float32"}}).parts(
                    place, size, f"; if it lists paths of images, name their column with {option('column')}"
                )
                return Inputs(Part(part.names, torch.tensor(part.inputs["image"])) for part in rows)
            return Inputs(self.parts(listed(place, column), size))
        paths = files_at(path, "image", IMAGES)
        return Inputs(self.parts(map(str, paths), size), len(paths))

    def files(self, path: str, column: str | None) -> list[Path] | None:
        """Images; not those of a table of pixels."""
        place = Path(path).expanduser()
        if place.is_file() and is_table(place):
            return None if column is None else [Path(name) for name in listed(place, column)]
        return files_at(path, "image", IMAGES)

    def of_files(self, files: Sequence[Path], size: int) -> Iterator[Part]:
        """Rows of floats in 0..1."""
        return self.parts(map(str, files), size)

    def parts(self, paths: Iterable[str], size: int) -> Iterator[Part]:
        """Rows of floats in 0..1, a part at a time, decoded in threads."""
        with ThreadPoolExecutor(THREADS) as pool:
            for names in in_parts(paths, size):
                rows = list(pool.map(lambda name: self.checked(Path(name)), names))
                yield Part(names, torch.stack(rows).float() / 255)

    def checked(self, path: Path, advice: str = "repair or remove it") -> Tensor:
        """One image file -> uint8 (size,).

        Raises:
            ValueError: it cannot be read; names the file.
        """
        try:
            return self.read(path)
        except Exception as error:  # Pillow's decoders raise almost anything on broken input
            if isinstance(error, ValueError) and str(error).startswith("side="):
                raise
            raise ValueError(f"cannot read the image {path} ({first_line(error)}): {advice}") from error

    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """Three images of noise."""
        rows = torch.rand(3, self.size)
        return {"image": (rows, {0: "batch"}), "features": (rows, {0: "batch"})}


def colored(images: Tensor) -> bool:
    """Whether there are channels behind, as Pillow and numpy have them: one, or with transparency."""
    return images.ndim == 4 and images.shape[-1] in (1, 4)


def as_bytes(images: Tensor) -> Tensor:
    """Images (N, H, W[, C]) or (N, 3, H, W), bytes or numbers in 0..1 -> uint8 (N, H, W[, 3]).

    Raises:
        ValueError: numbers are outside of these ranges.
    """
    if images.ndim == 4 and images.shape[-1] not in (1, 3, 4):
        images = images.permute(0, 2, 3, 1)
    if images.dtype != torch.uint8 and images.numel():
        low, high = float(images.min()), float(images.max())
        most = 1.001 if images.is_floating_point() else 255
        if not (low >= -0.001 and high <= most) and images.dtype != torch.bool:
            raise ValueError(
                f"pixels from {low:g} to {high:g}: give bytes (0..255, uint8) or floats in 0..1; divide by 255"
            )
        scale = 255 if images.is_floating_point() or images.dtype == torch.bool else 1
        images = (images * scale).round().clamp(0, 255).to(torch.uint8) if scale > 1 else images.to(torch.uint8)
    if images.ndim == 4 and images.shape[-1] == 4:  # transparency is laid on white
        color, alpha = images[..., :3].float(), images[..., 3:].float() / 255
        images = (color * alpha + 255 * (1 - alpha)).round().to(torch.uint8)
    return images[..., 0] if images.ndim == 4 and images.shape[-1] == 1 else images


def listed(table: Path, column: str) -> Iterator[str]:
    """The paths in a column of a table, beside which they lie."""
    return (str(table.parent / row[0]) for row in table_rows(table, (column,), f"name it with {option('column')}"))


def as_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Any Pillow image -> uint8 (H, W, 3): upright, 16 bits scaled, transparency laid on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        # "I;16" and "I" hold 16-bit images, "F" is customary in 0..1 or 0..255.
        scale = 255 / 65535 if image.mode.startswith("I") else (255 if values.max(initial=0) <= 1 else 1)
        gray = np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"), dtype=np.uint8)
