"""Rows of one embedding, that know what they are called and where they come from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from embloom.files.names import read_names
from embloom.startup import option

if TYPE_CHECKING:
    from embloom.artifact.neighbors import Neighbors
    from embloom.artifact.stages.base import Quantizer
    from embloom.artifact.word_vectors import WordVectors


@dataclass
class Vectors:
    """Rows of one embedding.

    Attributes:
        rows: (N, D).
        names: what they are called, if anything: words, paths, texts.
        content_hash: the artifact that they come from, where the file says so.
        layer: which of its layers.
        labels: attribute -> what it is of each row, '' where it is unknown.
        notes: what was odd about a file, and not wrong.
        spell: see `WordVectors`.
        spaces: content hash and layer of other embeddings whose vectors these may be compared with: they were aligned
            to them, or are those, compressed.
        quantizer: what rounded them, where something did, so that they are searched by their codes.
    """

    rows: Tensor
    names: list[str] = field(default_factory=list)
    content_hash: str = ""
    layer: str = ""
    labels: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    spell: Callable[[Sequence[str]], Tensor] | None = None
    spaces: list[tuple[str, str]] = field(default_factory=list)
    quantizer: Quantizer | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        of = f" of layer {self.layer}" if self.layer else ""
        called = f": {', '.join(name[:30] for name in self.names[:3])}, ..." if self.names else ", without names"
        return f"{len(self):,} vectors of {self.rows.shape[1]} numbers{of}{called}"

    @cached_property
    def search(self) -> Neighbors:
        """What finds the nearest of these rows."""
        from embloom.artifact.neighbors import Neighbors

        return Neighbors(self.rows, quantizer=self.quantizer)

    @cached_property
    def words(self) -> WordVectors:
        """Questions by name: neighbors, analogies, averages, outliers.

        Raises:
            ValueError: the rows have no names.
        """
        from embloom.artifact.word_vectors import WordVectors

        if not self.names:
            raise ValueError(f"these vectors have no names: give them some with {option('names')}")
        return WordVectors(self.names, self.rows, self.spell, self.quantizer)

    def nearest(self, queries: Vectors, k: int = 10) -> tuple[Tensor, Tensor]:
        """For each query the `k` nearest of these rows: cosines (Q, k) and row numbers (Q, k).

        Raises:
            ValueError: the queries come from another embedding.
        """
        self.check_same(queries.content_hash, queries.layer, queries.spaces)
        return self.search.nearest(queries.rows, k)

    def neighbors(self, queries: Vectors, k: int = 10) -> list[list[tuple[str, float]]]:
        """Likewise by name: for each query the `k` nearest of these rows with their cosines; rows without names are
        called by their numbers.

        Raises:
            ValueError: the queries come from another embedding.
        """
        found = zip(*(part.tolist() for part in self.nearest(queries, k)), strict=True)
        return [[(self.called(row), cosine) for cosine, row in zip(*pair, strict=True)] for pair in found]

    def called(self, row: int) -> str:
        """The name of a row, or its number."""
        return self.names[row] if self.names else str(row)

    def check_same(self, content_hash: str, layer: str, spaces: Sequence[tuple[str, str]] = ()) -> None:
        """Refuses to be asked for together with rows of another embedding.

        Args:
            content_hash, layer: of those rows.
            spaces: see the class, of those rows.

        Raises:
            ValueError: these vectors come from another artifact or another layer, and nothing says that they may be
                compared.
        """
        if {(self.content_hash, self.layer), *self.spaces} & {(content_hash, layer), *spaces}:
            return
        if self.content_hash and content_hash and self.content_hash != content_hash:
            raise ValueError(
                f"these vectors come from the artifact {short(self.content_hash)}, not from {short(content_hash)}: "
                "distances between two embeddings mean nothing. Encode them with the same one, or map one into the "
                "other's space with embloom align"
            )
        if self.layer and layer and self.layer != layer:
            raise ValueError(
                f"these vectors are of layer {self.layer}, not of {layer}: encode them with {option('layer', layer)}"
            )

    def with_names(self, names: str | Path | Sequence[str]) -> Vectors:
        """The same vectors under names from a file, see `read_names`, or from a list.

        Raises:
            ValueError: there are more names than rows, or fewer; or they have names of their own.
        """
        place = "the list of names" if not isinstance(names, (str, Path)) else str(names)
        found = read_names(names) if isinstance(names, (str, Path)) else [str(name) for name in names]
        if self.names:
            raise ValueError(f"these vectors have names of their own: leave out {option('names')}")
        if len(found) != len(self):
            raise ValueError(f"{place} has {len(found):,} names for {len(self):,} vectors: they must be as many")
        return replace(self, names=found)


def short(content_hash: str) -> str:
    """The beginning of a hash."""
    return content_hash.removeprefix("sha256:")[:12]
