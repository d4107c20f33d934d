"""Keeps a new embedding comparable with the stored vectors of an old one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers


class Compatible(nn.Module):
    """Asks the new vector of a sample to be found by its old one (backward-compatible training, Shen et al. 2020).

    With labels, the new embedding is classified by the old one's classes (equation 4, with their synthesized classifier:
    the mean old vector p_c of each class, which takes classes in that the old one never saw):

        -log softmax over c of -|z - p_c|^2 / (2 t s^2)

    where s^2 is the mean squared distance of old vectors to the mean of their class, so that a new vector comes to lie
    where the old ones of its class are, in length too. Without labels, a sample's own old vector takes the place of its
    class and the rest of the batch that of the other classes, as in the contrast of new queries with old keys of Zhang
    et al. 2022 (Hot-Refresh, equation 5). An embedding with more numbers than the old one has its first ones compared.

    The old vectors come as the tensor `old`, which the run makes, once, from the clean samples.

    Args:
        sizes: of `embedding`, `old`, and `target` where there are labels.
        to: the old embedding: a run folder, or an artifact.
        layer: which of its layers.
        temperature: t; smaller draws a new vector nearer to the middle of its class.

    Raises:
        ValueError: the temperature is not positive, or the old vectors have more numbers than the embedding.

    Example:
        >>> loss = Compatible({"embedding": 2, "old": 2, "target": 2}, to="V1")
        >>> old, label = torch.tensor([[0.0, 1.0], [0.0, 3.0], [4.0, 0.0]]), torch.tensor([0, 0, 1])
        >>> loss.fit([(old, label)])
        >>> loss.prototypes
        tensor([[0., 2.],
                [4., 0.]])
        >>> round(loss(torch.tensor([[2.0, 1.0]]), old[:1], label[:1]).item(), 4)  # as far from both: log 2
        0.6931
    """

    prototypes: Tensor
    spread: Tensor

    def __init__(self, sizes: Mapping[str, int], to: str, layer: str = "embedding", temperature: float = 1.0) -> None:
        super().__init__()
        numbers(above=0, temperature=temperature)
        self.to_embedding, self.layer, self.temperature = to, layer, temperature
        width = self.width = sizes["old"]
        if sizes["embedding"] < width:
            raise ValueError(
                f"to={to}: its layer {layer} has {width} numbers, and the embedding has {sizes['embedding']}: new "
                "vectors need at least as many"
            )
        self.register_buffer("prototypes", torch.zeros(sizes.get("target", 0), width))
        self.register_buffer("spread", torch.ones(()))

    @torch.no_grad()
    def fit(self, parts: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Computes the old classes.

        Args:
            parts: old vectors (B, D) of training samples, and their class numbers (B,).
        """
        kept = [(old.double(), target) for old, target in parts if target is not None]
        if not kept or not len(self.prototypes):
            return
        old, target = (torch.cat([part[i] for part in kept]) for i in (0, 1))  # type: ignore[misc]
        count = torch.bincount(target, minlength=len(self.prototypes)).clamp(min=1)
        sums = old.new_zeros(self.prototypes.shape).index_add_(0, target, old)
        means = sums / count[:, None]
        self.prototypes.copy_(means)
        self.spread.copy_((old - means[target]).square().sum(1).mean().clamp(min=1e-12))

    def forward(self, embedding: Tensor, old: Tensor, target: Tensor | None = None) -> Tensor:
        """Embedding (B, D'), old vectors (B, D), class numbers (B,) -> scalar, nats."""
        rows = embedding[:, : self.width]
        if target is None:
            near = (rows - old).square().sum(1).mean().detach().clamp(min=1e-12)
            logits = -torch.cdist(rows, old).square() / (2 * self.temperature * near)
            return F.cross_entropy(logits, torch.arange(len(rows), device=rows.device))
        distance = (rows[:, None] - self.prototypes[None]).square().sum(2)
        return F.cross_entropy(-distance / (2 * self.temperature * self.spread), target)
