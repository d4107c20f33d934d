"""How well an encoder ranks, for each person, all items that they have not had yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from embloom.assembly.parameters import positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.ragged import Ragged, owners
from embloom.probes.base import Frozen, Probe

SCORES = 1 << 22  # at a time, so that they stay near the processor
CELL = 64  # scores that are looked at by their largest first
POPULAR = 0.2  # the share of the items that counts as the popular ones


class Ranking(Probe):
    """Recall@k, nDCG@k (Järvelin and Kekäläinen 2002, binary), hit rate and mean reciprocal rank among the first k of
    all items, without those that training (and, for the test, validation) showed; the mean over people who have
    something to find, as NGCF and LightGCN report them. Nothing is sampled (Krichene and Rendle 2020).

    Beside them: `coverage`, the part of all items that somebody is shown; `popular_share`, how much of what is shown
    belongs to the fifth of the items that most had; and recall and nDCG of showing everybody the most popular items.

    Args:
        k: how many items are shown, one number or several.

    Raises:
        ValueError: a k is no positive integer.
    """

    def __init__(self, k: int | Sequence[int] = 20) -> None:
        self.ks = sorted({k} if isinstance(k, int) else set(k))
        for each in self.ks:
            positive_integers(k=each)

    def check(self, encoder: Encoder) -> None:
        """Refuses encoders that score no items."""
        if not encoder.recommends:
            raise ValueError(f"{type(encoder).__name__} scores no items for people: use encoder=matrix_factorization")

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """See the class: `recall_at_20`, `ndcg_at_20`, ..."""
        asked = frozen.recommending
        if asked is None:
            raise ValueError("there are no people and items to rank: use dataset=interactions")
        found = self.measured(asked.scores, asked.seen, asked.wanted, asked.popularity)
        popular = self.popular(asked.seen, asked.wanted, asked.popularity)
        baseline = {f"{name}_popular": v for name, v in popular.items() if name.startswith(("recall", "ndcg"))}
        return {**found, **baseline}

    def popular(self, seen: Sequence[Ragged], wanted: Ragged, popularity: Tensor) -> dict[str, float]:
        """The figures of showing everybody the most popular items: nobody gets further down than as many as they have
        seen and are shown."""
        longest = sum(int(part.counts().max()) for part in seen) + max(self.ks)
        best = popularity.argsort(descending=True, stable=True)[:longest]
        place = torch.full_like(popularity, -1)
        place[best] = torch.arange(len(best))
        fewer = [among(part, place) for part in seen]
        order = -torch.arange(len(best), dtype=torch.float32)
        missed = Ragged(place[wanted.values.long()], wanted.offsets)  # -1 is never shown
        return self.measured(lambda user: order.expand(len(user), -1).clone(), fewer, missed, popularity[best])

    def measured(
        self, scores: Callable[[Tensor], Tensor], seen: Sequence[Ragged], wanted: Ragged, popularity: Tensor
    ) -> dict[str, float]:
        """The figures of one way to score.

        Args:
            scores: people (B,) -> (B, items).
            seen: what is left out.
            wanted: what is to be found.
            popularity: (items,) how many had each.
        """
        people = wanted.counts().nonzero()[:, 0]
        most = max(self.ks)
        ranks = ranked(scores, people, seen, len(popularity), most)
        sums: dict[str, Tensor] = {}
        shown = torch.zeros_like(popularity)
        for part, best in ranks:
            hits = holds(wanted, part, best, len(popularity)).double()
            for name, values in self.of_people(hits, wanted.counts()[part]).items():
                sums[name] = sums.get(name, 0) + values.sum()
            shown += torch.bincount(best[:, : self.ks[0]].flatten(), minlength=len(popularity))
        means = {name: float(total) / max(1, len(people)) for name, total in sums.items()}
        head = popularity.argsort(descending=True)[: max(1, round(POPULAR * len(popularity)))]
        k = self.ks[0]
        return {
            **means,
            f"coverage_at_{k}": float((shown > 0).double().mean()),
            f"popular_share_at_{k}": float(shown[head].sum() / shown.sum().clamp(min=1)),
        }

    def of_people(self, hits: Tensor, count: Tensor) -> dict[str, Tensor]:
        """Whether each shown item was wanted (B, k), how many were (B,) -> each figure (B,)."""
        found: dict[str, Tensor] = {}
        discount = 1 / torch.arange(2, hits.shape[1] + 2, dtype=torch.float64).log2()
        ideal = discount.cumsum(0)
        for k in self.ks:
            here = hits[:, :k]
            width = here.shape[1]
            found[f"recall_at_{k}"] = here.sum(1) / count
            found[f"ndcg_at_{k}"] = (here * discount[:width]).sum(1) / ideal[count.clamp(max=width) - 1]
            found[f"hit_rate_at_{k}"] = here.amax(1)
            found[f"mrr_at_{k}"] = (here / torch.arange(1, width + 1)).amax(1)
        return found


def among(part: Ragged, place: Tensor) -> Ragged:
    """The values that have a place of at least 0, as that place."""
    found = place[part.values.long()]
    kept = found >= 0
    counts = torch.bincount(owners(part.offsets)[kept], minlength=len(part.offsets) - 1)
    return Ragged(found[kept], torch.cat([counts.new_zeros(1), counts.cumsum(0)]))


def holds(wanted: Ragged, people: Tensor, items: Tensor, count: int) -> Tensor:
    """Whether each of some people (B,) has each of their items (B, k), of `count`: (B, k)."""
    row, item = wanted.pairs(people)
    own = (row * (count + 1) + item + 1).sort().values  # an item may be -1, which nobody is shown
    asked = (torch.arange(len(people))[:, None] * (count + 1) + items + 1).flatten()
    return (own[torch.searchsorted(own, asked).clamp(max=len(own) - 1)] == asked).view_as(items)


def ranked(
    scores: Callable[[Tensor], Tensor], people: Tensor, seen: Sequence[Ragged], items: int, k: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Parts of the people, each with their k best items (B, k), the best first, without what they have seen."""
    for part in people.split(max(1, SCORES // items)):
        found = scores(part).float().cpu()
        for left_out in seen:
            found[left_out.pairs(part)] = -torch.inf
        yield part, best_columns(found, min(k, items))


def best_columns(scores: Tensor, k: int) -> Tensor:
    """(B, N) -> the columns of the k largest scores (B, k), the largest first.

    A selection from whole rows costs several times the product that made them. So each row is looked at in cells: the k
    largest scores are in the k cells with the largest maxima.
    """
    rows, count = scores.shape
    if count < 4 * k * CELL:
        return scores.topk(k, 1).indices
    whole = count - count % CELL
    cells = scores[:, :whole].unflatten(1, (-1, CELL))
    best = cells.amax(2).topk(k, 1, sorted=False).indices
    places = (best[:, :, None] * CELL + torch.arange(CELL)).flatten(1)
    places = torch.cat([places, torch.arange(whole, count).expand(rows, -1)], 1)
    return places.gather(1, scores.gather(1, places).topk(k, 1).indices)
