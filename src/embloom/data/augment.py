"""Random changes of images, each image its own, of a whole batch at once: data augmentation, and views to compare."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.assembly.parameters import numbers

POINTS = 4  # along each side, of the field that `elastic` interpolates


@dataclass(frozen=True)
class Augment:
    """What may happen to an image; 0 is nothing. How much does is drawn for each image, evenly, from torch's default
    generators.

    Args:
        crop: cut off up to this part of height and width, anywhere, and enlarge what is left.
        scale: stretch width and height, each by a factor of its own from 1 / (1 + scale) to 1 + scale.
        shift: move along each side, by up to this part of it.
        rotation: turn by up to so many degrees, either way.
        shear: slant by up to so many degrees, either way.
        elastic: move every place by a smooth random field with this standard deviation, in parts of the side (Simard
            et al. 2003).
        flip: probability of swapping left and right.
        brightness: add up to this much, or take it away.
        contrast: multiply differences from the image's mean, by a factor from 1 - contrast to 1 + contrast.
        color: multiply each channel, by a factor of its own from 1 - color to 1 + color.
        erase: blacken a square with a side of up to this part of the image's (DeVries and Taylor 2017).

    Raises:
        ValueError: a number is out of range.
    """

    crop: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    rotation: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    color: float = 0.0
    erase: float = 0.0

    def __post_init__(self) -> None:
        numbers(at_least=0, below=1, crop=self.crop)
        numbers(at_least=0, below=90, shear=self.shear)
        numbers(at_least=0, at_most=180, rotation=self.rotation)
        numbers(at_least=0, scale=self.scale, elastic=self.elastic, brightness=self.brightness)
        parts = {"shift": self.shift, "flip": self.flip, "contrast": self.contrast, "color": self.color}
        numbers(at_least=0, at_most=1, **parts, erase=self.erase)

    @property
    def changes(self) -> bool:
        """Whether anything may happen."""
        return any(vars(self).values())

    @property
    def moves(self) -> bool:
        """Whether places may move, or only tones change."""
        return any((self.crop, self.scale, self.shift, self.rotation, self.shear, self.elastic, self.flip))

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) in 0..1 -> changed ones; what comes in from outside is black."""
        if self.moves:
            images = F.grid_sample(images, self.places(images), align_corners=False)
        if self.contrast:
            factor = self.factors(images, self.contrast)
            images = torch.lerp(images.mean((1, 2, 3), keepdim=True), images, factor)
        if self.color:
            images = images * self.factors(images, self.color, images.shape[1])
        if self.brightness:
            images = images + (self.factors(images, self.brightness) - 1)
        if self.contrast or self.color or self.brightness:
            images = images.clamp(0, 1)
        return images * self.outside_square(images) if self.erase else images

    def places(self, images: Tensor) -> Tensor:
        """Where each pixel is taken from: (N, H, W, 2), x and y in -1..1."""
        either = uniform(images, 7)
        turn, slant = math.radians(self.rotation) * either[0], math.radians(self.shear) * either[1]
        left = 1 - self.crop * (either[2] + 1) / 2
        width, height = left * (1 + self.scale) ** either[3], left * (1 + self.scale) ** either[4]
        room = 1 - left + 2 * self.shift
        if self.flip:
            width = torch.where(torch.rand_like(width) < self.flip, -width, width)
        cos, sin, tan = turn.cos(), turn.sin(), slant.tan()
        matrix = [
            [width * cos, height * (tan * cos - sin), room * either[5]],
            [width * sin, height * (tan * sin + cos), room * either[6]],
        ]
        theta = torch.stack([torch.stack(row, 1) for row in matrix], 1)
        places = F.affine_grid(theta, list(images.shape), align_corners=False)
        return places + self.bend(images) if self.elastic else places

    def bend(self, images: Tensor) -> Tensor:
        """A smooth field of displacements: (N, H, W, 2)."""
        # A side is 2 long in these coordinates.
        points = 2 * self.elastic * torch.randn(len(images), 2, POINTS, POINTS, device=images.device)
        field = F.interpolate(points, images.shape[-2:], mode="bicubic", align_corners=True)
        return field.permute(0, 2, 3, 1)

    def factors(self, images: Tensor, strength: float, channels: int = 1) -> Tensor:
        """Numbers from 1 - strength to 1 + strength: (N, channels, 1, 1)."""
        return 1 + strength * uniform(images, channels).T[:, :, None, None]

    def outside_square(self, images: Tensor) -> Tensor:
        """0 within a square anywhere, else 1: (N, 1, H, W)."""
        x, y, side = ((1 + number[:, None]) / 2 for number in uniform(images, 3))
        across, down = ((torch.arange(n, device=images.device) + 0.5) / n for n in images.shape[:1:-1])
        half = self.erase * side / 2
        outside = ((across - x).abs() > half)[:, None, None, :] | ((down - y).abs() > half)[:, None, :, None]
        return outside.to(images.dtype)


def uniform(images: Tensor, rows: int) -> Tensor:
    """Numbers from -1 to 1, for each image a column: (rows, N)."""
    return 2 * torch.rand(rows, len(images), device=images.device) - 1
