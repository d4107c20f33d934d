"""The linear probe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.assembly.parameters import numbers, positive_integers
from embloom.probes.base import Frozen, Probe


class Linear(Probe):
    """How well a linear classifier on the frozen embedding finds the class (Alain and Bengio 2017).

    Multinomial logistic regression on standardised features, fitted with L-BFGS until it no longer improves;
    the problem is convex, so there is nothing to tune but the penalty.

    Args:
        penalty: L2 penalty on the weights, per sample.
        iterations: at most so many.
        layers: `embedding`, another name, a list, or `all`.

    Raises:
        ValueError: the penalty is negative or there are no iterations.
    """

    def __init__(self, penalty: float = 1e-4, iterations: int = 200, layers: str | Sequence[str] = "embedding") -> None:
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
        with torch.enable_grad(), torch.inference_mode(False):
            weight = torch.zeros(classes, x.shape[1], device=x.device, requires_grad=True)
            bias = torch.zeros(classes, device=x.device, requires_grad=True)
            x, y = x.clone(), y.clone()
            solver = torch.optim.LBFGS(
                [weight, bias], max_iter=self.iterations, tolerance_grad=1e-5, tolerance_change=1e-7,
                history_size=10, line_search_fn="strong_wolfe",
            )  # fmt: skip

            def closure() -> Tensor:
                solver.zero_grad()
                loss = F.cross_entropy(F.linear(x, weight, bias), y) + self.penalty / 2 * (weight * weight).sum()
                loss.backward()
                return loss

            solver.step(closure)
        return _Classifier(weight.detach(), bias.detach(), mean, scale)


class _Classifier:
    """Rows (M, D) -> classes (M,)."""

    def __init__(self, weight: Tensor, bias: Tensor, mean: Tensor, scale: Tensor) -> None:
        self.weight, self.bias, self.mean, self.scale = weight, bias, mean, scale

    def __call__(self, rows: Tensor) -> Tensor:
        return F.linear((rows - self.mean) * self.scale, self.weight, self.bias).argmax(1)
