"""Which setting is best by one metric, and whether that is more than the luck of its seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from embloom.comparison.collect import Row, loss_groups
from embloom.comparison.differences import Difference, Seeds, all_pairs, mean_of, turned, variance
from embloom.comparison.table import Comparison, is_loss, lower_is_better, number
from embloom.startup import option


@dataclass
class Best:
    """The answer.

    Attributes:
        by: the metric.
        rows: those that have it, best first.
        differences: of the best to each of the others, in their order; positive where the best is better.
        incomplete: how many runs have no such figure, by state.
    """

    by: str
    rows: list[Row]
    differences: list[Difference]
    incomplete: dict[str, int] = field(default_factory=dict)

    @property
    def winner(self) -> Row:
        """The setting with the best mean."""
        return self.rows[0]

    @property
    def name(self) -> str:
        """What tells the winner apart."""
        return self.winner.name

    @property
    def settings(self) -> dict[str, Any]:
        """The winner's, as far as they vary."""
        return self.winner.settings

    @property
    def runs(self) -> list[str]:
        """The winner's run folders, one a seed."""
        return [str(run.folder) for run in self.winner.runs]

    @property
    def settled(self) -> bool:
        """Whether the winner is better than each of the others by more than the seeds explain."""
        return bool(self.differences) and all(test.called for test in self.differences)

    def records(self) -> list[dict[str, Any]]:
        """A record for each setting, best first, as pandas takes them."""
        found = []
        for row, test in zip(self.rows, [None, *self.differences], strict=True):
            seeds = by_seed(row, self.by)
            record = {"name": row.name, **row.settings, "mean": mean_of([*seeds.values()]), "std": deviation(seeds)}
            record["seeds"] = len(seeds)
            found.append(record | (told(test) if test else dict.fromkeys(KEYS)))
        return found

    def __str__(self) -> str:
        return "\n".join(lines(self))

    __repr__ = __str__


KEYS = ("behind", "low", "high", "paired", "settled", "seeds_needed")


def told(test: Difference) -> dict[str, Any]:
    """What there is to say of a difference; infinite bounds as None."""
    low, high = (bound if math.isfinite(bound) else None for bound in test.interval)
    return dict(zip(KEYS, (test.mean, low, high, test.paired, test.called, test.needed), strict=True))


def best(comparison: Comparison, by: str | None = None) -> Best:
    """Names the winner.

    Args:
        comparison: the runs.
        by: a metric, or its end; else the one that the comparison is sorted by.

    Raises:
        ValueError: there is no such metric, or the runs cannot be compared by it.
    """
    tag = chosen(comparison, by)
    having = [row for row in comparison.rows if by_seed(row, tag)]
    if not having:
        raise ValueError(f"{tag} is no number in any of the runs: they have diverged")
    refuse_unlike(having, tag)
    sign = -1 if lower_is_better(tag) else 1
    having.sort(key=lambda row: -sign * mean_of([*by_seed(row, tag).values()]))
    return Best(tag, having, to_the_first(having, tag), incomplete(comparison, tag))


def answer_of(comparison: Comparison) -> Best | None:
    """The answer by what a comparison is sorted by; None where nothing was repeated, or nothing can be compared."""
    if len(comparison.rows) < 2 or all(len(row.runs) < 2 for row in comparison.rows):
        return None
    try:
        return best(comparison, comparison.sorted_by if comparison.sorted_by in comparison.tags else None)
    except ValueError:
        return None


def chosen(comparison: Comparison, by: str | None) -> str:
    """The metric that is meant."""
    scores = [*comparison.probes, *comparison.scores, *(tag for tag in comparison.tags if is_loss(tag))]
    if by is None:
        if not scores:
            none = "none of the runs has a probe or a score yet: see their states with embloom runs"
            raise ValueError("\n".join([none, *comparison.left_out()]))
        return scores[0]
    fits = [tag for tag in comparison.tags if by == tag or tag.endswith("/" + by)]
    if not fits:
        available = f"no run has such a metric; available: {', '.join(comparison.tags) or 'none yet'}"
        raise ValueError("\n".join([f"{option('by', by)}: {available}", *comparison.left_out()]))
    return fits[0]


def refuse_unlike(rows: Sequence[Row], tag: str) -> None:
    """Raises:
    ValueError: the figures are of different kinds.
    """
    datasets = dict.fromkeys(row.runs[0].state.dataset for row in rows)
    if len(datasets) > 1:
        raise ValueError(f"the runs are of several datasets ({', '.join(datasets)}): name runs of one")
    if is_loss(tag) and len(loss_groups(rows)) > 1:
        raise ValueError(f"{tag} is of several loss configurations here, which are no comparable numbers: take a probe")


def to_the_first(rows: Sequence[Row], tag: str) -> list[Difference]:
    """Of the first row to each of the others; all pairs are tested together, see `differences`."""
    pairs = all_pairs([by_seed(row, tag) for row in rows])
    found = [pairs[0, place] for place in range(1, len(rows))]
    return [turned(test) for test in found] if lower_is_better(tag) else found


def by_seed(row: Row, tag: str) -> Seeds:
    """One value a seed: a second run of the same seed is the same run again and proves nothing."""
    found = {int(run.config.get("seed", 0)): run.metrics.get(tag, math.nan) for run in row.runs}
    return {seed: value for seed, value in found.items() if math.isfinite(value)}


def deviation(seeds: Seeds) -> float | None:
    """The standard deviation over seeds; None of one."""
    return math.sqrt(variance([*seeds.values()])) if len(seeds) > 1 else None


def incomplete(comparison: Comparison, tag: str) -> dict[str, int]:
    """Runs without the metric, by state."""
    found: dict[str, int] = {}
    for run in comparison.runs:
        if not math.isfinite(run.metrics.get(tag, math.nan)):
            why = "diverged" if tag in run.metrics else run.state.state
            found[why] = found.get(why, 0) + 1
    return found


def lines(answer: Best) -> list[str]:
    """The answer in words."""
    found = [f"best by {answer.by}{', the lower the better' if lower_is_better(answer.by) else ''}: {answer.name}"]
    found[0] += f"  {measured(answer.winner, answer.by)}"
    tests = list(zip(answer.rows[1:], answer.differences, strict=True))
    if not tests:
        found.append("there is no other setting to compare it with")
    elif answer.settled:
        found.append("it is better than each of the others by more than the seeds explain")
    else:
        ahead = [row.name for row, test in tests if not test.called]
        count = len(tests)
        others = f"any of the {count} others" if len(ahead) == count > 1 else f"{len(ahead)} of the {count} others"
        others = ahead[0] if len(ahead) == 1 else others
        found.append(f"cannot tell whether it is better than {others}: the seeds alone explain as much")
    found += [f"  {sentence(row, test, answer.by)}" for row, test in tests]
    if answer.incomplete:
        states = ", ".join(f"{count} {state}" for state, count in sorted(answer.incomplete.items()))
        found.append(f"without this figure, and left out: {states}")
    return found


def sentence(row: Row, test: Difference, by: str) -> str:
    """What is known of the best and another."""
    verdict = "better than" if test.called else "cannot tell from"
    low, high = test.interval
    one, other = test.seeds
    how = f"paired over {one} seeds" if test.paired else f"{one} and {other} seeds, unpaired"
    range_of = f"[{low:+.4f}, {high:+.4f}]" if math.isfinite(low) else "[unknown]"
    settle = "" if test.called else f"; {needed(test)}"
    return f"{verdict} {row.name}  {measured(row, by)}: {test.mean:+.4f} {range_of}, {how}{settle}"


def needed(test: Difference) -> str:
    """What would settle it."""
    if math.isnan(test.error):
        return "one seed does not say how much seeds change: train at least 3 of each"
    if test.needed is None:
        return "no difference that 1,000 seeds would show"
    return f"about {test.needed} seeds of each would settle a difference of this size"


def measured(row: Row, tag: str) -> str:
    """`0.9722 ±0.0031`."""
    seeds = by_seed(row, tag)
    return number(mean_of([*seeds.values()]), deviation(seeds))
