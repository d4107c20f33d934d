"""The linear probe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.assembly.parameters import numbers, positive_integers
from embloom.probes.base import Frozen, Probe
from embloom.seeding import generator

AUTO = "auto"
PENALTIES = (1.0, 0.1, 0.01, 1e-3, 1e-4)
HELD_OUT = 10  # one of so many samples chooses between them,
LEAST = 100  # but so many, or half of all
FEWEST = 20  # among fewer nothing can be chosen


class Linear(Probe):
    """How well a linear classifier on the frozen embedding finds the class (Alain and Bengio 2017).

    Multinomial logistic regression on standardised features, fitted with L-BFGS until it no longer improves;
    the problem is convex, so there is nothing to tune but the penalty.

    Args:
        penalty: L2 penalty on the weights, per sample; `auto` is the best of 1, 0.1, 0.01, 0.001 and 0.0001 for a tenth
            of the samples that it is fitted on (at least 100, or half), which embeddings of thousands of numbers need.
        iterations: at most so many.
        layers: `embedding`, another name, a list, or `all`.

    Raises:
        ValueError: the penalty is negative or there are no iterations.
    """

    def __init__(
        self, penalty: float | str = 1e-4, iterations: int = 200, layers: str | Sequence[str] = "embedding"
    ) -> None:
        if penalty != AUTO:
            if isinstance(penalty, str):
                raise ValueError(f"penalty={penalty}: it must be a number of at least 0, or {AUTO}")
            numbers(at_least=0, penalty=penalty)
        positive_integers(iterations=iterations)
        self.penalty, self.iterations, self.layers = penalty, iterations, layers

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`linear_<label>`: accuracy in 0..1."""
        found: dict[str, float] = {}
        for layer, label, tag in frozen.pairs(self.layers):
            classifier = self.fitted(frozen.fit[layer], frozen.fit[label], frozen.labels[label])
            predicted = classifier(frozen.score[layer])
            found[f"linear_{tag}"] = float((predicted == frozen.score[label]).double().mean())
        return found

    def fitted(self, x: Tensor, y: Tensor, classes: int) -> _Classifier:
        """Embedding (N, D), labels (N,) -> a classifier of rows (M, D)."""
        mean, std = x.mean(0), x.std(0, unbiased=False)
        scale = torch.where(std > 1e-8 * std.max().clamp_min(1e-30), 1 / std.clamp_min(1e-30), torch.zeros_like(std))
        x = (x - mean) * scale
        penalty = self.penalty if not isinstance(self.penalty, str) else self.chosen(x, y, classes)
        return _Classifier(*self.solved(x, y, classes, penalty), mean, scale)

    def chosen(self, x: Tensor, y: Tensor, classes: int) -> float:
        """The penalty with which most of some samples that are left out are classified; of equals the one by which they
        are more probable."""
        if len(x) < FEWEST:
            return PENALTIES[-1]
        order = torch.randperm(len(x), generator=generator(0)).to(x.device)
        held, rest = order.tensor_split([max(len(x) // HELD_OUT, min(LEAST, len(x) // 2))])
        fit, labels, asked, truth = x[rest], y[rest], x[held], y[held]
        found, start = [], None
        for penalty in PENALTIES:
            start = self.solved(fit, labels, classes, penalty, start)
            scores = F.linear(asked, *start)
            found.append((int((scores.argmax(1) == truth).sum()), -float(F.cross_entropy(scores, truth)), penalty))
        return max(found)[2]

    def solved(
        self, x: Tensor, y: Tensor, classes: int, penalty: float, start: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Standardised features (N, D), labels (N,) -> weights (classes, D) and biases (classes,), begun at `start`."""
        with torch.enable_grad(), torch.inference_mode(False):
            weight, bias = start or (torch.zeros(classes, x.shape[1], device=x.device), x.new_zeros(classes))
            weight, bias = weight.clone().requires_grad_(), bias.clone().requires_grad_()
            x, y = x.clone(), y.clone()
            solver = torch.optim.LBFGS(
                [weight, bias], max_iter=self.iterations, tolerance_grad=1e-5, tolerance_change=1e-7,
                history_size=10, line_search_fn="strong_wolfe",
            )  # fmt: skip

            def closure() -> Tensor:
                solver.zero_grad()
                loss = F.cross_entropy(F.linear(x, weight, bias), y) + penalty / 2 * (weight * weight).sum()
                loss.backward()
                return loss

            solver.step(closure)
        return weight.detach(), bias.detach()


class _Classifier:
    """Rows (M, D) -> classes (M,)."""

    def __init__(self, weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor) -> None:
        self.weight, self.bias, self.mean, self.scale = weight, bias, mean, scale

    def __call__(self, rows: Tensor) -> Tensor:
        return F.linear((rows - self.mean) * self.scale, self.weight, self.bias).argmax(1)
