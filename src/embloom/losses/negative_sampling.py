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

    def forward(self, center: Tensor, context: Tensor, positives: Tensor) -> Tensor:
        """The loss of the pairs that `positives` weighs.

        Args:
            center: (B, L, D) input vectors.
            context: (B, C + K, D) output vectors: of the C words around the centres, then of K noise words, which
                all centres of a block share.
            positives: (B, L, C), how much each pair counts: 0 or 1, or what is between.

        Returns:
            A scalar, float32 or float64 as the vectors are; 0 where there is no pair.
        """
        dtype = center.dtype
        if dtype != torch.float64:
            dtype = MATMUL[self.matmul] or fast_dtype(center.device)
        weight = self.negative / (context.shape[1] - positives.shape[2])
        loss: Tensor = BlockLoss.apply(center, context, positives, weight, self.reduction == "mean", dtype)
        return loss


def fast_dtype(device: torch.device) -> torch.dtype:
    """The numbers that the device multiplies fastest with sums in float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float32
    native = device.type == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


class BlockLoss(torch.autograd.Function):
    """The loss of `NegativeSampling`.

    With s the scores, p = sigmoid(s), M the weights of positives, m their row sums and w = negative / K, the
    gradient by the scores is G = [(p - 1) M | w m p], by the centres G context, and by the context G' centres.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        center: Tensor,
        context: Tensor,
        positives: Tensor,
        weight: float,
        mean: bool,
        dtype: torch.dtype,
    ) -> Tensor:
        """See `NegativeSampling.forward`; `weight` is that of one noise word per positive pair."""
        exact = torch.promote_types(center.dtype, torch.float32)
        mask = positives.to(exact)
        pairs = mask.sum(2, keepdim=True)
        if mean:
            scale = pairs.sum().clamp_(min=1).reciprocal_()
            mask, pairs = mask * scale, pairs * scale
        noise = pairs * weight
        with torch.autocast(center.device.type, enabled=False):
            rows, columns = center.to(dtype), context.to(dtype)
            scores = torch.bmm(rows, columns.transpose(1, 2)).to(exact)
        # From here on in place: the scores become the gradients by them.
        error = scores.clamp_(-LARGEST_SCORE, LARGEST_SCORE).sigmoid_()
        true, false = error.tensor_split([mask.shape[2]], 2)
        value = -(true.log() * mask).sum() - (sum_of_logs(1 - false) * noise).sum()
        true.sub_(1).mul_(mask)
        false.mul_(noise)
        ctx.save_for_backward(rows, columns, error.to(dtype))  # type: ignore[attr-defined]
        ctx.given = center.dtype  # type: ignore[attr-defined]
        return value

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Closed form, times `grad_output`."""
        rows, columns, error = ctx.saved_tensors
        with torch.autocast(rows.device.type, enabled=False):
            error = error * grad_output.to(error.dtype)
            by_center = torch.bmm(error, columns).to(ctx.given)
            by_context = torch.bmm(error.transpose(1, 2), rows).to(ctx.given)
        return by_center, by_context, None, None, None, None


def sum_of_logs(values: Tensor) -> Tensor:
    """(B, L, K) in (0, 1] -> (B, L, 1): the logarithm of products of `GROUP` values, since a logarithm costs more
    than everything around it."""
    size = values.shape[2] // GROUP
    product = values[:, :, :size]
    for part in range(1, GROUP):
        product = product * values[:, :, part * size : (part + 1) * size]
    logs = product.log().sum(2, keepdim=True)
    if GROUP * size < values.shape[2]:
        logs += values[:, :, GROUP * size :].log().sum(2, keepdim=True)
    return logs
