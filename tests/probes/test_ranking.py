"""Ranking against a plain loop over people, and the selection of the best against a full sort."""

from __future__ import annotations

import math

import pytest
import torch

from embloom.encoders.ragged import Ragged
from embloom.probes.base import Frozen, Recommending
from embloom.probes.ranking import Ranking, best_columns

PEOPLE, ITEMS = 30, 400


def split(draw: torch.Generator, share: float) -> dict[str, torch.Tensor]:
    """Random pairs, in random order."""
    pairs = (torch.rand(PEOPLE, ITEMS, generator=draw) < share).nonzero()
    pairs = pairs[torch.randperm(len(pairs), generator=draw)]
    return {"user": pairs[:, 0], "item": pairs[:, 1]}


def frozen() -> tuple[Frozen, torch.Tensor, list[dict[str, torch.Tensor]]]:
    """Random scores; the last person has nothing to find."""
    draw = torch.Generator().manual_seed(7)
    scores = torch.randn(PEOPLE, ITEMS, generator=draw)
    train, val, test = (split(draw, share) for share in (0.1, 0.03, 0.05))
    keep = test["user"] < PEOPLE - 1
    test = {name: column[keep] for name, column in test.items()}
    keys = {"users": [str(i) for i in range(PEOPLE)], "items": [str(i) for i in range(ITEMS)]}
    parts = [train, val, test]
    *seen, wanted = map(ragged, parts)
    popularity = torch.bincount(torch.cat([train["item"], val["item"]]), minlength=ITEMS)
    asked = Recommending(lambda user: scores[user].clone(), seen, wanted, popularity)
    return Frozen({}, {}, {}, keys=keys, recommending=asked), scores, parts


def ragged(pairs: dict[str, torch.Tensor]) -> Ragged:
    """The items of each person, in the order of the pairs."""
    counts = torch.bincount(pairs["user"], minlength=PEOPLE)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Ragged(pairs["item"][pairs["user"].argsort(stable=True)], offsets)


def by_hand(scores: torch.Tensor, splits: list[dict[str, torch.Tensor]], k: int) -> dict[str, float]:
    """The definitions, person by person."""
    had, held, test = (set(zip(s["user"].tolist(), s["item"].tolist(), strict=True)) for s in splits)
    sums = dict.fromkeys(("recall", "ndcg", "hit_rate", "mrr"), 0.0)
    people = sorted({user for user, _ in test})
    shown: set[int] = set()
    for person in people:
        order = sorted(range(ITEMS), key=lambda item: -float(scores[person, item]))
        best = [item for item in order if (person, item) not in had | held][:k]
        shown |= set(best)
        wanted = {item for user, item in test if user == person}
        hits = [item in wanted for item in best]
        sums["recall"] += sum(hits) / len(wanted)
        ideal = sum(1 / math.log2(rank + 2) for rank in range(min(k, len(wanted))))
        sums["ndcg"] += sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits)) / ideal
        sums["hit_rate"] += any(hits)
        sums["mrr"] += max((hit / (rank + 1) for rank, hit in enumerate(hits)), default=0)
    found = {f"{name}_at_{k}": value / len(people) for name, value in sums.items()}
    return {**found, f"coverage_at_{k}": len(shown) / ITEMS}


def test_the_figures_are_those_of_their_definitions() -> None:
    case, scores, splits = frozen()
    found = Ranking([5, 20])(case)
    for name, value in {**by_hand(scores, splits, 20), **by_hand(scores, splits, 5)}.items():
        if name != "coverage_at_20":
            assert found[name] == pytest.approx(value, rel=1e-6), name


def test_popularity_is_the_baseline() -> None:
    """Everybody is shown what most had."""
    case, _, splits = frozen()
    counts = sum(torch.bincount(s["item"], minlength=ITEMS) for s in splits[:2])
    assert isinstance(counts, torch.Tensor)
    # Ties go to the lower number in both: tiny differences say so.
    popular = counts - torch.arange(ITEMS) * 1e-4
    wanted = by_hand(popular.expand(PEOPLE, -1), splits, 20)["recall_at_20"]
    assert Ranking(20)(case)["recall_at_20_popular"] == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("count", [5, 63, 1000, 40_001])
def test_the_best_columns_are_those_of_a_full_sort(count: int) -> None:
    """With what was left out at minus infinity."""
    draw = torch.Generator().manual_seed(count)
    scores = torch.randn(7, count, generator=draw)
    scores[torch.rand(7, count, generator=draw) < 0.3] = -torch.inf
    k = min(20, count // 2)
    wanted = scores.sort(1, descending=True).values[:, :k]
    assert torch.equal(scores.gather(1, best_columns(scores, k)), wanted)
