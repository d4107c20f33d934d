"""Bayesian personalized ranking."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers, positive_integers

MOST_PAIRS = 1 << 27  # half a GiB


class BPR(nn.Module):
    """What somebody had should score higher than what they had not.

    The mean of `-log sigmoid(u.i - u.n)` over each item i that a person u had and each noise item n that they had not
    (Rendle et al. 2009, section 4.1). The noise is shared by all people of a batch, so that it costs one product.

    Args:
        hardest: of so many noise items, that stand beside each other, only the one counts that scores highest for the
            person (dynamic negative sampling, Zhang et al. 2013); 1 counts all. Most items are far below what somebody
            had, and teach nothing.
        decay: of the squared length of the vectors that a batch touched, halved, as a mean over what they had (the
            lambda of NGCF and LightGCN).

    Raises:
        ValueError: the decay is negative, or `hardest` no positive integer.

    Example:
        >>> user, items = torch.zeros(1, 2), torch.zeros(4, 2)  # one person, four items, of which they had the first
        >>> own = torch.tensor([0])
        >>> round(BPR()(user, user, items[:1], own, items, own, own).item(), 4)  # log 2
        0.6931
    """

    def __init__(self, decay: float = 0.0, hardest: int = 1) -> None:
        super().__init__()
        numbers(at_least=0, decay=decay)
        positive_integers(hardest=hardest)
        self.decay, self.hardest = decay, hardest

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
        groups = -(-len(noise_vector) // self.hardest)
        if len(owner) * groups > MOST_PAIRS:
            raise ValueError(
                f"{len(owner):,} positives against {groups:,} noise items each are too many pairs for a "
                "step: use dataset.negatives=256"
            )
        false = user_vector @ noise_vector.T
        # What they had scores lowest: it is no group's hardest, and adds nothing where it is alone.
        false = false.index_put((clash_row, clash_column), false.new_tensor(-math.inf))
        if self.hardest > 1:
            missing = groups * self.hardest - len(noise_vector)
            false = F.pad(false, (0, missing), value=-math.inf).unflatten(1, (groups, self.hardest)).amax(2)
        counts = false.isfinite().sum(1)[owner].sum()
        distance = (pair_vector * item_vector).sum(1, keepdim=True) - false[owner]
        loss = -F.logsigmoid(distance).sum() / counts.clamp(min=1)
        if self.decay:
            # A noise item weighs as much as each positive has of it, as if it were drawn for it alone.
            lengths = pair_vector.square().sum() + item_vector.square().sum()
            lengths = lengths + noise_vector.square().sum() * len(owner) / len(noise_vector)
            loss = loss + self.decay / 2 * lengths / max(1, len(owner))
        return loss
