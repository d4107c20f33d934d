"""The statistics, against simulation, against scipy's own tests and against theory."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from embloom.comparison.differences import all_pairs, difference, holm, power, welch

DRAWS = 1000
MOST = 0.05 + 2.33 * math.sqrt(0.05 * 0.95 / DRAWS)  # of a true 5 %, 99 % of such simulations lie below
GROUPS = [(2, 3, True), (2, 10, True), (2, 5, False), (12, 3, True), (8, 5, False), (5, 10, True)]


def drawn(
    draw: np.random.Generator, settings: int, seeds: int, paired: bool, shift: float = 0.0
) -> list[dict[int, float]]:
    """Accuracies of settings; where they pair, a seed has an effect that all share. The first one is better by `shift`
    standard deviations of what the seeds do to one setting alone."""
    own, shared = draw.normal(size=(settings, seeds)), draw.normal(size=seeds) * (1.5 if paired else 0.0)
    values = 0.9 + 0.01 * (own + shared)
    values[0] += 0.01 * shift
    first = [0 if paired else 100 * i for i in range(settings)]
    return [dict(enumerate(row, start)) for row, start in zip(values.tolist(), first, strict=True)]


@pytest.mark.parametrize(("settings", "seeds", "paired"), GROUPS)
def test_identical_settings_are_called_different_in_at_most_5_percent(settings: int, seeds: int, paired: bool) -> None:
    draw = np.random.default_rng([settings, seeds, paired])
    wrong = 0
    for _ in range(DRAWS):
        found = drawn(draw, settings, seeds, paired)
        best = max(range(settings), key=lambda i: np.mean(list(found[i].values())))
        wrong += any(test.called for pair, test in all_pairs(found).items() if best in pair)
    assert wrong / DRAWS <= MOST


@pytest.mark.parametrize("paired", [True, False])
def test_a_difference_of_one_standard_deviation_is_found_as_often_as_theory_says(paired: bool) -> None:
    draw, seeds = np.random.default_rng(int(paired)), 10
    found = sum(difference(*drawn(draw, 2, seeds, paired, 1.0)).p <= 0.05 for _ in range(DRAWS)) / DRAWS
    shift = 1 / math.sqrt(2 / seeds)
    expected = power(shift, seeds - 1 if paired else 2 * seeds - 2)
    assert expected == pytest.approx(0.51 if paired else 0.56, abs=0.02)
    assert abs(found - expected) < 3 * math.sqrt(expected * (1 - expected) / DRAWS)


def test_pairing_finds_what_the_seeds_would_hide() -> None:
    draw = np.random.default_rng(0)
    shared = draw.normal(size=10)
    first = {i: float(0.9 + 0.05 * shared[i] + 0.001 * draw.normal()) for i in range(10)}
    second = {i: float(0.897 + 0.05 * shared[i] + 0.001 * draw.normal()) for i in range(10)}
    assert difference(first, second).p < 0.001
    assert welch(list(first.values()), list(second.values())).p > 0.5


def test_the_tests_are_those_of_scipy() -> None:
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=7), draw.normal(0.5, 2.0, size=7)
    paired = difference(dict(enumerate(a.tolist())), dict(enumerate(b.tolist())))
    theirs = stats.ttest_rel(a, b)
    assert paired.p == pytest.approx(theirs.pvalue)
    assert paired.interval == pytest.approx(tuple(theirs.confidence_interval()))
    apart, theirs = welch(a.tolist(), b[:4].tolist()), stats.ttest_ind(a, b[:4], equal_var=False)
    assert apart.p == pytest.approx(theirs.pvalue)
    assert apart.interval == pytest.approx(tuple(theirs.confidence_interval()))


def test_holm_by_hand() -> None:
    one, other = [0.0, 0.1, 0.2, 0.1, 0.12], [0.0, 0.1, 0.2, 0.1, 0.15]
    tests = [welch(one, [x + shift for x in other]) for shift in (1.0, 0.10, 0.09)]
    holm(tests)
    p = [test.p for test in tests]
    assert p[0] < 0.05 / 3
    assert 0.025 < p[1] < p[2]  # else the case shows nothing
    assert [test.level for test in tests] == pytest.approx([0.05 / 3, 0.025, 0.025])
    assert [test.called for test in tests] == [True, False, False]
    for test in tests:
        low, high = test.interval
        assert (low > 0 or high < 0) == test.called


def test_so_many_seeds_settle_it() -> None:
    draw = np.random.default_rng(1)
    first, second = (dict(enumerate(draw.normal(m, 1, 50).tolist())) for m in (0.0, 0.8))
    test = difference(first, second)
    needed = test.needed
    assert needed is not None
    of_one = test.error * math.sqrt(50)
    assert power(abs(test.mean) / of_one * math.sqrt(needed), needed - 1) >= 0.8
    assert power(abs(test.mean) / of_one * math.sqrt(needed - 1), needed - 2) < 0.8


def test_what_nothing_can_be_said_about() -> None:
    one = difference({0: 0.9}, {0: 0.8})
    assert (one.p, one.called, one.needed, one.interval) == (1.0, False, None, (-math.inf, math.inf))
    equal = difference({0: 1.0, 1: 1.0}, {0: 1.0, 1: 1.0})
    assert (equal.p, equal.needed) == (1.0, None)
    # What no seed changes, as of PCA, differs for certain.
    assert difference({0: 0.9, 1: 0.9}, {0: 0.8, 1: 0.8}).p == 0.0
    # That two seeds gained exactly the same is luck, and counts as no certainty.
    lucky = difference({0: 0.90, 1: 0.95}, {0: 0.89, 1: 0.94})
    assert not lucky.paired
    assert lucky.p > 0.5
