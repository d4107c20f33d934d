"""Whether the losses pull the encoder the same way or apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from embloom.assembly.parameters import positive_integers
from embloom.callbacks.base import Callback, Training


class GradientCosine(Callback):
    """The cosine between the gradients of every two terms with respect to the encoder's parameters.

    1: they want the same; 0: they do not meet; -1: what helps one hurts the other (Yu et al. 2020, section 2.3).
    Written as `train/cosine_<term>_<term>`, beside each gradient's length `train/gradient_<term>`, unweighted.

    Args:
        every_n_steps: each costs one more backward pass a term.

    Raises:
        ValueError: it is below 1.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        positive_integers(every_n_steps=every_n_steps)
        self.every_n_steps = every_n_steps

    def on_backward(self, run: Training, terms: Mapping[str, Tensor]) -> None:
        """Measures, while the graph is still there."""
        if run.step % self.every_n_steps:
            return
        parameters = [p for p in run.encoder.parameters() if p.requires_grad]
        trained = {name: term for name, term in terms.items() if term.requires_grad}
        if parameters and trained:
            run.log(measured({name: flat_gradient(term, parameters) for name, term in trained.items()}))


def flat_gradient(term: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """The gradient of a scalar with respect to all parameters, one after the other: (P,)."""
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    pairs = zip(found, parameters, strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in pairs])


def measured(gradients: dict[str, Tensor]) -> dict[str, float]:
    """Tag -> length of each gradient, and cosine of each pair; 0 where one of them is 0."""
    values = {f"train/gradient_{name}": float(g.norm()) for name, g in gradients.items()}
    for (one, a), (other, b) in combinations(gradients.items(), 2):
        values[f"train/cosine_{one}_{other}"] = float(torch.cosine_similarity(a, b, dim=0))
    return values
