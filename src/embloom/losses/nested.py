"""Widths of which each is an embedding of its own: the first numbers of a vector (Matryoshka)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

Cut = Callable[[Mapping[str, Tensor], int], dict[str, Tensor]]


@dataclass(frozen=True)
class Nested:
    """The widths at which a loss is taken beside the whole: `sum over m of L(first m numbers)`, with weights of 1
    (Kusupati et al. 2022, equation 1).

    Attributes:
        widths: ascending, less than the whole.
        sizes: of what is cut: tensor -> its whole width.
        whole: the width of the embedding.
        cut: named tensors, a width -> those that are cut, as an embedding of that width has them.
    """

    widths: tuple[int, ...]
    sizes: Mapping[str, int]
    whole: int
    cut: Cut

    def sizes_at(self, width: int) -> dict[str, int]:
        """The sizes of what is cut where the embedding has `width` numbers."""
        return {name: size - (self.whole - width) for name, size in self.sizes.items()}

    def every(self) -> list[int]:
        """All widths, the whole too."""
        return [*self.widths, self.whole]


def nested(widths: Sequence[int] | None, names: Sequence[str], sizes: Mapping[str, int], cut: Cut) -> Nested | None:
    """What `loss.nested` asks for; None where it does not.

    Args:
        widths: as typed.
        names: the layers that are cut, the first of which says how wide the embedding is.
        sizes: layer -> width.
        cut: see `Nested`.

    Raises:
        ValueError: the embedding has not so many numbers, or the encoder has none.
    """
    if not widths:
        return None
    there = {name: sizes[name] for name in names if name in sizes}
    if not there:
        raise ValueError("loss.nested: this encoder has no embedding to be cut: leave it out")
    whole = next(iter(there.values()))
    least = 1 + whole - min(there.values())
    if wrong := [width for width in widths if not least <= width <= whole]:
        said = f"loss.nested={list(widths)}: the embedding has {whole} numbers, so a width is one of {least} to {whole}"
        raise ValueError(f"{said}, and {wrong[0]} is not")
    return Nested(tuple(sorted(set(widths) - {whole})), there, whole, cut)
