"""A classifier with a hidden layer, on a frozen embedding: finds what a linear one cannot."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers, positive_integers
from embloom.probes.base import Frozen, Probe

BATCH = 256


class MLP(Probe):
    """How well one hidden layer on the standardised embedding finds the class, trained with Adam.

    Finds what bends away from a line; its draws are its own, the same in every run.

    Args:
        hidden: units of the hidden layer.
        epochs: over the training split.
        lr: Adam's learning rate; falls to 0 along a line.
        layers: `embedding`, another name, a list, or `all`.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self, hidden: int = 256, epochs: int = 20, lr: float = 0.002, layers: str | Sequence[str] = "embedding"
    ) -> None:
        positive_integers(hidden=hidden, epochs=epochs)
        numbers(above=0, lr=lr)
        self.hidden, self.epochs, self.lr, self.layers = hidden, epochs, lr, layers

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`mlp_<label>`: accuracy in 0..1."""
        found: dict[str, float] = {}
        for layer, label, tag in frozen.pairs(self.layers):
            mean, std = frozen.fit[layer].mean(0), frozen.fit[layer].std(0).clamp_min(1e-8)
            fit, score = ((rows[layer] - mean) / std for rows in (frozen.fit, frozen.score))
            with torch.random.fork_rng(devices=[fit.device] if fit.is_cuda else []):
                torch.manual_seed(0)
                model = self.fitted(fit, frozen.fit[label], frozen.labels[label])
            with torch.no_grad():
                right = torch.cat([model(rows).argmax(1) for rows in score.split(4096)]) == frozen.score[label]
            found[f"mlp_{tag}"] = float(right.double().mean())
        return found

    def fitted(self, x: Tensor, y: Tensor, classes: int) -> nn.Module:
        """Standardised rows (N, D), labels (N,) -> the trained classifier."""
        with torch.enable_grad(), torch.inference_mode(False):
            x, y = x.clone(), y.clone()
            model = nn.Sequential(nn.Linear(x.shape[1], self.hidden), nn.ReLU(), nn.Linear(self.hidden, classes))
            model.to(x.device)
            solver = torch.optim.Adam(model.parameters(), self.lr)
            steps = self.epochs * -(-len(x) // BATCH)
            falling = torch.optim.lr_scheduler.LinearLR(solver, 1.0, 0.0, steps)
            for _ in range(self.epochs):
                for rows in torch.randperm(len(x), device=x.device).split(BATCH):
                    solver.zero_grad()
                    F.cross_entropy(model(x[rows]), y[rows]).backward()
                    solver.step()
                    falling.step()
        return model
