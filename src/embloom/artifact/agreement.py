"""What two embeddings of the same rows have in common: the figures of a promise from a parent to its child.

Row i of one is row i of the other. Nothing here asks where the rows come from, so that it serves tables of words, the
samples of a dataset and files of vectors alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.seeding import generator

MOST = 1000  # rows that are asked; figures of so many are exact to about two hundredths
BLOCK = 64  # columns of which the nearest is found first


def shared_rows(one: Sequence[str], other: Sequence[str]) -> tuple[Tensor, Tensor]:
    """The row numbers (S,) of the names that two tables have in common, in the order of the first.

    Of a name that stands twice the first row counts.
    """
    place: dict[str, int] = {}
    for row, name in enumerate(other):
        place.setdefault(name, row)
    first: dict[str, int] = {}
    for row, name in enumerate(one):
        if name in place:
            first.setdefault(name, row)
    here, there = list(first.values()), [place[name] for name in first]
    return torch.tensor(here, dtype=torch.long), torch.tensor(there, dtype=torch.long)


def promise(old: Tensor, new: Tensor, k: int = 10) -> dict[str, float]:
    """Whether the vectors of a new embedding can stand beside those of an old one.

    Args:
        old: (N, D).
        new: (N, E), the same rows.
        k: how many neighbors count.

    Returns:
        `cosine`: the mean cosine of the same rows as they stand (left out where the widths differ); `cosine_turned`:
        after the best rotation of the whole; `own_nearest`: how often a new row's nearest old row is its own, again as
        they stand, and `own_nearest_turned`; `neighbors_kept`: the share of the k nearest neighbors within the old that
        are so within the new. Of at most 1,000 rows, always the same ones; cosine decides what is near. Rows of zeros
        lie nowhere, and do not count; where none is left, all figures are 0.
    """
    there = old.any(1) & new.any(1)
    if not bool(there.all()):
        old, new = old[there], new[there]
    if not len(old):
        return dict.fromkeys(("cosine", "own_nearest", "cosine_turned", "own_nearest_turned", "neighbors_kept"), 0.0)
    rows = torch.randperm(len(old), generator=generator(0))[:MOST].sort().values
    old, new = F.normalize(old.float(), dim=1), F.normalize(new.float(), dim=1)
    found = {}
    if old.shape[1] == new.shape[1]:
        found["cosine"] = float((old * new).sum(1).mean())
        found["own_nearest"] = own_nearest(old, new, rows)
    turn = turned(old, new)
    found["cosine_turned"] = float((turn * new).sum(1).mean())
    found["own_nearest_turned"] = own_nearest(turn, new, rows)
    near = [nearest_of(table, rows, k) for table in (old, new)]
    found["neighbors_kept"] = float((near[0][:, :, None] == near[1][:, None, :]).any(2).float().mean())
    return found


def of_others(one: Tensor, other: Tensor) -> dict[str, float]:
    """The mean cosine of rows of one with rows drawn from the other, where both are as wide."""
    if one.shape[1] != other.shape[1]:
        return {}
    drawn = torch.randperm(len(one), generator=generator(0))
    return {"cosine_of_others": float(F.cosine_similarity(one.float(), other[drawn].float()).mean())}


def own_nearest(old: Tensor, new: Tensor, rows: Tensor) -> float:
    """How often the nearest of the old rows (N, D) to some of the new ones is its own; one that stands twice is."""
    own = (new[rows] * old[rows]).sum(1)
    return float(((new[rows] @ old.T).amax(1) <= own + 1e-6).float().mean())


def turned(one: Tensor, other: Tensor) -> Tensor:
    """One embedding under the rotation that brings it nearest to another (orthogonal Procrustes, Schönemann 1966).

    Args:
        one: (N, D).
        other: (N, E), the same rows.

    Returns:
        (N, E): the narrower one is turned within the wider, filled up with zeros; of a wider `one` what stands where
        the other has numbers, which is all that products with it read.
    """
    left, _, right = torch.linalg.svd((one.T @ other).double(), full_matrices=False)
    return one @ (left @ right).to(one)


def nearest_of(table: Tensor, rows: Tensor, k: int) -> Tensor:
    """The k nearest other rows (B, k) by product of some rows (B,) of a table (N, D)."""
    scores = table[rows] @ table.T
    scores[torch.arange(len(rows)), rows] = -torch.inf
    return largest(scores, min(k, len(table) - 1))


def largest(scores: Tensor, k: int) -> Tensor:
    """The columns (B, k) of the k largest scores of each row (B, N), the largest first.

    The k largest stand in the k blocks whose largest are largest, and only those are sorted.
    """
    blocks = scores.shape[1] // BLOCK
    if blocks < 4 * k:
        return scores.topk(k, dim=1).indices
    whole = scores[:, : blocks * BLOCK]
    tops = whole.unflatten(1, (blocks, BLOCK)).amax(2).topk(k, dim=1).indices
    some = (tops[:, :, None] * BLOCK + torch.arange(BLOCK)).flatten(1)
    rest = torch.arange(blocks * BLOCK, scores.shape[1]).expand(len(scores), -1)
    some = torch.cat([some, rest], 1)
    return some.gather(1, scores.gather(1, some).topk(k, dim=1).indices)
