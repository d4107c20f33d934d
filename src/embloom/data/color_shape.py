"""Drawn images of one coloured shape each: several labels, to see which of them an embedding keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from embloom.data.base import SPLITS, Split
from embloom.data.drawing import SHAPES, draw, parse_color
from embloom.data.images import ImageDataset
from embloom.seeding import generator

# Images are drawn in blocks of a fixed size, so that an image depends on its place, not on how many there are.
BLOCK = 1024
NUMBERS = ("x", "y", "size", "angle")


class ColorShape(ImageDataset):
    """Shapes x colours at random places, sizes and angles, drawn from `split_seed`; no download.

    Labels: `color`, `shape`, and the yes-or-no `attributes`. All factors are drawn independently, so nothing
    about one label can be learned from another, unless through an attribute that is made of both.

    Args:
        counts: images of each split.
        colors: name -> `#rrggbb`.
        shapes: names of `SHAPES`.
        attributes: name -> what an image must have for it: `{color: [taxi_yellow], shape: [car]}`, lists of
            names; and for the numbers `x`, `y`, `size`, `angle` the lowest and the highest, `{size: [0.65, 1]}`.
        position: how far the centre may lie from the middle, in halves of the side.
        size: lowest and highest radius, in halves of the side.
        rotation: largest angle to either side, in degrees.
        background: darkest and lightest, 0..1.
        background_hues: each of the background's red, green and blue is drawn, not one gray.
        grain: standard deviation of the pixels' noise, 0..1; part of the image.
        options: see `ImageDataset`.

    Raises:
        ValueError: an option is out of range, or names a colour or shape that there is not.
    """

    def __init__(
        self,
        batch_size: int,
        counts: Mapping[str, int],
        colors: Mapping[str, str],
        shapes: Sequence[str],
        attributes: Mapping[str, Mapping[str, Sequence[Any]]] | None = None,
        position: float = 0.25,
        size: Sequence[float] = (0.5, 0.8),
        rotation: float = 30.0,
        background: Sequence[float] = (0.0, 0.5),
        background_hues: bool = False,
        grain: float = 0.05,
        **options: Any,
    ) -> None:
        super().__init__(batch_size, **options)
        self.counts, self.shapes = dict(counts), list(shapes)
        self.palette = torch.tensor([parse_color(*item) for item in colors.items()]).float() / 255
        self.attributes = {name: dict(rule) for name, rule in (attributes or {}).items()}
        self.position, self.size, self.rotation = position, list(size), rotation
        self.background, self.background_hues, self.grain = list(background), background_hues, grain
        self.names = {"color": list(colors), "shape": self.shapes}
        self.check_options()
        self.names |= {name: [f"not {name}", name] for name in self.attributes}
        self.labels = tuple(self.names)
        del self.sizes["label"]
        self.sizes |= {label: len(names) for label, names in self.names.items()}

    def check_options(self) -> None:
        """Refuses what cannot be drawn, all of it at once."""
        found = [
            f"dataset.shapes: there is no '{name}'; available: {', '.join(SHAPES)}"
            for name in self.shapes if name not in SHAPES
        ]  # fmt: skip
        for key, many in (("colors", self.names["color"]), ("shapes", self.shapes)):
            if len(many) < 2 or len(set(many)) < len(many):
                found.append(f"dataset.{key}={','.join(many)}: it must name two or more, each once")
        for split in SPLITS:
            count = self.counts.get(split)
            if not isinstance(count, int) or count < 1:
                found.append(f"dataset.counts.{split}={count}: it must be a positive integer")
        for key, pair, least in (("size", self.size, 1e-3), ("background", self.background, 0.0)):
            if len(pair) != 2 or not least <= pair[0] <= pair[1] <= 1:
                found.append(f"dataset.{key}={pair}: it must be [low, high] with 0 <= low <= high <= 1")
        for key, value in (("position", self.position), ("rotation", self.rotation), ("grain", self.grain)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                found.append(f"dataset.{key}={value}: it must be a number of at least 0")
        found += [m for name, rule in self.attributes.items() for m in self.of_rule(name, rule)]
        if found:
            raise ValueError("\n".join(found))

    def of_rule(self, name: str, rule: Mapping[str, Sequence[Any]]) -> list[str]:
        """What is wrong with an attribute's rule."""
        where = f"dataset.attributes.{name}"
        if name in (*self.names, "image", "features", "clean") or not rule:
            return [f"{where}: choose another name, and say what an image must have for it"]
        found = []
        for factor, wanted in rule.items():
            if factor not in (*self.names, *NUMBERS):
                there = ", ".join([*self.names, *NUMBERS])
                found.append(f"{where}.{factor}: there is no such property; available: {there}")
            elif not isinstance(wanted, Sequence) or isinstance(wanted, str):
                names = factor in self.names
                found.append(f"{where}.{factor}={wanted}: it must be {'a list of names' if names else '[low, high]'}")
            elif factor in self.names:
                unknown = [str(w) for w in wanted if w not in self.names[factor]]
                there = f"{', '.join(self.names[factor])}, or drop the label with ~{where}"
                found += [f"{where}.{factor}: there is no {', '.join(unknown)}; available: {there}"] if unknown else []
            elif len(wanted) != 2 or not all(isinstance(bound, (int, float)) for bound in wanted):
                found.append(f"{where}.{factor}={list(wanted)}: it must be [low, high]")
        return found

    def load(self) -> dict[Split, dict[str, Tensor]]:
        """Draws every split, block by block."""
        drawn: dict[Split, dict[str, Tensor]] = {}
        for number, split in enumerate(SPLITS):
            count = self.counts[split]
            blocks = [self.block(number, block) for block in range(-(-count // BLOCK))]
            drawn[split] = {name: torch.cat([b[name] for b in blocks])[:count] for name in blocks[0]}
        return drawn

    def block(self, split: int, block: int) -> dict[str, Tensor]:
        """The columns of `BLOCK` images: `image` uint8 (BLOCK, size), labels (BLOCK,)."""
        random = generator(self.split_seed, split, block)
        factors = self.factors(random)
        side = self.pixels.side
        grain = self.grain * torch.randn(BLOCK, side, side, 3, generator=random) if self.grain else None
        images = draw(self.shapes, self.palette[factors["color"]], factors, side, grain)
        labels = {"color": factors["color"], "shape": factors["shape"]}
        labels |= {name: self.attribute(rule, factors) for name, rule in self.attributes.items()}
        return {"image": self.pixels.rows(images), **labels}

    def factors(self, random: torch.Generator) -> dict[str, Tensor]:
        """What is drawn by lot about each image of a block; see `draw`."""

        def uniform(low: float, high: float, width: int = 1) -> Tensor:
            return low + (high - low) * torch.rand(BLOCK, width, generator=random).squeeze(1)

        background = uniform(self.background[0], self.background[1], 3 if self.background_hues else 1)
        return {
            "color": torch.randint(len(self.palette), (BLOCK,), generator=random),
            "shape": torch.randint(len(self.shapes), (BLOCK,), generator=random),
            "x": uniform(-self.position, self.position),
            "y": uniform(-self.position, self.position),
            "size": uniform(self.size[0], self.size[1]),
            "angle": uniform(-self.rotation, self.rotation),
            "background": background.view(BLOCK, -1).expand(-1, 3),
        }

    def attribute(self, rule: Mapping[str, Sequence[Any]], factors: Mapping[str, Tensor]) -> Tensor:
        """1 where an image has everything that the rule asks for, else 0: (BLOCK,)."""
        holds = torch.ones(BLOCK, dtype=torch.bool)
        for factor, wanted in rule.items():
            values = factors[factor]
            if factor in self.names:
                numbers = torch.tensor([self.names[factor].index(name) for name in wanted])
                holds &= torch.isin(values, numbers)
            else:
                holds &= (values >= wanted[0]) & (values <= wanted[1])
        return holds.long()
