"""Skip-gram with negative sampling, for whole blocks of text at once and with its gradient in closed form."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embloom.assembly.parameters import choices, numbers, positive_integers
from embloom.losses.products import products
from embloom.threads import in_parts

LARGEST_SCORE = 15.0  # beyond it the probability is 0 or 1 in float32
GROUP = 4  # probabilities whose product cannot underflow: exp(-15 * 4) > 1e-38
LEAST_BLOCKS = 16  # for a thread of its own
REDUCTIONS = ("mean", "sum")
NARROW = 3  # a block of so many windows has pairs enough that are none


class NegativeSampling(nn.Module):
    """Logistic loss that tells the words around a word from words drawn at random.

    For each positive pair of a centre c and a context x, with noise words n,
    `-log sigmoid(c.x) - negative * mean over n of log sigmoid(-c.n)` (Mikolov et al. 2013, equation 4). The
    noise words are shared by all centres of a block, so that matrix products do nearly all the work. Vectors in
    bfloat16 are multiplied as they are; the sums, the loss and all between scores and their gradient are float32.

    Args:
        negative: noise words that a positive pair weighs as much as.
        reduction: `mean` over the positive pairs, or their `sum`, which word2vec's own learning rates are for.
        window: `positives` is 0 further than this from its diagonal, as the dataset says. On a CPU those pairs are
            left out, where the window is narrow. None: anything may be a pair.

    Raises:
        ValueError: an option is unknown or out of range.

    Example:
        >>> center, context = torch.zeros(1, 2, 3), torch.zeros(1, 2 + 4, 3)  # a block of two words, four noise words
        >>> positives = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
        >>> round(NegativeSampling(negative=5)(center, context, positives).item(), 4)  # (1 + 5) log 2
        4.1589
    """

    def __init__(self, negative: float = 5.0, reduction: str = "mean", window: int | None = None) -> None:
        super().__init__()
        numbers(above=0, negative=negative)
        choices(REDUCTIONS, reduction=reduction)
        positive_integers(**({} if window is None else {"window": window}))
        self.negative, self.reduction, self.window = negative, reduction, window

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
        window = self.window if narrow(self.window, center, context, positives) else None
        loss: Tensor = BlockLoss.apply(center, context, positives, weight, self.reduction == "mean", window)
        return loss


def narrow(window: int | None, center: Tensor, context: Tensor, positives: Tensor) -> bool:
    """Whether it pays to look only at the pairs that the window reaches: out of `positives` (B, C, L), on a CPU.

    With short floats there must be as many noise words; see `diagonal_pairs`.
    """
    _, rows, columns = positives.shape
    if window is None or center.device.type != "cpu":
        return False
    if center.dtype not in (torch.float32, torch.float64) and context.shape[1] - rows < window:
        return False
    return rows == columns and rows >= NARROW * (2 * window + 1)


class BlockLoss(torch.autograd.Function):
    """The loss of `NegativeSampling`.

    With s the scores, p = sigmoid(s), M the weights of positives, m their sums by centre and w = negative / K, the
    gradient by the scores is G = [(p - 1) M; w m p], by the centres G' context, and by the context G centres.
    """

    @staticmethod
    def forward(
        ctx: Any, center: Tensor, context: Tensor, positives: Tensor, weight: float, mean: bool, window: int | None
    ) -> Tensor:
        """See `NegativeSampling.forward`; `weight` is that of one noise word per positive pair, and `window` how far
        pairs reach, None for anywhere."""
        exact = torch.promote_types(center.dtype, torch.float32)
        # Even for no gradient at all the loss is wanted; the gradients only where somebody asks.
        wanted = any(ctx.needs_input_grad)
        by_center, by_context = (torch.empty_like(x) if wanted else None for x in (center, context))
        mask = positives.to(exact)
        # Where bfloat16 is multiplied, a product of all takes less time than gathering.
        near = near_pairs if center.dtype == exact else diagonal_pairs
        pairs = all_pairs if window is None else near
        scale = mask.sum().clamp_(min=1).reciprocal_() if mean else mask.new_ones(())

        def part(first: int, last: int) -> Tensor:
            some = slice(first, last)
            out = (by_center[some], by_context[some]) if by_center is not None and by_context is not None else None
            weights = mask[some] if window is None else near_weights(mask[some], window)
            with torch.autocast(center.device.type, enabled=False):
                return pairs(center[some], context[some], weights * scale, weight, out)

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
        return by_center, by_context, None, None, None, None


def all_pairs(rows: Tensor, columns: Tensor, mask: Tensor, weight: float, out: tuple[Tensor, Tensor] | None) -> Tensor:
    """Centres (B, L, D), context (B, C + K, D), weights of pairs (B, C, L) -> the sum of losses; the gradients by
    centres and context go to `out`."""
    noise = mask.sum(1, keepdim=True).mul_(weight)
    scores = torch.bmm(columns, rows.transpose(1, 2)).to(mask.dtype)
    # From here on in place: scores, then probabilities, then gradients.
    error = scores.clamp_(-LARGEST_SCORE, LARGEST_SCORE).sigmoid_()
    true, false = error.tensor_split([mask.shape[1]], 1)
    value = -(true.log().mul_(mask).sum() + sum_of_logs(1 - false).mul_(noise).sum())
    if out:
        true.sub_(1).mul_(mask)
        false.mul_(noise)
        error = error.to(rows.dtype)
        torch.bmm(error.transpose(1, 2), columns, out=out[0])
        torch.bmm(error, rows, out=out[1])
    return value


def diagonal_pairs(
    rows: Tensor, columns: Tensor, mask: Tensor, weight: float, out: tuple[Tensor, Tensor] | None
) -> Tensor:
    """As `all_pairs` of short floats, of weights (B, L, W) of the pairs that `near_weights` finds: products are of all
    pairs, and only what is on the diagonals of the window goes through the logistic function.

    In memory the diagonals of a block are rows of a tensor. What reaches over an edge lies among the scores of noise
    words, at least `window` of them, or before the first block: it is read with a weight of 0, and overwritten.
    """
    (count, words, width), size = mask.shape, columns.shape[1]
    room = rows.new_empty(width // 2 * words + count * size * words)
    before, scores = room.tensor_split([width // 2 * words])
    before.zero_()
    scores = scores.view(count, size, words)
    torch.bmm(columns, rows.transpose(1, 2), out=scores)
    diagonals, drawn = room.as_strided(mask.shape, (size * words, words + 1, words)), scores[:, words:]
    noise = mask.sum(2).mul_(weight)[:, None]
    # From here on in place: scores, then probabilities, then gradients.
    true, false = (some.to(mask.dtype).clamp_(-LARGEST_SCORE, LARGEST_SCORE).sigmoid_() for some in (diagonals, drawn))
    value = -(true.log().mul_(mask).sum() + sum_of_logs(1 - false).mul_(noise).sum())
    if out:
        scores[:, :words] = 0
        diagonals.copy_(true.sub_(1).mul_(mask))
        drawn.copy_(false.mul_(noise))
        torch.bmm(scores.transpose(1, 2), columns, out=out[0])
        torch.bmm(scores, rows, out=out[1])
    return value


class Band(NamedTuple):
    """Where the pairs of some blocks of L words are that stand near each other: W = 2 window + 1 for each word.

    Attributes:
        centers: (B L W,) the second word of each, among the centres of all blocks.
        contexts: (B L W,) the same, among their context words, where noise words follow those of each block.
        begins: (B L + 1,) where the pairs of each word begin, and the end.
    """

    centers: Tensor
    contexts: Tensor
    begins: Tensor

    @staticmethod
    @lru_cache
    def of(window: int, blocks: int, words: int, noise: int) -> Band:
        """Of so many blocks of so many words and noise words."""
        near, block = neighbors(window, words)[0], torch.arange(blocks)[:, None, None]
        width = near.shape[1]
        centers, contexts = ((block * size + near).flatten() for size in (words, words + noise))
        return Band(centers, contexts, torch.arange(0, blocks * words * width + 1, width))


@lru_cache
def neighbors(window: int, words: int) -> tuple[Tensor, Tensor]:
    """(L, W) the words that a window around each of L words reaches, and 0 where it reaches over an edge, else 1."""
    there = torch.arange(words)[:, None] + torch.arange(-window, window + 1)
    return there.clamp(0, words - 1), ((there >= 0) & (there < words)).float()


def near_weights(positives: Tensor, window: int) -> Tensor:
    """(B, C, L) -> (B, L, W): by centre, of the context words that the window reaches."""
    there, inside = neighbors(window, positives.shape[2])
    places = there * len(there) + torch.arange(len(there))[:, None]
    return positives.flatten(1).index_select(1, places.flatten()).view(-1, *there.shape).mul_(inside)


def near_pairs(rows: Tensor, columns: Tensor, mask: Tensor, weight: float, out: tuple[Tensor, Tensor] | None) -> Tensor:
    """As `all_pairs`, of weights (B, L, W) of the pairs that `near_weights` finds.

    They are so few of a matrix product that their rows are gathered for each; of the noise all are pairs.
    """
    count, words, width = mask.shape
    drawn = columns[:, words:]
    window = width // 2
    band = Band.of(window, count, words, drawn.shape[1])
    noise = mask.sum(2).mul_(weight)[:, None]
    true = products(rows.flatten(0, 1), columns.flatten(0, 1), band.contexts, band.begins).view_as(mask)
    false = torch.bmm(drawn, rows.transpose(1, 2))
    # From here on in place: scores, then probabilities, then gradients.
    true.clamp_(-LARGEST_SCORE, LARGEST_SCORE).sigmoid_()
    false.clamp_(-LARGEST_SCORE, LARGEST_SCORE).sigmoid_()
    value = -(true.log().mul_(mask).sum() + sum_of_logs(1 - false).mul_(noise).sum())
    if out:
        false.mul_(noise)
        # Nothing stands around an edge.
        error = rows.new_zeros(count, words + 2 * window, width)
        torch.mul(true.sub_(1), mask, out=true)
        error[:, window : window + words] = true
        near = weighted_sums(columns, band.contexts, band.begins, error[:, window : window + words])
        torch.baddbmm(near.view_as(rows), false.transpose(1, 2), drawn, out=out[0])
        # By context word: of the word d further on the pair that lies d back.
        by_context = error.as_strided(mask.shape, (error.stride(0), width, width - 1), width - 1)
        out[1][:, :words] = weighted_sums(rows, band.centers, band.begins, by_context).view_as(rows)
        torch.bmm(false, rows, out=out[1][:, words:])
    return value


def weighted_sums(table: Tensor, places: Tensor, begins: Tensor, weight: Tensor) -> Tensor:
    """The weighted sums (N, D) of the rows of blocks (B, R, D) that `places` names, for each from `begins` on."""
    return torch.embedding_bag(
        table.flatten(0, 1), places, begins, mode=0, per_sample_weights=weight.flatten(), include_last_offset=True
    )[0]


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
