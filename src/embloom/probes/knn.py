"""The k-nearest-neighbor probe."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.assembly.parameters import choices, positive_integers
from embloom.probes.base import Frozen, Probe

METRICS = ("euclidean", "cosine", "dot")
CHUNK = 1024


class KNN(Probe):
    """How often the k nearest training samples agree, by majority, on the true class.

    Exact search; a tied vote goes to the class that is nearer, as its nearest member counts.

    Args:
        k: neighbors.
        metric: `euclidean`, `cosine` or `dot`, the product, for which long vectors are near to all.
        layers: `embedding`, another name, a list, or `all`.

    Raises:
        ValueError: k is below 1 or the metric unknown.
    """

    def __init__(self, k: int = 5, metric: str = "euclidean", layers: str | Sequence[str] = "embedding") -> None:
        positive_integers(k=k)
        choices(METRICS, metric=metric)
        self.k, self.metric, self.layers = k, metric, layers

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`knn_<label>`: accuracy in 0..1."""
        return {
            f"knn_{tag}": self.accuracy(
                frozen.fit[layer],
                frozen.fit[label],
                frozen.score[layer],
                frozen.score[label],
                frozen.labels[label],
            )
            for layer, label, tag in frozen.pairs(self.layers)
        }

    def accuracy(self, fit: Tensor, fit_label: Tensor, score: Tensor, score_label: Tensor, classes: int) -> float:
        """Embeddings (N, D) and (M, D), labels (N,) and (M,) -> accuracy on the second."""
        if self.k > len(fit):
            raise ValueError(f"k={self.k}: there are only {len(fit)} training samples to be neighbors")
        if self.metric == "cosine":
            fit, score = F.normalize(fit, dim=1), F.normalize(score, dim=1)
        right = 0
        for rows, truth in zip(score.split(CHUNK), score_label.split(CHUNK), strict=True):
            right += int((self.vote(fit, fit_label, rows, classes) == truth).sum())
        return right / len(score)

    def vote(self, fit: Tensor, labels: Tensor, rows: Tensor, classes: int) -> Tensor:
        """The majority class of each row's neighbors: (B, D) -> (B,)."""
        # |a-b|^2 without |a|^2, which is the same for all neighbors of a.
        squares = (fit * fit).sum(1)
        distance = torch.addmm(squares * 0 if self.metric == "dot" else squares, rows, fit.T, alpha=-2)
        k = self.k
        near = labels[distance.topk(k, dim=1, largest=False, sorted=True).indices]
        votes = F.one_hot(near, classes).float()
        # Less than one vote, for each class's nearest member only: decides ties for the nearer class.
        rank = torch.arange(k, 0, -1, device=rows.device).float() / (k + 1)
        return (votes.sum(1) + (votes * rank[None, :, None]).amax(1)).argmax(1)
