"""Skip-gram with negative sampling, for whole blocks of text at once and with its gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

LARGEST_SCORE = 15.0  # beyond it the probability is 0 or 1 in float32
GROUP = 4  # probabilities whose product cannot underflow: exp(-15 * 4) > 1e-38
MATMUL = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16}
REDUCTIONS = ("mean", "sum")


class NegativeSampling(nn.Module):
    """Logistic loss that tells the words around a word from words drawn at random.

    For each positive pair of a centre c and a context x, with noise words n,
    `-log sigmoid(c.x) - negative * mean over n of log sigmoid(-c.n)` (Mikolov et al. 2013, equation 4). The
    noise words are shared by all centres of a block, so that matrix products do nearly all the work.

    Args:
        negative: noise words that a positive pair weighs as much as.
        reduction: `mean` over the positive pairs, or their `sum`, which word2vec's own learning rates are for.
        matmul: numbers that the matrix products multiply: `float32`, `bfloat16` (sums stay float32), or `auto`,
            which is bfloat16 where the processor multiplies that natively.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    def __init__(self, negative: float = 5.0, reduction: str = "mean", matmul: str = "auto") -> None:
        super().__init__()
        if negative <= 0:
            raise ValueError(f"negative={negative}: it must be above 0")
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction={reduction}: it must be {' or '.join(REDUCTIONS)}")
        if matmul not in MATMUL:
            raise ValueError(f"matmul={matmul}: it must be one of {', '.join(MATMUL)}")
        self.negative, self.reduction, self.matmul = negative, reduction, matmul

    def forward(self, center: Tensor, context: Tensor, negative: Tensor, positives: Tensor) -> Tensor:
        """The loss of the pairs that `positives` marks.

        Args:
            center: (B, L, D) input vectors.
            context: (B, C, D) output vectors of the words around them.
            negative: (B, K, D) output vectors of noise words, for all centres of a block.
            positives: (B, L, C) bool, which pairs stood together.

        Returns:
            A scalar, float32 or float64 as the vectors are; 0 where there is no pair.
        """
        dtype = center.dtype
        if dtype != torch.float64:
            dtype = MATMUL[self.matmul] or fast_dtype(center.device)
        loss: Tensor = BlockLoss.apply(
            center, context, negative, positives, self.negative / negative.shape[1], self.reduction == "mean", dtype
        )
        return loss


def fast_dtype(device: torch.device) -> torch.dtype:
    """The numbers that the device multiplies fastest with sums in float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    native = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


class BlockLoss(torch.autograd.Function):
    """The loss of `NegativeSampling`.

    With s the scores, p = sigmoid(s), M the mask of positives, m its row sums and w = negative / K, the gradient
    by the scores is G = [(p - 1) M | w m p], by the centres G [context; noise], and by those G' centres.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        center: Tensor,
        context: Tensor,
        negative: Tensor,
        positives: Tensor,
        weight: float,
        mean: bool,
        dtype: torch.dtype,
    ) -> Tensor:
        """See `NegativeSampling.forward`; `weight` is that of one noise word per positive pair."""
        words = context.shape[1]
        exact = torch.promote_types(center.dtype, torch.float32)
        with torch.autocast(center.device.type, enabled=False):
            rows = center.to(dtype)
            columns = torch.empty(*context.shape[:1], words + negative.shape[1], context.shape[2], dtype=dtype, device=context.device)
            columns[:, :words] = context
            columns[:, words:] = negative
            scores = torch.bmm(rows, columns.transpose(1, 2)).to(exact)
            # From here on in place: the scores become the errors p - 1 of positives and p of noise words.
            error = scores.clamp_(-LARGEST_SCORE, LARGEST_SCORE).sigmoid_()
            mask = positives.to(exact)
            pairs = mask.sum(2, keepdim=True)
            error[:, :, :words].sub_(1).mul_(mask)
            value = -sum_of_logs(1 + error[:, :, :words]) - weight * sum_of_logs(1 - error[:, :, words:], pairs)
            scale = pairs.sum().clamp_(min=1).reciprocal_() if mean else torch.ones((), dtype=exact, device=pairs.device)
            error[:, :, words:].mul_(pairs * weight)
            ctx.save_for_backward(rows, columns, error.to(dtype), scale)  # type: ignore[attr-defined]
        ctx.words, ctx.exact = words, center.dtype  # type: ignore[attr-defined]
        return value * scale

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Closed form, times `grad_output`."""
        rows, columns, error, scale = ctx.saved_tensors
        factor = (grad_output * scale).to(ctx.exact)
        with torch.autocast(rows.device.type, enabled=False):
            by_center = torch.bmm(error, columns).to(ctx.exact).mul_(factor)
            by_columns = torch.bmm(error.transpose(1, 2), rows).to(ctx.exact).mul_(factor)
        by_context, by_negative = by_columns[:, : ctx.words], by_columns[:, ctx.words :]
        return by_center, by_context, by_negative, None, None, None, None


def sum_of_logs(values: Tensor, weight: Tensor | None = None) -> Tensor:
    """Sum of weight * log(values) for values (B, L, C) in (0, 1] and weight (B, L, 1): the logarithm of products
    of `GROUP` values, since logarithms cost more than everything around them."""
    size = values.shape[2] // GROUP * GROUP
    grouped = values[:, :, :size].unflatten(2, (GROUP, -1))
    logs = grouped.prod(2).log_().sum(2, keepdim=True)
    if size < values.shape[2]:
        logs += values[:, :, size:].log().sum(2, keepdim=True)
    return logs.sum() if weight is None else (logs * weight).sum()
