"""Learning-rate schedules as pure functions of the progress through training.

Being functions, they need no state in a checkpoint, and a run that is resumed with more epochs just stretches.
"""

from __future__ import annotations

import math
from abc import abstractmethod

from embloom.assembly.parameters import numbers


class Schedule:
    """Multiplies the optimizer's learning rate, step by step."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """Progress in 0..1 (steps done / steps in all) -> factor."""


class Constant(Schedule):
    """The learning rate as it is, after an optional linear warm-up.

    Args:
        warmup: part of the training over which it rises from 0.
    """

    def __init__(self, warmup: float = 0.0) -> None:
        self.warmup = fraction(warmup, "warmup")

    def __call__(self, progress: float) -> float:
        """See `Schedule`."""
        return min(1.0, progress / self.warmup) if self.warmup else 1.0


class OneCycle(Schedule):
    """Rises along a half cosine, then falls along one (Smith and Topin 2018).

    Args:
        warmup: part of the training in which it rises.
        start: factor at the beginning.
        end: factor at the end.
    """

    def __init__(self, warmup: float = 0.3, start: float = 0.04, end: float = 1e-4) -> None:
        numbers(at_least=0, start=start, end=end)
        self.warmup, self.start, self.end = fraction(warmup, "warmup"), start, end

    def __call__(self, progress: float) -> float:
        """See `Schedule`."""
        if progress < self.warmup:
            return half_cosine(self.start, 1.0, progress / self.warmup)
        return half_cosine(1.0, self.end, (progress - self.warmup) / (1 - self.warmup))


class Cosine(Schedule):
    """Falls along a half cosine, after an optional linear warm-up (Loshchilov and Hutter 2017, no restarts).

    Args:
        warmup: part of the training over which it rises from 0.
        end: factor at the end.
    """

    def __init__(self, warmup: float = 0.0, end: float = 0.0) -> None:
        numbers(at_least=0, end=end)
        self.warmup, self.end = fraction(warmup, "warmup"), end

    def __call__(self, progress: float) -> float:
        """See `Schedule`."""
        if progress < self.warmup:
            return progress / self.warmup
        return half_cosine(1.0, self.end, (progress - self.warmup) / (1 - self.warmup))


class Linear(Schedule):
    """Falls in a straight line, after an optional linear warm-up, as word2vec's does.

    Args:
        warmup: part of the training over which it rises from 0.
        end: factor at the end.
    """

    def __init__(self, warmup: float = 0.0, end: float = 0.0) -> None:
        numbers(at_least=0, end=end)
        self.warmup, self.end = fraction(warmup, "warmup"), end

    def __call__(self, progress: float) -> float:
        """See `Schedule`."""
        if progress < self.warmup:
            return progress / self.warmup
        return 1.0 + (self.end - 1.0) * (progress - self.warmup) / (1 - self.warmup)


def half_cosine(first: float, last: float, part: float) -> float:
    """From `first` to `last` along a half cosine."""
    return last + (first - last) * (0.5 + 0.5 * math.cos(math.pi * min(part, 1.0)))


def fraction(value: float, key: str) -> float:
    """A part of the training.

    Raises:
        ValueError: it is outside [0, 1).
    """
    if not 0 <= value < 1:
        raise ValueError(f"{key}={value}: it must be at least 0 and below 1")
    return value
