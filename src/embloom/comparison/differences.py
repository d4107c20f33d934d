"""Whether a difference between settings is larger than what their seeds explain.

Two settings are compared by Student's t: paired where every seed of the one with fewer is a seed of the other too,
which takes out what a seed does to both; else by Welch's test, which does not ask for equal variances. Where there are
more than two, all pairs are tested, and Holm's procedure (1979) keeps the probability of a single wrong claim at 5 %.
All pairs, not only those of the winner: it is chosen for being ahead, so whoever wins had k - 1 chances to look better.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

LEVEL = 0.05
POWER = 0.8
MOST_SEEDS = 1000
Seeds = Mapping[int, float]  # seed -> value


@dataclass
class Difference:
    """Of one setting to another.

    Attributes:
        mean: of the difference, the first minus the second.
        error: its standard error; NaN where one seed alone says nothing about it.
        freedom: degrees of freedom.
        seeds: how many the comparison rests on, of each setting.
        paired: by seed.
        level: at which it was tested, once `holm` has.
        called: it is larger than the seeds explain.
    """

    mean: float
    error: float
    freedom: float
    seeds: tuple[int, int]
    paired: bool
    level: float = LEVEL
    called: bool = False

    @cached_property
    def p(self) -> float:
        """Two-sided; 1 where nothing can be said."""
        from scipy.special import stdtr

        if math.isnan(self.error) or self.mean == 0:
            return 1.0
        return 0.0 if self.error == 0 else float(2 * stdtr(self.freedom, -abs(self.mean) / self.error))

    @property
    def interval(self) -> tuple[float, float]:
        """The confidence interval that belongs to the test: it leaves out 0 where the difference is called."""
        from scipy.special import stdtrit

        if math.isnan(self.error):
            return -math.inf, math.inf
        reach = float(stdtrit(self.freedom, 1 - self.level / 2)) * self.error if self.error else 0.0
        return self.mean - reach, self.mean + reach

    @property
    def needed(self) -> int | None:
        """How many seeds of each setting would show a difference of this size with probability 80 %, if the seeds go on
        to vary as they do; None where that is more than a thousand, or nobody knows."""
        if math.isnan(self.error) or self.error == 0 or self.mean == 0:
            return None
        first, second = self.seeds
        # The standard deviation of one seed's difference, so that n of them have this error.
        spread = self.error * math.sqrt(first if self.paired else 2 / (1 / first + 1 / second))
        return next((n for n in range(2, MOST_SEEDS + 1) if self._power(n, spread) >= POWER), None)

    def _power(self, n: int, spread: float) -> float:
        freedom = (n - 1) * (1.0 if self.paired else self.freedom / (sum(self.seeds) / 2 - 1))
        return power(abs(self.mean) / (spread / math.sqrt(n)), max(1.0, freedom), self.level)


def power(shift: float, freedom: float, level: float = LEVEL) -> float:
    """The probability that a two-sided t test finds a difference of `shift` standard errors."""
    from scipy.special import nctdtr, stdtrit

    critical = float(stdtrit(freedom, 1 - level / 2))
    return 1.0 if shift > 37 else float(1 - nctdtr(freedom, shift, critical) + nctdtr(freedom, shift, -critical))


def difference(first: Seeds, second: Seeds) -> Difference:
    """Tests one pair, not yet for how many there are."""
    common = sorted(first.keys() & second.keys())
    if len(common) > 1 and len(common) == min(len(first), len(second)):
        gains = [first[seed] - second[seed] for seed in common]
        error = math.sqrt(variance(gains) / len(gains))
        if error > 0 or not (spread(first) or spread(second)):
            return Difference(mean_of(gains), error, len(gains) - 1, (len(gains), len(gains)), True)
    return welch(list(first.values()), list(second.values()))


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Welch's test (1947), with Satterthwaite's degrees of freedom."""
    mean, counts = mean_of(first) - mean_of(second), (len(first), len(second))
    if min(counts) < 2:
        return Difference(mean, math.nan, 0.0, counts, False)
    parts = [variance(values) / len(values) for values in (first, second)]
    total = sum(parts)
    below = sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    return Difference(mean, math.sqrt(total), total**2 / below if below else float(sum(counts) - 2), counts, False)


def mean_of(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return math.fsum(values) / len(values)


def variance(values: Sequence[float]) -> float:
    """Of a sample (n - 1)."""
    mean = mean_of(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def spread(values: Seeds) -> float:
    """The largest less the smallest."""
    return max(values.values()) - min(values.values())


def holm(tests: Sequence[Difference], level: float = LEVEL) -> None:
    """Calls differences so that with probability `1 - level` none is called wrongly; sets `level` and `called`."""
    still, last = True, level / max(1, len(tests))
    for place, test in enumerate(sorted(tests, key=lambda test: test.p)):
        if still:
            last = level / (len(tests) - place)
        still = still and test.p <= last
        test.level, test.called = last, still


def all_pairs(settings: Sequence[Seeds]) -> dict[tuple[int, int], Difference]:
    """Every setting with every later one, tested together."""
    found = {(a, b): difference(settings[a], settings[b]) for a, b in combinations(range(len(settings)), 2)}
    holm(list(found.values()))
    return found


def turned(test: Difference) -> Difference:
    """The second minus the first."""
    return Difference(-test.mean, test.error, test.freedom, test.seeds[::-1], test.paired, test.level, test.called)
