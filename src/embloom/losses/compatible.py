"""Keeps a new embedding comparable with the stored vectors of an old one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from embloom.assembly.parameters import numbers


class Compatible(nn.Module):
    """Asks new vectors z to find their like among old ones o (backward-compatible training, Shen et al. 2020).

    What is asked is what a search in the stored vectors does: among the old vectors of the batch, the soft nearest
    neighbors (Goldberger et al. 2005, equation 2, with old vectors for keys) shall be of the same class,

        -log( sum over j of the same class of k(z_i, o_j) / sum over all j of k(z_i, o_j) ),  k = e^(-|z - o|^2 / 2 t s)

    without the sample's own, as it is not in the index either; s is the median squared distance of an old vector to its
    nearest. Without labels a sample's own old vector is what is to be found (the contrast of new queries with old keys
    of Zhang et al. 2022, Hot-Refresh). Of an embedding with more numbers than the old one, the first ones count.

    The old vectors come as the tensor `old`, which the run makes once of the clean samples.

    Args:
        sizes: of `embedding` and `old`.
        to: the old embedding: a run folder, or an artifact.
        layer: which of its layers.
        temperature: t; smaller looks at nearer vectors only.

    Raises:
        ValueError: the temperature is not positive, or the old vectors have more numbers than the embedding.

    Example:
        >>> loss = Compatible({"embedding": 2, "old": 2}, to="V1")
        >>> old, label = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0]]), torch.tensor([0, 0, 1])
        >>> new = torch.tensor([[1.0, 1.0]]).expand(3, 2)  # as far from all: of two others, one is of its class
        >>> round(loss(new, old, label).item(), 4)
        0.6931
    """

    def __init__(self, sizes: Mapping[str, int], to: str, layer: str = "embedding", temperature: float = 1.0) -> None:
        super().__init__()
        numbers(above=0, temperature=temperature)
        self.temperature, self.width = temperature, sizes["old"]
        if sizes["embedding"] < self.width:
            raise ValueError(
                f"to={to}: its layer {layer} has {self.width} numbers, and the embedding has {sizes['embedding']}: new "
                "vectors need at least as many"
            )

    def forward(self, embedding: Tensor, old: Tensor, target: Tensor | None = None) -> Tensor:
        """Embedding (B, D'), old vectors (B, D), class numbers (B,) -> scalar, nats; samples that are alone of their
        class do not count."""
        with torch.autocast(embedding.device.type, enabled=False):
            rows, old = embedding[:, : self.width].to(torch.promote_types(embedding.dtype, torch.float32)), old.detach()
            itself = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
            apart = squared(old, old).masked_fill(itself, torch.inf)
            scale = apart.amin(1).median().clamp(min=1e-12)
            logits = squared(rows, old.to(rows.dtype)) / (-2 * self.temperature * scale)
            if target is None:
                return (logits.logsumexp(1) - logits.diagonal()).mean()
            logits = logits.masked_fill(itself, -torch.inf)
            same = (target[:, None] == target[None, :]) & ~itself
            there = same.any(1)
            # Rows without a like would be infinite, and their gradient no number.
            found = logits.masked_fill(~(same | ~there[:, None]), -torch.inf).logsumexp(1)
            lost = torch.where(there, logits.logsumexp(1) - found, 0.0)
            return lost.sum() / there.sum().clamp(min=1)


def squared(one: Tensor, other: Tensor) -> Tensor:
    """(A, D) and (B, D) -> their squared distances (A, B)."""
    return (one.square().sum(1)[:, None] + other.square().sum(1) - 2 * one @ other.T).clamp(min=0)
