"""The cosine contrastive loss of SimpleX."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers


class CosineContrastive(nn.Module):
    """Pulls what somebody had to a cosine of 1, and pushes what they had not below a margin.

    For each item i that a person u had, `1 - cos(u, i) + negative * mean over n of max(0, cos(u, n) - margin)` over the
    noise items n that they had not (Mao et al. 2021, equation 1). Rank by the cosine too: encoders with
    `normalize=true` do.

    Args:
        margin: cosines below it are far enough.
        negative: how much the noise weighs.

    Raises:
        ValueError: an option is out of range.

    Example:
        >>> user, items = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]])
        >>> own = torch.tensor([0])  # they had the first item, at a cosine of 0; the other is at 1
        >>> round(CosineContrastive(margin=0.9, negative=10)(user, user, items[:1], own, items, own, own).item(), 4)
        2.0
    """

    def __init__(self, margin: float = 0.9, negative: float = 150.0) -> None:
        super().__init__()
        numbers(at_least=-1, at_most=1, margin=margin)
        numbers(at_least=0, negative=negative)
        self.margin, self.negative = margin, negative

    def forward(
        self,
        user_vector: Tensor,
        pair_vector: Tensor,
        item_vector: Tensor,
        owner: Tensor,
        noise_vector: Tensor,
        clash_row: Tensor,
        clash_column: Tensor,
    ) -> Tensor:
        """People (U, D), the person of each pair (P, D), what they had (P, D), whose it is (P,), noise (K, D), and
        which of it they had (Q,) -> scalar; see `ItemSoftmax.forward`."""
        people, noise = F.normalize(user_vector, dim=1), F.normalize(noise_vector, dim=1)
        true = F.cosine_similarity(pair_vector, item_vector)
        false = (people @ noise.T).index_put((clash_row, clash_column), people.new_tensor(-1.0))
        rest = len(noise) - torch.bincount(clash_row, minlength=len(people))
        hard = (false - self.margin).relu().sum(1) / rest.clamp(min=1)
        return (1 - true + self.negative * hard[owner]).mean()
