"""Stacks of strided convolutions, and what reads their settings; no encoder itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from embloom.encoders.layers import ACTIVATIONS, widths_of

NORMS = ("none", "batch")
POOLS = ("none", "average", "max")


def parse_channels(channels: str | int | Sequence[int]) -> list[int]:
    """Channels of each convolution as people write them: `16-32-64` or a list.

    Raises:
        ValueError: one is no positive integer.
    """
    try:
        return widths_of(channels)
    except ValueError:
        raise ValueError(
            f"channels={channels}: write two or more numbers of channels, e.g. encoder.channels=16-32-64"
        ) from None


def reduced(image_shape: Sequence[int] | None, count: int) -> tuple[int, int, int]:
    """The image's channels, and the side after `count` halvings.

    Raises:
        ValueError: the input is no image, or its side is no multiple of 2 to the `count`.
    """
    if image_shape is None:
        raise ValueError("encoder: convolutions need images, and this dataset has none: use encoder=mlp")
    channels, height, width = image_shape
    factor = 2**count
    if height != width or height % factor:
        raise ValueError(
            f"encoder.channels halves the image {count} times, but {height}x{width} is no multiple of {factor}: "
            f"use dataset.side={max(factor, round(height / factor) * factor)}, or fewer channels"
        )
    return channels, height // factor, factor


def stack_down(widths: Sequence[int], activation: str, norm: str = "none") -> nn.Sequential:
    """Convolutions that halve the image, each followed by norm and activation: (B, C, H, W) -> (B, C', H', W')."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.Conv2d(a, b, 4, 2, 1, bias=norm == "none")]
        layers += [nn.BatchNorm2d(b)] if norm == "batch" else []
        layers += [ACTIVATIONS[activation]()]
    return nn.Sequential(*layers)


def stack_up(widths: Sequence[int], activation: str, norm: str = "none") -> nn.Sequential:
    """The mirror image: transposed convolutions that double the image, norm and activation before each."""
    layers: list[nn.Module] = []
    for a, b in pairwise(widths):
        layers += [nn.BatchNorm2d(a)] if norm == "batch" else []
        layers += [ACTIVATIONS[activation](), nn.ConvTranspose2d(a, b, 4, 2, 1)]
    return nn.Sequential(*layers)


def pooled(x: Tensor, pool: str) -> Tensor:
    """(B, C, H, W) -> (B, C) by `average` or `max`, or (B, C*H*W) by `none`."""
    if pool == "average":
        return x.mean((2, 3))
    return x.amax((2, 3)) if pool == "max" else x.flatten(1)
