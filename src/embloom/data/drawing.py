"""Draws one flat shape an image, from signed distances: vectorised, antialiased, no drawing library.

A signed distance says how far a point is from an outline, negative inside. Shapes live in their own frame,
x to the right and y down, and fit into the unit circle, more or less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor


def box(x: Tensor, y: Tensor, half_width: float, half_height: float) -> Tensor:
    """Signed distance to a rectangle about the origin."""
    dx, dy = x.abs() - half_width, y.abs() - half_height
    return torch.hypot(dx.clamp_min(0), dy.clamp_min(0)) + torch.maximum(dx, dy).clamp_max(0)


def wedge_angle(x: Tensor, y: Tensor, count: int) -> Tensor:
    """The angle from the nearest of `count` evenly spaced rays, the first of which points up."""
    step = 2 * math.pi / count
    return torch.remainder(torch.atan2(x, -y) + step / 2, step) - step / 2


def circle(x: Tensor, y: Tensor) -> Tensor:
    """A disc."""
    return torch.hypot(x, y) - 0.8


def square(x: Tensor, y: Tensor) -> Tensor:
    """A square on its side."""
    return box(x, y, 0.72, 0.72)


def triangle(x: Tensor, y: Tensor) -> Tensor:
    """An equilateral triangle, its tip up: the farthest of three lines at distance 0.5."""
    return torch.hypot(x, y) * torch.cos(wedge_angle(x, -y, 3)) - 0.5


def star(x: Tensor, y: Tensor) -> Tensor:
    """Five points: by symmetry, the distance to the one edge from an outer tip to an inner corner."""
    outer, inner, half = 1.0, 0.42, math.pi / 5
    angle, radius = wedge_angle(x, y, 5).abs(), torch.hypot(x, y)
    across, along = radius * torch.sin(angle), radius * torch.cos(angle)
    edge_across, edge_along = inner * math.sin(half), inner * math.cos(half) - outer
    return ((along - outer) * edge_across - across * edge_along) / math.hypot(edge_across, edge_along)


def cross(x: Tensor, y: Tensor) -> Tensor:
    """Two bars."""
    return torch.minimum(box(x, y, 0.95, 0.3), box(x, y, 0.3, 0.95))


def car(x: Tensor, y: Tensor) -> Tensor:
    """A body, a cabin and two wheels."""
    body, cabin = box(x, y - 0.15, 1.0, 0.28), box(x + 0.05, y + 0.3, 0.5, 0.25)
    wheels = torch.hypot(x.abs() - 0.55, y - 0.45) - 0.24
    return torch.minimum(torch.minimum(body, cabin), wheels)


def ring(x: Tensor, y: Tensor) -> Tensor:
    """A circle's outline, thick."""
    return (torch.hypot(x, y) - 0.7).abs() - 0.2


def diamond(x: Tensor, y: Tensor) -> Tensor:
    """A rhombus, higher than wide: the distance to its lines."""
    return (x.abs() / 0.6 + y.abs() - 1) / math.hypot(1 / 0.6, 1)


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": circle, "square": square, "triangle": triangle, "star": star, "cross": cross, "car": car,
    "ring": ring, "diamond": diamond,
}  # fmt: skip


def parse_color(name: str, text: object) -> tuple[int, int, int]:
    """`#ffc400` -> (255, 196, 0).

    Raises:
        ValueError: it is not written so.
    """
    digits = str(text).removeprefix("#")
    try:
        if len(digits) != 6:
            raise ValueError
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f"dataset.colors.{name}={text}: write it as '#rrggbb', e.g. '#ffc400'") from None
    return red, green, blue


def draw(
    shapes: Sequence[str], colors: Tensor, factors: Mapping[str, Tensor], side: int, grain: Tensor | None
) -> Tensor:
    """Draws N images.

    Args:
        shapes: names that `factors["shape"]` counts.
        colors: (N, 3), 0..1.
        factors: `shape` (N,) numbers of the shapes; `x`, `y` (N,) the centre and `size` (N,) the radius, in
            halves of the side; `angle` (N,) in degrees, clockwise; `background` (N, 3), 0..1.
        side: height and width in pixels.
        grain: (N, side, side, 3), added at the end, or None.

    Returns:
        uint8 (N, side, side, 3).
    """

    def of_each(name: str) -> Tensor:
        return factors[name].view(-1, 1, 1)

    grid = (torch.arange(side) + 0.5) / side * 2 - 1
    dx, dy = grid.view(1, 1, -1) - of_each("x"), grid.view(1, -1, 1) - of_each("y")
    turn, size = torch.deg2rad(of_each("angle")), of_each("size")
    across = (turn.cos() * dx + turn.sin() * dy) / size
    down = (turn.cos() * dy - turn.sin() * dx) / size
    distance = torch.empty_like(across)
    for number, name in enumerate(shapes):
        rows = factors["shape"] == number
        distance[rows] = SHAPES[name](across[rows], down[rows])
    # A pixel is covered as far as the outline passes it: half a pixel to either side.
    cover = (0.5 - distance * size * side / 2).clamp(0, 1).unsqueeze(-1)
    image = torch.lerp(factors["background"].view(-1, 1, 1, 3), colors.view(-1, 1, 1, 3), cover)
    if grain is not None:
        image = image + grain
    return (image * 255).round().clamp(0, 255).to(torch.uint8)
