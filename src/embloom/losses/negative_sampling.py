"""Skip-gram with negative sampling, for whole blocks of text at once and with its gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embloom.assembly.parameters import choices, numbers
from embloom.threads import in_parts

LARGEST_SCORE = 15.0  # beyond it the probability is 0 or 1 in float32
GROUP = 4  # probabilities whose product cannot underflow: exp(-15 * 4) > 1e-38
LEAST_BLOCKS = 16  # for a thread of its own
REDUCTIONS = ("mean", "sum")


class NegativeSampling(nn.Module):
    """Logistic loss that tells the words around a word from words drawn at random.

    For each positive pair of a centre c and a context x, with noise words n,
    `-log sigmoid(c.x) - negative * mean over n of log sigmoid(-c.n)` (Mikolov et al. 2013, equation 4). The
    noise words are shared by all centres of a block, so that matrix products do nearly all the work. Vectors in
    bfloat16 are multiplied as they are; the sums, the loss and all between scores and their gradient are float32.

    Args:
        negative: noise words that a positive pair weighs as much as.
        reduction: `mean` over the positive pairs, or their `sum`, which word2vec's own learning rates are for.

    Raises:
        ValueError: an option is unknown or out of range.

    Example:
        >>> center, context = torch.zeros(1, 2, 3), torch.zeros(1, 2 + 4, 3)  # a block of two words, four noise words
        >>> positives = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> round(NegativeSampling(negative=5)(center, context, positives).item(), 4)  # (1 + 5) log 2
        4.1589
    """

    def __init__(self, negative: float = 5.0, reduction: str = "mean") -> None:
        super().__init__()
        numbers(above=0, negative=negative)
        choices(REDUCTIONS, reduction=reduction)
        self.negative, self.reduction = negative, reduction

    def forward(self, center: Tensor, context: Tensor, positives: Tensor) -> Tensor:
        """The loss of the pairs that `positives` weighs.

        Args:
            center: (B, L, D) input vectors.
            context: (B, C + K, D) output vectors: of the C words around the centres, then of K noise words, which
                all centres of a block share.
            positives: (B, C, L), how much each pair counts: 0 or 1, or what is between.

        Returns:
            A scalar, float64 if the vectors are, else float32; 0 where there is no pair.
        """
        weight = self.negative / (context.shape[1] - positives.shape[1])
        loss: Tensor = BlockLoss.apply(center, context, positives, weight, self.reduction == "mean")
        return loss


class BlockLoss(torch.autograd.Function):
    """The loss of `NegativeSampling`.

    With s the scores, p = sigmoid(s), M the weights of positives, m their sums by centre and w = negative / K, the
    gradient by the scores is G = [(p - 1) M; w m p], by the centres G' context, and by the context G centres.
    """

    @staticmethod
    def forward(ctx: Any, center: Tensor, context: Tensor, positives: Tensor, weight: float, mean: bool) -> Tensor:
        """See `NegativeSampling.forward`; `weight` is that of one noise word per positive pair."""
        exact = torch.promote_types(center.dtype, torch.float32)
        # Even for no gradient at all the loss is wanted; the gradients only where somebody asks.
        wanted = any(ctx.needs_input_grad)
        by_center, by_context = (torch.empty_like(x) if wanted else None for x in (center, context))
        mask = positives.to(exact)
        scale = mask.sum().clamp_(min=1).reciprocal_() if mean else mask.new_ones(())

        def part(first: int, last: int) -> Tensor:
            blocks = slice(first, last)
            with torch.autocast(center.device.type, enabled=False):
                rows, columns = center[blocks], context[blocks]
                value, error = errors(rows, columns, mask[blocks] * scale, weight)
                if by_center is not None and by_context is not None:
                    error = error.to(center.dtype)
                    torch.bmm(error.transpose(1, 2), columns, out=by_center[blocks])
                    torch.bmm(error, rows, out=by_context[blocks])
            return value

        parts = in_parts(len(center), LEAST_BLOCKS, part) if center.device.type == "cpu" else [part(0, len(center))]
        ctx.save_for_backward(by_center, by_context)
        return torch.stack(parts).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Closed form, times `grad_output`."""
        by_center, by_context = ctx.saved_tensors
        # Nothing waits for the CPU, and nearly always the factor is 1.
        if grad_output.device.type != "cpu" or grad_output != 1:
            by_center, by_context = by_center * grad_output, by_context * grad_output
        return by_center, by_context, None, None, None


def errors(rows: Tensor, columns: Tensor, mask: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Centres (B, L, D), context (B, C + K, D), weights of pairs (B, C, L) -> the sum of losses, and its gradient by
    the scores (B, C + K, L)."""
    noise = mask.sum(1, keepdim=True).mul_(weight)
    scores = torch.bmm(columns, rows.transpose(1, 2)).to(mask.dtype)
    # From here on in place: scores, then probabilities, then gradients.
    error = scores.clamp_(-LARGEST_SCORE, LARGEST_SCORE).sigmoid_()
    true, false = error.tensor_split([mask.shape[1]], 1)
    value = -(true.log().mul_(mask).sum() + sum_of_logs(1 - false).mul_(noise).sum())
    true.sub_(1).mul_(mask)
    false.mul_(noise)
    return value, error


def sum_of_logs(values: Tensor) -> Tensor:
    """(B, K, L) in (0, 1] -> (B, 1, L): the logarithm of products of `GROUP` values, since a logarithm costs more
    than everything around it."""
    size = values.shape[1] // GROUP
    product = values[:, :size]
    for part in range(1, GROUP):
        product = product * values[:, part * size : (part + 1) * size]
    logs = product.log().sum(1, keepdim=True)
    if GROUP * size < values.shape[1]:
        logs += values[:, GROUP * size :].log().sum(1, keepdim=True)
    return logs
