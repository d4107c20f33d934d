"""Loss weights that change: warm-up of a term, and a look at those that are learned."""

from __future__ import annotations

from collections.abc import Mapping

from embloom.assembly.parameters import numbers
from embloom.callbacks.base import Callback, Training


class LossWeights(Callback):
    """Raises the weights of some terms over the first part of the training (Bowman et al. 2016, section 3.1).

    Each step's weight is a function of the step alone, so a resumed run has the same. Validation and test always
    use the full weights, so that their losses can be compared and the best one be chosen. `train/weight_<term>`
    shows the weights, learned ones too.

    Args:
        warmup: term -> part of the training, within 0 and 1, over which its weight rises.

    Raises:
        ValueError: a part is outside 0..1.
    """

    def __init__(self, warmup: Mapping[str, float] | None = None) -> None:
        self.warmup = dict(warmup or {})
        numbers(at_least=0, at_most=1, **{f"warmup.{name}": part for name, part in self.warmup.items()})
        self.full: dict[str, float] = {}

    def check(self, run: Training) -> None:
        """Notes the full weights.

        Raises:
            ValueError: there is no such term, or its weight is learned.
        """
        for name in self.warmup:
            if name not in run.loss.weights:
                there = ", ".join(run.loss.terms)
                raise ValueError(f"callbacks.loss_weights.warmup.{name}: no such fixed weight; terms are: {there}")
        # Before the test, the weights may be those of a warm-up that did not end.
        self.full = self.full or dict(run.loss.weights)

    def on_batch_start(self, run: Training) -> None:
        """Sets the step's weights."""
        progress = (run.step + 1) / run.steps
        for name, part in self.warmup.items():
            run.loss.weights[name] = self.full[name] * (min(1.0, progress / part) if part else 1.0)

    def on_batch_end(self, run: Training, batch: object) -> None:
        """Writes them when it is time to log."""
        if run.time_to_log:
            run.log({f"train/weight_{name}": float(weight) for name, weight in run.loss.factors().items()})

    def on_validation_start(self, run: Training) -> None:
        """Back to the full weights."""
        run.loss.weights.update(self.full)
