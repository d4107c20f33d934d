"""Schedules against torch's, and against their closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from embloom.optim.schedules import Constant, Cosine, Linear, OneCycle, Schedule

STEPS = 200
PEAK = 0.7


def rates(make: Callable[[torch.optim.Optimizer], LRScheduler]) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=PEAK)
    scheduler = make(optimizer)
    found = []
    for _ in range(STEPS):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


def ours(schedule: Schedule, last: int = STEPS) -> list[float]:
    """As the module uses it."""
    return rates(lambda optimizer: LambdaLR(optimizer, lambda step: schedule(min(1.0, step / last))))


@pytest.mark.parametrize("warmup", [0.1, 0.3, 0.5])
def test_one_cycle_is_torchs(warmup: float) -> None:
    start, end = 0.04, 1e-4
    # torch's peak is at step warmup * total - 1 and its end at total - 1; ours at warmup * total and total.
    expected = rates(
        lambda optimizer: OneCycleLR(
            optimizer, PEAK, STEPS + 1, pct_start=(warmup * STEPS + 1) / (STEPS + 1),
            div_factor=1 / start, final_div_factor=start / end, cycle_momentum=False,
        )
    )  # fmt: skip
    assert ours(OneCycle(warmup, start, end)) == pytest.approx(expected, rel=1e-9)


def test_cosine_is_torchs() -> None:
    expected = rates(lambda optimizer: CosineAnnealingLR(optimizer, T_max=STEPS, eta_min=0.1 * PEAK))
    assert ours(Cosine(end=0.1)) == pytest.approx(expected, rel=1e-6)


def test_linear_falls_evenly() -> None:
    found = ours(Linear(end=0.2))
    assert found == pytest.approx([PEAK * (1 - 0.8 * i / STEPS) for i in range(STEPS)])


def test_constant_stays() -> None:
    assert ours(Constant()) == [PEAK] * STEPS


@pytest.mark.parametrize("schedule", [Constant(0.25), Cosine(0.25), Linear(0.25)])
def test_warm_up_rises_in_a_straight_line_from_0_to_1(schedule: Schedule) -> None:
    assert [schedule(p) for p in (0.0, 0.0625, 0.125, 0.25)] == pytest.approx([0, 0.25, 0.5, 1])


@pytest.mark.parametrize(
    ("schedule", "first", "last"),
    [(OneCycle(0.3, 0.04, 1e-4), 0.04, 1e-4), (Cosine(0, 0.1), 1, 0.1), (Linear(0, 0.1), 1, 0.1), (Constant(), 1, 1)],
)
def test_ends(schedule: Schedule, first: float, last: float) -> None:
    assert schedule(0.0) == pytest.approx(first)
    assert schedule(1.0) == pytest.approx(last)


@pytest.mark.parametrize("cls", [OneCycle, Cosine, Linear])
@pytest.mark.parametrize("warmup", [0.0, 0.3])
def test_has_one_peak_and_no_jumps(cls: type[OneCycle | Cosine | Linear], warmup: float) -> None:
    values = [cls(warmup)(i / 1000) for i in range(1001)]
    top = values.index(max(values))
    assert top == round(1000 * warmup)
    assert values[top] == pytest.approx(1)
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert max(abs(a - b) for a, b in pairwise(values)) < 0.01


def test_is_a_function_of_the_progress_so_more_epochs_stretch_it() -> None:
    schedule = OneCycle()
    assert schedule(20 / 100) == schedule(40 / 200)
    assert math.isclose(schedule(0.3), 1)


@pytest.mark.parametrize("cls", [OneCycle, Cosine, Linear, Constant])
@pytest.mark.parametrize("warmup", [-0.1, 1.0])
def test_refuses_a_warm_up_that_is_no_part(cls: type[OneCycle | Cosine | Linear | Constant], warmup: float) -> None:
    with pytest.raises(ValueError, match=r"^warmup="):
        cls(warmup)
