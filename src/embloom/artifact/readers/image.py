"""How pictures become rows of pixels: size, channels, and reading files of any mode."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

CHANNELS = {"gray": 1, "rgb": 3, "red": 1, "green": 1, "blue": 1, "yellow": 1}
# ITU-R BT.601 luma, the weights that Pillow's "L" uses too.
LUMA = (0.299, 0.587, 0.114)
MODES = ("pad", "resize")


@dataclass(frozen=True)
class Pixels:
    """Brings pictures to rows of `channels * side * side` bytes.

    Args:
        side: height and width of the result, in pixels.
        channels: `gray`, `rgb`, one of `red`, `green`, `blue`, or `yellow` (how yellow a pixel is: the smaller
            of red and green, less blue). What is left out here, no encoder can learn.
        fit: `pad` centres a smaller picture on black and keeps its pixels; `resize` scales it, bilinear.

    Raises:
        ValueError: unknown channels or fit, or a side below 1.
    """

    side: int = 32
    channels: str = "gray"
    fit: str = "resize"

    def __post_init__(self) -> None:
        if self.channels not in CHANNELS:
            raise ValueError(f"dataset.channels={self.channels}: it must be one of {', '.join(CHANNELS)}")
        if self.fit not in MODES:
            raise ValueError(f"dataset.fit={self.fit}: it must be pad or resize")
        if not isinstance(self.side, int) or self.side < 1:
            raise ValueError(f"dataset.side={self.side}: it must be a whole number of at least 1")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return (CHANNELS[self.channels], self.side, self.side)

    @property
    def size(self) -> int:
        """Numbers in a row."""
        return CHANNELS[self.channels] * self.side**2

    def rows(self, images: Tensor) -> Tensor:
        """Pictures of one size, uint8 (N, H, W) or (N, H, W, 3) -> uint8 (N, size).

        Raises:
            ValueError: `pad` is asked to shrink a picture.
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
            raise ValueError(
                f"dataset.side={self.side} is smaller than the pictures ({height}x{width}): use dataset.fit=resize"
            )
        top, left = (self.side - height) // 2, (self.side - width) // 2
        return F.pad(planes, (left, self.side - width - left, top, self.side - height - top))

    def resized(self, planes: Tensor) -> Tensor:
        """Scales (N, C, H, W) to the side, bilinear with antialiasing."""
        scaled = F.interpolate(
            planes.float(), size=(self.side, self.side), mode="bilinear", antialias=True, align_corners=False
        )
        return scaled.round().clamp(0, 255).to(torch.uint8)

    def read(self, path: Path) -> Tensor:
        """One picture file -> uint8 (size,).

        Raises:
            OSError, ValueError: the file is no picture that Pillow reads.
        """
        with Image.open(path) as opened:
            return self.rows(torch.from_numpy(as_rgb(opened))[None])[0]

    def of_any(self, inputs: Any) -> Tensor:
        """New inputs for a trained encoder -> float (N, size) in 0..1.

        Args:
            inputs: rows of floats (N, size), taken as they are; uint8 or float pictures (N, H, W[, 3]); or a
                list of Pillow pictures or of paths.

        Raises:
            ValueError: the shape fits none of these.
        """
        if isinstance(inputs, (str, Path, Image.Image)):
            inputs = [inputs]
        if isinstance(inputs, (list, tuple)) and inputs and isinstance(inputs[0], (str, Path)):
            return torch.stack([self.read(Path(p)) for p in inputs]).float() / 255
        if isinstance(inputs, (list, tuple)) and inputs and isinstance(inputs[0], Image.Image):
            pictures = [self.rows(torch.from_numpy(as_rgb(p))[None])[0] for p in inputs]
            return torch.stack(pictures).float() / 255
        tensor = torch.as_tensor(inputs)
        if tensor.ndim == 2 and tensor.shape[1] == self.size:
            return tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()
        if tensor.ndim == 3 or (tensor.ndim == 4 and tensor.shape[-1] == 3):
            if tensor.dtype != torch.uint8:
                tensor = (tensor * 255).round().clamp(0, 255).to(torch.uint8)
            return self.rows(tensor).float() / 255
        raise ValueError(
            f"inputs of shape {tuple(tensor.shape)} fit neither rows (N, {self.size}) nor pictures "
            "(N, height, width) or (N, height, width, 3)"
        )


def as_rgb(image: Image.Image) -> NDArray[np.uint8]:
    """Any Pillow picture -> uint8 (H, W, 3): upright, 16 bits scaled, transparency laid on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        # "I;16" and "I" hold 16-bit pictures, "F" is customary in 0..1 or 0..255.
        scale = 255 / 65535 if image.mode.startswith("I") else (255 if values.max(initial=0) <= 1 else 1)
        gray = np.clip(np.rint(values * scale), 0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.array(image.convert("RGB"), dtype=np.uint8)
