"""Whether the losses pull the encoder the same way or apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


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
        if every_n_steps < 1:
            raise ValueError(f"every_n_steps={every_n_steps}: it must be at least 1")
        self.every_n_steps = every_n_steps
        self.terms: dict[str, Tensor] = {}
        self.due = False
        self.handle: Any = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listens to what the losses return."""
        assert isinstance(pl_module, EmbeddingModule)
        self.handle = pl_module.loss.register_forward_hook(self.catch)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops listening."""
        self.handle.remove()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Whether this step is to be looked at."""
        self.due = trainer.global_step % self.every_n_steps == 0

    def catch(self, module: Any, inputs: Any, output: tuple[Tensor, dict[str, Tensor]]) -> None:
        """Keeps a step's terms until its backward pass."""
        if self.due:
            self.terms = {name: term for name, term in output[1].items() if term.requires_grad}

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Measures, while the graph is still there."""
        if not self.due or not self.terms:
            return
        assert isinstance(pl_module, EmbeddingModule)
        parameters = [p for p in pl_module.encoder.parameters() if p.requires_grad]
        terms, self.terms, self.due = self.terms, {}, False
        if not parameters:
            return
        gradients = {name: flat_gradient(term, parameters) for name, term in terms.items()}
        if isinstance(trainer.logger, Events):
            trainer.logger.scalars(measured(gradients), trainer.global_step)


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
