"""What changed most between two embeddings of the same rows: words with other neighbors, images that lie elsewhere.

Two embeddings of the same data differ by a rotation and a scale that mean nothing. What is left is measured twice: how
far each row lies from where the best rotation of the whole puts it, and by what part the distances to its neighbors
changed, since a row that leaves a dense cluster moves far in proportion. Rows are ordered by both together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.agreement import turned
from embloom.comparison.similarity import neighbors

CHUNK = 2048
TINY = 1e-12


@dataclass(frozen=True)
class Changes:
    """Of N rows, from one embedding to another.

    Attributes:
        order: (N,), row numbers, what changed most first.
        moved: (N,), the distance between a row and its counterpart after the best rotation. By angle it is the cosine
            distance, 0..2; else it is in units of the embedding's radius (root mean square).
        drift: (N,), 0..1, the mean change of the distances to the neighbors that a row has in either embedding: their
            difference divided by their sum.
        kept: (N,), the share of its nearest neighbors that a row kept.
        before: (N, k), the nearest neighbors in the first embedding.
        after: (N, k), those in the second.
    """

    order: Tensor
    moved: Tensor
    drift: Tensor
    kept: Tensor
    before: Tensor
    after: Tensor


def changes(
    one: Tensor,
    other: Tensor,
    k: int = 10,
    cosine: bool = True,
    near: tuple[Tensor, Tensor] | None = None,
    relabelled: Tensor | None = None,
) -> Changes:
    """Compares two embeddings row by row.

    Args:
        one: (N, D).
        other: (N, E), the same rows.
        k: how many neighbors of each row count.
        cosine: by angle, else by Euclidean distance; lengths mean nothing then, else the scale of the whole does not.
        near: what `neighbors` gives for both, where it is known already.
        relabelled: (N,), whether a row's label differs between the two: such rows come first.

    Returns:
        What changed, and the order: by the mean of a row's ranks by `moved` and by `drift`.

    Raises:
        ValueError: the numbers of rows differ, or there are fewer than three.
    """
    if len(one) != len(other) or len(one) < 3:
        raise ValueError(f"{len(one)} and {len(other)} rows: it takes the same rows of both, three or more")
    before, after = near or (neighbors(one, k, cosine), neighbors(other, k, cosine))
    moved = distance_moved(one, other, cosine)
    drift, kept = torch.empty(len(one)), torch.empty(len(one))
    first, second = scaled(one, cosine, False), scaled(other, cosine, False)
    for part in chunks(len(one)):
        either = torch.cat([before[part], after[part]], 1)
        there, here = to_neighbors(first, part, either), to_neighbors(second, part, either)
        drift[part] = ((there - here).abs() / (there + here).clamp_min(TINY)).mean(1)
        kept[part] = (before[part, :, None] == after[part, None, :]).any(2).float().mean(1)
    score = ranks(moved) + ranks(drift)
    if relabelled is not None:
        score = score + relabelled * 2 * len(one)
    order = score.argsort(descending=True, stable=True)
    return Changes(order, moved, drift, kept, before, after)


def distance_moved(one: Tensor, other: Tensor, cosine: bool) -> Tensor:
    """How far each row lies from its counterpart, once the whole is turned (orthogonal Procrustes, Schönemann 1966;
    for words Hamilton et al. 2016).

    Args:
        one: (N, D).
        other: (N, E); the narrower one is turned within the wider.
        cosine: by angle.

    Returns:
        (N,), as `Changes.moved`.
    """
    x, y = scaled(one, cosine, True), scaled(other, cosine, True)
    if x.shape[1] > y.shape[1]:
        x, y = y, x
    x = turned(x, y)
    return 1 - (x * y).sum(1) if cosine else (x - y).norm(dim=1)


def scaled(vectors: Tensor, cosine: bool, centered: bool) -> Tensor:
    """Rows (N, D) of length 1, or all of them in units of their radius; without what all have in common if `centered`,
    since most embeddings lie to one side of the origin."""
    rows = F.normalize(vectors.float(), dim=1) if cosine else vectors.float()
    if centered or not cosine:
        rows = rows - rows.mean(0)
    return F.normalize(rows, dim=1) if cosine else rows / rows.square().sum(1).mean().sqrt().clamp_min(TINY)


def to_neighbors(rows: Tensor, part: slice, near: Tensor) -> Tensor:
    """Distances (n, m) of the rows of a part to the rows that `near` (n, m) numbers."""
    return (rows[near] - rows[part, None]).norm(dim=2)


def ranks(values: Tensor) -> Tensor:
    """(N,), 0 for the least; equal values share the mean of their ranks."""
    _, place, count = values.unique(return_inverse=True, return_counts=True)
    return (count.cumsum(0) - (count + 1) / 2)[place]


def chunks(count: int) -> Iterator[slice]:
    """Slices that cover so many rows."""
    return (slice(start, min(count, start + CHUNK)) for start in range(0, count, CHUNK))


def name_of(words: Sequence[str], row: int) -> str:
    """What a row is called, for people."""
    return words[row] if words else f"sample {row}"


def records(found: Changes, words: Sequence[str], most: int) -> list[dict[str, Any]]:
    """The head of the list for programs: `name`, `row`, `moved`, `kept`, and the names of the neighbors `before` and
    `after`.

    Args:
        found: the changes.
        words: what the rows are called; none where they are samples.
        most: how many.
    """
    return [
        {
            "name": name_of(words, row),
            "row": row,
            "moved": float(found.moved[row]),
            "kept": float(found.kept[row]),
            "before": [name_of(words, near) for near in found.before[row].tolist()],
            "after": [name_of(words, near) for near in found.after[row].tolist()],
        }
        for row in found.order[:most].tolist()
    ]
