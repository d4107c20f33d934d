"""GloVe: logarithms of co-occurrences by weighted least squares, with its gradient in closed form."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embloom.assembly.parameters import numbers
from embloom.encoders.sorting import sorting_order
from embloom.losses.products import products
from embloom.threads import in_parts

SLICE = 1 << 18  # pairs that a thread does at a time


class GloVe(nn.Module):
    """Weighted least squares between scores of pairs of words and the logarithm of how often they stand together.

    For each pair of a word i and a context word j that counts x, `f(x) (w_i.c_j + b_i + d_j - log x)^2` with
    `f(x) = min(1, (x / x_max)^alpha)` (Pennington et al. 2014, equations 8 and 9); the mean over the pairs.

    The whole tables come in, and only the rows of the batch are read; the gradient of a table names these rows only,
    with their sums. Pairs that come in the order of words or of context words need not be sorted.

    Args:
        x_max: pairs that count so much, or more, weigh 1.
        alpha: the power of what a pair counts below that.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> table, bias = torch.zeros(5, 3), torch.zeros(5, 1)  # a vocabulary of five
        >>> token, context, count = torch.tensor([0, 3]), torch.tensor([2, 4]), torch.tensor([10.0, 1.0])
        >>> loss = GloVe(x_max=10.0)(table, table, bias, bias, token, context, count)
        >>> round(loss.item(), 4)  # (1 (log 10)^2 + 10^-0.75 (log 1)^2) / 2
        2.6509
    """

    def __init__(self, x_max: float = 10.0, alpha: float = 0.75) -> None:
        super().__init__()
        numbers(above=0, x_max=x_max)
        numbers(at_least=0, alpha=alpha)
        self.x_max, self.alpha = x_max, alpha

    def forward(
        self,
        word: Tensor,
        context: Tensor,
        word_bias: Tensor,
        context_bias: Tensor,
        token: Tensor,
        context_token: Tensor,
        count: Tensor,
    ) -> Tensor:
        """The mean over the pairs of a batch.

        Args:
            word: (V, D) vectors of all words.
            context: (V, D) their vectors as context words.
            word_bias: (V, 1).
            context_bias: (V, 1).
            token: (B,) the words of the pairs.
            context_token: (B,) their context words.
            count: (B,) how often they stand together, above 0.

        Returns:
            A scalar.
        """
        target = count.to(word.dtype).log()
        weight = (count.to(word.dtype) / self.x_max).clamp_(max=1).pow_(self.alpha).div_(max(1, len(count)))
        loss: Tensor = PairLoss.apply(word, context, word_bias, context_bias, token, context_token, target, weight)
        return loss


class PairLoss(torch.autograd.Function):
    """The sum of `weight (w_i.c_j + b_i + d_j - target)^2`.

    With g = 2 weight times the difference, the gradient by w_i is the sum of g c_j over the pairs of i, that by b_i
    the sum of g; by c_j and d_j alike.
    """

    @staticmethod
    def forward(
        ctx: Any,
        word: Tensor,
        context: Tensor,
        word_bias: Tensor,
        context_bias: Tensor,
        token: Tensor,
        context_token: Tensor,
        target: Tensor,
        weight: Tensor,
    ) -> Tensor:
        """See `GloVe.forward`."""
        wanted = any(ctx.needs_input_grad)
        size = len(token)
        # An even number: where pairs come both ways round, one half after the other, each slice is in some order.
        count = 2 * max(1, round(size / 2 / SLICE))
        cuts = [size * part // count for part in range(count + 1)]

        def part(first: int, last: int) -> list[tuple[Tensor, list[Tensor]]]:
            found = []
            for number in range(first, last):
                some = slice(cuts[number], cuts[number + 1])
                by_word, by_context = Rows.of(token[some]), Rows.of(context_token[some])
                difference = scores(word, context, by_word, context_token[some])
                difference += word_bias[token[some], 0] + context_bias[context_token[some], 0] - target[some]
                error = weight[some] * difference
                value = (error.double() @ difference.double()).to(word.dtype)
                error *= 2
                found.append((value, [
                    *by_word.sums(context, context_token[some], error),
                    *by_context.sums(word, token[some], error),
                ] if wanted else []))  # fmt: skip
            return found

        parts = in_parts(count, 1, part) if word.device.type == "cpu" else [part(0, count)]
        slices = [one for some in parts for one in some]
        if wanted:
            ctx.save_for_backward(*(torch.cat(columns) for columns in zip(*(sums for _, sums in slices), strict=True)))
        ctx.shapes = [table.shape for table in (word, context, word_bias, context_bias)]
        return torch.stack([value for value, _ in slices]).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Closed form, times `grad_output`."""
        words, by_word, by_word_bias, contexts, by_context, by_context_bias = ctx.saved_tensors
        found = []
        for rows, values, shape in zip(
            (words, contexts, words, contexts), (by_word, by_context, by_word_bias, by_context_bias), ctx.shapes,
            strict=True,
        ):  # fmt: skip
            if grad_output.device.type != "cpu" or grad_output != 1:
                values = values * grad_output
            found.append(torch.sparse_coo_tensor(rows[None], values, shape, check_invariants=False))
        return *found, None, None, None, None


class Rows(NamedTuple):
    """Pairs by one of their words.

    Attributes:
        order: (B,) which pair comes at which place once they are in the order of that word; None where they are.
        numbers: (R,) the words, each once, ascending.
        begins: (R,) where the pairs of each begin.
    """

    order: Tensor | None
    numbers: Tensor
    begins: Tensor

    @classmethod
    def of(cls, words: Tensor) -> Rows:
        """Of the words of pairs (B,)."""
        order = None
        if bool((words[1:] < words[:-1]).any()):
            if words.device.type == "cpu":
                order = torch.from_numpy(sorting_order(words.numpy()))
            else:
                order = words.argsort(stable=True)
            words = words[order]
        numbers, counts = words.unique_consecutive(return_counts=True)
        return cls(order, numbers, counts.cumsum(0) - counts)

    def sums(self, table: Tensor, other: Tensor, factor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """For each word the sum over its pairs of `factor` (B,) times the row of the table that `other` (B,) says:
        the words (R,), the sums (R, D), and those of the factors alone (R, 1)."""
        if self.order is not None:
            other, factor = other[self.order], factor[self.order]
        kind = torch.int32 if len(table) < 2**31 else torch.int64
        rows = torch.embedding_bag(
            table, other.to(kind), self.begins.to(kind), mode=0, per_sample_weights=factor
        )[0]  # fmt: skip
        ends = torch.cat([self.begins, self.begins.new_tensor([len(factor)])])
        return self.numbers, rows, torch.segment_reduce(factor, "sum", offsets=ends)[:, None]


def scores(word: Tensor, context: Tensor, by_word: Rows, other: Tensor) -> Tensor:
    """Products of the rows of pairs (B,)."""
    if by_word.order is not None:
        other = other[by_word.order]
    ends = torch.cat([by_word.begins, by_word.begins.new_tensor([len(other)])])
    found = products(word[by_word.numbers], context, other, ends)
    return found if by_word.order is None else torch.empty_like(found).scatter_(0, by_word.order, found)
