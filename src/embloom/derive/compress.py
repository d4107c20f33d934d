"""A smaller artifact: fewer numbers a vector, and fewer bytes a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.lineage import Parent, described
from embloom.artifact.neighbors import OVERSAMPLE, Neighbors
from embloom.artifact.staged import After
from embloom.artifact.stages.base import Quantizer
from embloom.artifact.stages.binary import Binary
from embloom.comparison.similarity import neighbor_overlap
from embloom.derive import quantizers
from embloom.derive.quantizers import ASKED, KEPT, narrowing, node_of
from embloom.derive.writing import Source, derived, size_on_disk

TRIED = 16  # rows by which it is seen whether an encoder only looks up


@dataclass
class Compressed:
    """What came of it.

    Attributes:
        folder: where it is.
        before: bytes of the files before; of a table's vectors alone, see `vector`.
        after: bytes of the files now.
        vector: bytes a vector, before and now.
        how: what was done, in words.
        kept: the share of the ten nearest neighbors that a search still finds; None where nothing was there to search.
    """

    folder: Path
    before: int
    after: int
    vector: tuple[int, int]
    how: str
    kept: float | None


def compress(
    source: Source,
    layer: str,
    to: str | None,
    folder: Path,
    *,
    dims: int | None = None,
    rows: Tensor | None = None,
    **options: Any,
) -> Compressed:
    """Writes the smaller artifact.

    Args:
        source: what is compressed.
        layer: a table, or a layer that is made of inputs.
        to: one of `quantizers.KINDS`; None keeps float32.
        folder: a new one.
        dims: numbers a vector.
        rows: (N, D) vectors of the layer that the stages are fitted to; None: the rows of the table.
        options: see `quantizers.quantizer`.

    Raises:
        ValueError: the layer cannot be compressed so.
    """
    table = source.embedding.encoder.tables().get(layer)
    if table is not None:
        check_lookup(source, layer, table)
    vectors = table if table is not None else rows
    assert vectors is not None
    vectors = vectors.detach().float()
    stages, how = chosen(source, layer, vectors, to, dims, **options)
    small = vectors
    for stage in stages:
        small = stage(small)
    quantizer = stages[-1] if isinstance(stages[-1], Quantizer) else None
    kept = searched(vectors, small, quantizer) if len(vectors) > KEPT * 2 else None
    promise = {} if kept is None else {"neighbors_kept": kept}
    settings = {"layer": layer, "to": to or "float32", "dims": dims}
    lineage = described(
        [Parent(source.embedding.content_hash, str(source.place), "compressed from")], promise, settings
    )
    spaces = {layer: source.space(layer) if dims is None else []}
    before = [After(layer, node_of(stage), stage) for stage in stages]
    if table is None:
        derived(folder, source, [*source.after, *before], lineage, spaces=spaces)
    else:
        codes = quantizer.codes(stages[0](vectors) if len(stages) > 1 else vectors) if quantizer else small
        last = [After(layer, node_of(quantizer), quantizer, stored=True)] if quantizer else []
        derived(folder, source, last, lineage, spaces=spaces, stored={layer: codes})
    each = (4 * vectors.shape[1], quantizer.bytes_each if quantizer else 4 * small.shape[1])
    old = source.place / "embeddings" if (source.place / "embeddings").is_dir() else source.place
    return Compressed(folder, size_on_disk(old), size_on_disk(folder), each, how, kept)


def chosen(
    source: Source, layer: str, rows: Tensor, to: str | None, dims: int | None, **options: Any
) -> tuple[list[Any], str]:
    """The stages, and what they do in words."""
    stages: list[Any] = []
    told = []
    if dims is not None:
        nested = dims in nested_widths(source.card, layer)
        stages.append(narrowing(rows, dims, nested))
        told.append(f"the first {dims} numbers, trained for it" if nested else f"the first {dims} principal components")
        rows = stages[0](rows)
    if to is not None:
        stages.append(quantizers.quantizer(to, rows, **options))
        told.append(said(stages[-1]))
    if not stages:
        raise ValueError("nothing to do: name --to, --dims or both")
    return stages, "; ".join(told)


def nested_widths(card: dict[str, Any], layer: str) -> Sequence[int]:
    """The numbers of first numbers that a layer was trained for."""
    nested = card.get("nested")
    found = nested.get(layer, []) if isinstance(nested, dict) else nested if layer == "embedding" else []
    return [width for width in found if isinstance(width, int)] if isinstance(found, list) else []


def said(stage: Quantizer) -> str:
    """What a quantizer does, in words."""
    if isinstance(stage, Binary):
        copy = f", and a copy in int8 ({stage.fine.code_width} bytes) that rescores" if stage.fine is not None else ""
        return f"{stage.bits} bits ({stage.bits // 8} bytes) a vector{copy}"
    about = {
        "int8": f"steps for each {vars(stage).get('per')}",
        "pq": f"{vars(stage).get('parts')} parts of 256 centers",
    }
    return f"{stage.kind}" + (f", {about[stage.kind]}" if stage.kind in about else "")


def check_lookup(source: Source, layer: str, table: Tensor) -> None:
    """Refuses tables of encoders that do more than look up their rows.

    Raises:
        ValueError: see above.
    """
    column = source.card["columns"].get(layer)
    encoder, wire = source.embedding.encoder, source.embedding.wire
    numbers = torch.arange(min(TRIED, len(table)))
    same = False
    if (
        not encoder.recommends
        and column in wire.source.values()
        and all(wire.source[n] == column for n in wire.required)
    ):
        with torch.no_grad():
            found = wire({column: numbers}).get(layer)
        same = found is not None and found.shape == table[numbers].shape and torch.equal(found, table[numbers])
    if not same:
        what = (
            "its scores are computed from more than this table" if encoder.recommends else "it is not looked up alone"
        )
        raise ValueError(
            f"layer '{layer}' is a table, and {what}: it cannot be stored in another way. Measure what that would cost "
            "with embloom sizes, or export the table and compress it where it is searched"
        )


def searched(before: Tensor, after: Tensor, quantizer: Quantizer | None, oversample: int = OVERSAMPLE) -> float:
    """The share of the ten nearest neighbors of some vectors that a search among the compressed ones finds, asked with
    the vectors as they were (in the same space), or as they are now (in another)."""
    asked = quantizers.sample(torch.arange(len(before)), ASKED)
    true = quantizers.nearest(before, asked)
    queries = before if before.shape == after.shape else after
    search = Neighbors(after, quantizer=quantizer, oversample=oversample)
    found = [search.nearest(queries[row], KEPT, [row])[1] for row in asked.tolist()]
    return neighbor_overlap(true, torch.cat(found))
