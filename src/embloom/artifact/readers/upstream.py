"""Embeddings that another one is built on: their vectors are its inputs, of raw inputs too.

The artifact built on them names each by its content hash, which is part of its own. Where they lie is looked up: first
where they were, then in the folders of the environment variable `EMBLOOM_UPSTREAM`. One with another hash is refused,
unless its card says that it gives vectors for the place of the one that is named.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from embloom.artifact.lineage import Parent, parents_of
from embloom.artifact.readers.base import Inputs, Part, Reader
from embloom.artifact.vectors import short
from embloom.assembly.build import build

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding

FEATURES = "features"
PLACES = "EMBLOOM_UPSTREAM"  # environment: folders of artifacts, with : between them
# What a card may say of another embedding whose place it takes; a mere "trained from" promises nothing.
COVERS = ("aligned to", "compatible with", "grown from", "compressed from")


@dataclass
class Upstream:
    """An embedding that is built on.

    Attributes:
        embedding: what encodes.
        content_hash: by which it is named; of a replacement, that of the one it stands for.
        path: where it is.
        layer: whose vectors are taken.
        column: what they are called.
    """

    embedding: Embedding
    content_hash: str
    path: str
    layer: str
    column: str

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.embedding.card["layers"][self.layer])

    @property
    def needed(self) -> list[str]:
        """The columns that its encoder takes."""
        wire = self.embedding.wire
        return [source for name, source in wire.source.items() if name in wire.required or source == "length"]

    def described(self) -> dict[str, str]:
        """What makes it again: no path, so that moving a folder changes no hash."""
        return {"content_hash": self.content_hash, "layer": self.layer, "column": self.column}

    def parent(self) -> Parent:
        """For the lineage."""
        return Parent(self.content_hash, self.path, "built on")

    def __call__(self, columns: Mapping[str, Tensor], words: Sequence[str] | None = None) -> Tensor:
        """Vectors (N, width) of clean columns.

        Args:
            columns: as the dataset's reader makes them.
            words: what the numbers of `token` are called there.
        """
        given = {name: columns[name] for name in {*self.needed, *({"length"} & columns.keys())} if name in columns}
        if "token" in given and "length" in given and words is not None:
            given |= self.renumbered(given["token"], given["length"], words)
        return self.embedding.extractor(self.layer)(given)

    def renumbered(self, token: Tensor, length: Tensor, words: Sequence[str]) -> dict[str, Tensor]:
        """Token ids of the same words here; words that are not known here are left out."""
        from embloom.artifact.readers.text import renumbered

        own = getattr(self.embedding.reader, "known", None) or {}
        place = torch.tensor([own.get(word, -1) for word in words])
        return renumbered({"token": token.cpu(), "length": length.cpu()}, place)


def opened(path: str, layer: str, column: str, pinned: str = "") -> Upstream:
    """An embedding to build on.

    Args:
        path: a run folder, or its `embeddings/`.
        layer: whose vectors are taken.
        column: what they are called.
        pinned: the hash that it must have, or whose place it must take.

    Raises:
        ValueError: there is none, it has no such layer, or it is another one.
    """
    from embloom.artifact.loading import load

    found = load(path)
    if layer not in found.card["layers"]:
        raise ValueError(f"{path} has no layer '{layer}'; available: {', '.join(found.card['layers'])}")
    if pinned and not covers(found.card, pinned):
        raise ValueError(
            f"{path} is the embedding {short(found.content_hash)}, and this one was built on {short(pinned)}: their "
            f"vectors have nothing to do with each other. Name a folder with that one in {PLACES}=FOLDER, align the "
            "new one to it, or train again on the new one"
        )
    return Upstream(found, pinned or found.content_hash, str(Path(path).expanduser().absolute()), layer, column)


def covers(card: Mapping[str, Any], pinned: str) -> bool:
    """Whether an embedding is the one that is meant, or says that it takes its place."""
    stands_for = {one.content_hash for one in parents_of(card) if one.how in COVERS}
    return card["content_hash"] == pinned or pinned in stands_for


def searched(pinned: str, recorded: str | None, layer: str, column: str) -> Upstream:
    """The embedding with a hash, or one that takes its place.

    Raises:
        ValueError: it is at none of the places, and what is there is another one.
    """
    problems = []
    for place in [*([recorded] if recorded else []), *filter(None, os.environ.get(PLACES, "").split(os.pathsep))]:
        try:
            return opened(place, layer, column, pinned)
        except ValueError as error:
            problems.append(str(error))
    where = f": {problems[0]}" if problems else ""
    raise ValueError(
        f"this embedding is built on {short(pinned)}, which was not found{where}. Where it has moved, name its folder: "
        f"{PLACES}=FOLDER"
    )


class UpstreamReader(Reader):
    """Reads inputs as another reader does, and has embeddings encode what it reads.

    Args:
        inner: that reader, as a card has it.
        upstream: `content_hash`, `layer` and `column` of each embedding.
        keep: columns of the inner reader that are wanted too.
        keys: column -> names of its numbers, for the inner reader.
        upstream_paths: content hash -> where that embedding was.
        opened: the same embeddings, where they are open already.
    """

    example = ""

    def __init__(
        self,
        inner: Mapping[str, Any],
        upstream: Sequence[Mapping[str, str]],
        keep: Sequence[str] = (),
        keys: Mapping[str, Sequence[str]] | None = None,
        upstream_paths: Mapping[str, str] | None = None,
        opened: Sequence[Upstream] = (),
    ) -> None:
        self.node, self.keep, self.keys = dict(inner), list(keep), dict(keys or {})
        self.inner: Reader = build(self.node, Reader, where="reader.inner", supplied={"keys": self.keys})
        self.kind = self.inner.kind  # type: ignore[misc]
        paths = upstream_paths or {}
        self.upstream = list(opened) or [
            searched(one["content_hash"], paths.get(one["content_hash"]), one["layer"], one["column"])
            for one in upstream
        ]

    def options(self) -> dict[str, Any]:
        """What the constructor takes, without what is named elsewhere in a card."""
        return {"inner": self.node, "upstream": [one.described() for one in self.upstream], "keep": self.keep}

    def __call__(self, inputs: Any) -> dict[str, Tensor]:
        """The vectors by column."""
        if isinstance(inputs, Mapping) and all(name in inputs for one in self.upstream for name in one.needed):
            columns = self.inner.given(inputs)
        else:
            columns = self.inner(inputs)
        kept = {name: columns[name] for name in self.keep if name in columns}
        return {**kept, **vectors_of(self.upstream, columns, self.keys.get("token"))}

    def whole(self, inputs: Any, column: str | None = None) -> Any:
        """As the inner reader."""
        return self.inner.whole(inputs, column)

    def open(self, path: str, column: str | None, size: int) -> Inputs:
        """As the inner reader."""
        found = self.inner.open(path, column, size)
        return Inputs(self.encoded(found.parts), found.count)

    def encoded(self, parts: Iterator[Part]) -> Iterator[Part]:
        """Parts in which columns (of a table) have become vectors: `features` there is what the inner reader makes."""
        for part in parts:
            yield Part(part.names, self(part.inputs)) if isinstance(part.inputs, Mapping) else part

    def files(self, path: str, column: str | None) -> list[Path] | None:
        """As the inner reader."""
        return self.inner.files(path, column)

    def of_files(self, files: Sequence[Path], size: int) -> Iterator[Part]:
        """As the inner reader."""
        return self.inner.of_files(files, size)

    def given(self, columns: Mapping[str, Any]) -> dict[str, Tensor]:
        """Vectors by column, as those of `upstream` are called."""
        found = super().given(columns)
        for name, width in combined({one.column: one.width for one in self.upstream}).items():
            if name in found and found[name].shape[1:] != (width,):
                raise ValueError(f"the input '{name}' of shape {tuple(found[name].shape)} does not fit (N, {width})")
        return found

    def examples(self) -> dict[str, tuple[Tensor, dict[int, str]]]:
        """Three vectors of each, and what is kept of the inner reader's."""
        widths = combined({one.column: one.width for one in self.upstream})
        vectors = {name: (torch.rand(3, width), {0: "batch"}) for name, width in widths.items()}
        return {**{name: one for name, one in self.inner.examples().items() if name in self.keep}, **vectors}


def combined(widths: Mapping[str, int]) -> dict[str, int]:
    """Column -> width; of several that are called by their number, `features` holds all side by side."""
    numbered = [name for name in widths if name.startswith(f"{FEATURES}_")]
    whole = {FEATURES: sum(widths[name] for name in numbered)} if numbered and FEATURES not in widths else {}
    return {**widths, **whole}


def side_by_side(vectors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The columns of `combined`."""
    numbered = [name for name in vectors if name.startswith(f"{FEATURES}_")]
    if not numbered or FEATURES in vectors:
        return dict(vectors)
    return {**vectors, FEATURES: torch.cat([vectors[name] for name in numbered], 1)}


def vectors_of(
    upstream: Sequence[Upstream], columns: Mapping[str, Tensor], words: Sequence[str] | None
) -> dict[str, Tensor]:
    """The vectors of clean columns, by column."""
    return side_by_side({one.column: one(columns, words) for one in upstream})
