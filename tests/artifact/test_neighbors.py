"""Exact neighbors are those of the full product, however the table looks."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from embloom.artifact.neighbors import Neighbors


def tables() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(30_000, 24, generator=draw)
    return {
        "noise": noise,
        "clusters": noise[:50].repeat(600, 1) + 0.05 * torch.randn(30_000, 24, generator=draw),
        "all nearly the same": torch.ones(30_000, 24) + 1e-4 * noise,
        "lengths differ": noise * torch.logspace(-6, 6, 30_000)[:, None],
        "small": noise[:100],
    }


@pytest.mark.parametrize("name", tables())
def test_nearest_are_those_of_the_full_product(name: str) -> None:
    rows = tables()[name]
    queries = rows[[3, 50, 99]] + 0.1 * torch.ones(24)
    scores, found = Neighbors(rows).nearest(queries, k=7)
    full = F.normalize(queries.double(), dim=1) @ F.normalize(rows.double(), dim=1).T
    torch.testing.assert_close(scores.double(), full.topk(7).values, atol=1e-6, rtol=0)
    torch.testing.assert_close(full.gather(1, found), full.topk(7).values, atol=1e-6, rtol=0)


def test_excluded_rows_are_left_out_and_order_kept() -> None:
    rows = tables()["noise"]
    search = Neighbors(rows)
    _, with_itself = search.nearest(rows[5], k=5)
    assert with_itself[0, 0] == 5
    scores, without = search.nearest(rows[5], k=4, exclude=[5])
    assert without.tolist() == with_itself[:, 1:].tolist()
    assert (scores.diff() <= 0).all()
    assert search.nearest(rows[:2], k=10**6, exclude=[0])[1].shape == (2, len(rows) - 1)


def test_what_does_not_fit_is_refused() -> None:
    search = Neighbors(torch.eye(4))
    with pytest.raises(ValueError, match="width 4"):
        search.nearest(torch.ones(3))
    with pytest.raises(ValueError, match="k=0"):
        search.nearest(torch.ones(4), k=0)
    with pytest.raises(ValueError, match="no rows"):
        Neighbors(torch.empty(0, 4))


def test_approximate_neighbors_through_faiss() -> None:
    pytest.importorskip("faiss")
    rows = tables()["clusters"]
    _, exact = Neighbors(rows).nearest(rows[:20], k=10)
    _, near = Neighbors(rows, approximate=True).nearest(rows[:20], k=10)
    shared = sum(len(set(a.tolist()) & set(b.tolist())) for a, b in zip(exact, near, strict=True))
    assert shared > 150
