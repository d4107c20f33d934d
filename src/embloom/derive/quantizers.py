"""Stages that make vectors smaller, fitted to vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.stages.base import Quantizer, Stage
from embloom.artifact.stages.binary import Binary
from embloom.artifact.stages.first import First
from embloom.artifact.stages.float16 import Float16
from embloom.artifact.stages.int8 import PER, Int8
from embloom.artifact.stages.linear import Linear
from embloom.artifact.stages.product import COUNT, ProductQuantizer
from embloom.comparison.similarity import neighbor_overlap

KEPT = 10  # neighbors
ASKED = 1000  # rows whose neighbors are looked for
AMONG = 50_000
WANTED_PART = 4  # numbers a byte of product quantization
TRAINED = 200 * COUNT  # rows that its centers are trained on


def node_of(stage: Stage) -> dict[str, Any]:
    """The class of a stage and its options, for a card."""
    options: dict[str, Any] = {"takes": stage.takes, "gives": stage.gives}
    if isinstance(stage, Quantizer):
        options = {"width": stage.takes}
    for name in ("per", "parts", "bits", "hidden"):
        if isinstance(value := vars(stage).get(name), (int, str)):
            options[name] = value
    if isinstance(stage, Binary):
        options["fine"] = stage.fine is not None
    return {"_target_": f"{type(stage).__module__}.{type(stage).__qualname__}", **options}


def quantizer(
    kind: str, rows: Tensor, parts: int | None = None, bits: int | None = None, fine: bool = True
) -> Quantizer:
    """A quantizer of some kind, fitted to vectors (N, D).

    Args:
        kind: one of `KINDS`.
        rows: the vectors.
        parts: of `pq`: bytes a vector; None: a byte for four numbers, as far as the width can be split so.
        bits: of `binary`; None: see `Binary.fitted`.
        fine: of `binary`: see `Binary`.

    Raises:
        ValueError: an option does not fit, or faiss is not installed.
    """
    makers: dict[str, Callable[[], Quantizer]] = {
        "float16": lambda: Float16(rows.shape[1]),
        "int8": lambda: best_int8(rows),
        "binary": lambda: Binary.fitted(rows, bits, fine),
        "pq": lambda: product(rows, parts or default_parts(rows.shape[1])),
    }
    return makers[kind]().requires_grad_(False)


KINDS = ("float16", "int8", "binary", "pq")


def best_int8(rows: Tensor) -> Quantizer:
    """Steps for each row's blocks, or for each dimension: whatever keeps more neighbors; steps of dimensions take fewer
    bytes, and win where both keep the same."""
    found = {per: Int8.fitted(rows, per) for per in PER}
    some = sample(rows, AMONG)
    kept = {per: neighbors_kept(some, found[per](some)) for per in PER}
    return found["row" if kept["row"] > kept["dimension"] else "dimension"]


def default_parts(width: int) -> int:
    """The number of parts nearest to a byte for four numbers that a width can be split into."""
    fitting = [parts for parts in range(1, width + 1) if width % parts == 0]
    return min(fitting, key=lambda parts: (abs(parts - width / WANTED_PART), parts))


def product(rows: Tensor, parts: int) -> ProductQuantizer:
    """Product quantization with centers that faiss finds.

    Raises:
        ValueError: faiss is not installed, there are too few rows, or the width cannot be split so.
    """
    try:
        import faiss
    except ImportError as error:
        raise ValueError("--to pq needs faiss: pip install 'embloom[faiss]'") from error
    made = ProductQuantizer(rows.shape[1], parts)
    if len(rows) < COUNT:
        raise ValueError(f"--to pq finds {COUNT} centers for each part, and {len(rows)} vectors are too few: use int8")
    trainer: Any = faiss.ProductQuantizer(rows.shape[1], parts, 8)
    trainer.cp.min_points_per_centroid = 1
    trainer.train(sample(rows, TRAINED).float().contiguous().numpy())
    made.centers = torch.from_numpy(faiss.vector_to_array(trainer.centroids)).view(parts, COUNT, -1).clone()
    return made


def narrowing(rows: Tensor, dims: int, nested: bool) -> Stage:
    """Vectors (N, D) in fewer numbers: the first ones where they were trained for it, else principal components.

    Raises:
        ValueError: that is more than there are.
    """
    if dims > rows.shape[1]:
        raise ValueError(f"--dims {dims}: its vectors have {rows.shape[1]} numbers")
    return First(rows.shape[1], dims) if nested else principal(rows, dims)


def principal(rows: Tensor, dims: int) -> Linear:
    """Their first principal components (Hotelling 1933), without removing the mean: cosines of words are about zero."""
    rows = sample(rows, AMONG).double()
    _, vectors = torch.linalg.eigh(rows.T @ rows)
    weight = vectors.flip(1)[:, :dims]
    return Linear.of(torch.zeros(rows.shape[1]), weight, torch.zeros(dims)).requires_grad_(False)


def sample(rows: Tensor, most: int) -> Tensor:
    """At most so many rows, the same each time."""
    if len(rows) <= most:
        return rows
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:most].sort().values]


def neighbors_kept(before: Tensor, after: Tensor) -> float:
    """The share of the ten nearest neighbors by cosine, of some rows among all, that are still there: (N, D) and the
    same rows as (N, E). NaN where there are too few rows."""
    if len(before) < 2 * KEPT:
        return float("nan")
    asked = sample(torch.arange(len(before)), ASKED)
    return neighbor_overlap(nearest(before, asked), nearest(after, asked))


def nearest(rows: Tensor, asked: Tensor) -> Tensor:
    """The ten rows nearest to each of some (n,) by cosine, not counting itself: (n, 10)."""
    unit = torch.nn.functional.normalize(rows.float(), dim=1)
    found = []
    for some in asked.split(256):
        scores = unit[some] @ unit.T
        scores[torch.arange(len(some)), some] = -torch.inf
        found.append(scores.topk(KEPT).indices)
    return torch.cat(found)
