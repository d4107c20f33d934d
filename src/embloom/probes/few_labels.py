"""The linear probe with few labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from embloom.assembly.parameters import positive_integers
from embloom.data.splits import balanced
from embloom.probes.base import Frozen
from embloom.probes.linear import Linear
from embloom.seeding import generator


class FewLabels(Linear):
    """How well a linear classifier on the frozen embedding does that has seen the labels of a few samples only.

    They are drawn class by class, as many of each, several times over; the draws are the same in every run.

    Args:
        count: how many labels.
        draws: how often.
        penalty: L2 penalty on the weights, per sample, a number.
        iterations: at most so many.
        layers: `embedding`, another name, a list, or `all`.

    Raises:
        ValueError: a number is out of range; when called, there are fewer samples.
    """

    def __init__(
        self,
        count: int = 100,
        draws: int = 10,
        penalty: float = 0.01,
        iterations: int = 200,
        layers: str | Sequence[str] = "embedding",
    ) -> None:
        super().__init__(penalty, iterations, layers)
        positive_integers(count=count, draws=draws)
        self.count, self.draws = count, draws

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`linear<count>_<label>`: accuracy in 0..1, the mean over the draws."""
        found: dict[str, float] = {}
        for layer, label, tag in frozen.pairs(self.layers):
            x, y, classes = frozen.fit[layer], frozen.fit[label], frozen.labels[label]
            if self.count > len(y):
                raise ValueError(f"probe.few_labels.count={self.count}: there are only {len(y)} training samples")
            accuracies = []
            for draw in range(self.draws):
                order = torch.randperm(len(y), generator=generator(draw))
                rows = order[balanced(y.cpu()[order], self.count, classes)].to(y.device)
                predicted = self.fitted(x[rows], y[rows], classes)(frozen.score[layer])
                accuracies.append(float((predicted == frozen.score[label]).double().mean()))
            found[f"linear{self.count}_{tag}"] = sum(accuracies) / len(accuracies)
        return found
