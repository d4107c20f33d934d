"""The softmax of what people had against all other items, or a sample of them, with its gradient in closed form."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from embloom.assembly.parameters import choices, numbers
from embloom.encoders.lookup import fast_dtype
from embloom.threads import in_parts

DTYPES = {"auto": None, "float32": torch.float32, "bfloat16": torch.bfloat16}
SCORES = 1 << 22  # at a time: they stay in the processor's cache
MOST_ROWS = 64  # at a time
LEAST_ROWS = 16  # for a thread of its own
LOWEST = 1e30
LARGEST = 60.0  # a bound on scores below which no exponential vanishes


class ItemSoftmax(nn.Module):
    """Cross-entropy of each item that somebody had against items that they did not have.

    For a person's vector u and an item i they had, `-log(e^(u.i/t) / (e^(u.i/t) + sum over n of e^(u.n/t)))`, where n
    goes over the noise items that they did not have: all of them (the multinomial likelihood of Liang et al. 2018, and
    the softmax loss whose temperature Wu et al. 2022 study), or a sample, each corrected by how often it is drawn (Jean
    et al. 2015, equation 8). The sum is the same for all items of a person, so it is made once for all of them.

    Args:
        temperature: t; with vectors of length 1 it says how hard negatives count.
        dtype: of the scores of noise: `float32`, `bfloat16`, or `auto`, which is bfloat16 where the device multiplies
            that natively. Sums, positive scores and the loss are float32.

    Raises:
        ValueError: an option is unknown or out of range.

    Example:
        >>> user, items = torch.zeros(1, 2), torch.zeros(4, 2)  # one person, four items, of which they had the first
        >>> own = torch.tensor([0])
        >>> round(ItemSoftmax()(user, user, items[:1], own, items, own, own).item(), 4)  # one of four: log 4
        1.3863
    """

    def __init__(self, temperature: float = 0.1, dtype: str = "auto") -> None:
        super().__init__()
        numbers(above=0, temperature=temperature)
        choices(DTYPES, dtype=dtype)
        self.temperature, self.dtype = temperature, dtype

    def forward(
        self,
        user_vector: Tensor,
        pair_vector: Tensor,
        item_vector: Tensor,
        owner: Tensor,
        noise_vector: Tensor,
        clash_row: Tensor,
        clash_column: Tensor,
        log_noise: Tensor | None = None,
    ) -> Tensor:
        """The mean over what people had.

        Args:
            user_vector: (U, D), people, as noise is scored for them.
            pair_vector: (P, D), people, as what they had is scored for them.
            item_vector: (P, D), what they had.
            owner: (P,) which of the U had it.
            noise_vector: (K, D).
            clash_row: (Q,) ascending, and
            clash_column: (Q,): the person of that row had that noise item.
            log_noise: (K,) logarithm of how many times a noise item is expected in the sample; None where they are all.

        Returns:
            A scalar.
        """
        people = user_vector / self.temperature
        positive = (pair_vector * item_vector).sum(1) / self.temperature
        wanted = DTYPES[self.dtype] or fast_dtype(people.device)
        dtype = people.dtype if people.dtype == torch.float64 else wanted
        total: Tensor = NoiseSoftmax.apply(
            people, noise_vector, positive, owner, clash_row, clash_column, log_noise, dtype
        )
        return total / max(1, len(owner))


class NoiseSoftmax(torch.autograd.Function):
    """The sum over positives p of `softplus(log sum over n of e^(u.n) - p)`.

    With c a person's sum of sigmoid(log sum - p) and q the softmax over their noise, the gradient by a score of noise
    is c q, by a positive score -sigmoid(log sum - p).
    """

    @staticmethod
    def forward(
        ctx: Any,
        people: Tensor,
        noise: Tensor,
        positive: Tensor,
        owner: Tensor,
        clash_row: Tensor,
        clash_column: Tensor,
        log_noise: Tensor | None,
        dtype: torch.dtype,
    ) -> Tensor:
        """See `ItemSoftmax.forward`; `people` are divided by the temperature, `positive` (P,) are scores."""
        rows, columns = people.to(dtype), noise.to(dtype)
        by_people = torch.empty_like(people)
        by_positive = torch.empty_like(positive)
        bound = people.norm(dim=1) * noise.norm(dim=1).max()
        if log_noise is not None:
            bound = bound + (-log_noise).max().clamp(min=0)
        # Which positives are whose: they need not be in order.
        order = owner.argsort(stable=True)
        edges = torch.arange(len(people) + 1, device=people.device)
        begins, clashes = (torch.searchsorted(r.contiguous(), edges).tolist() for r in (owner[order], clash_row))
        size = max(1, min(MOST_ROWS, SCORES // len(noise))) if people.device.type == "cpu" else len(people)

        def part(first: int, last: int) -> tuple[Tensor, Tensor]:
            loss, by_noise = positive.new_zeros(()), torch.zeros_like(noise)
            for start in range(first, last, size):
                end = min(start + size, last)
                mine, own = order[begins[start] : begins[end]], slice(clashes[start], clashes[end])
                scores = torch.mm(rows[start:end], columns.T)
                if log_noise is not None:
                    scores -= log_noise.to(dtype)
                value, by_positive[mine] = into_gradient(
                    scores,
                    (clash_row[own] - start, clash_column[own]),
                    positive[mine],
                    owner[mine] - start,
                    bound[start:end],
                )
                loss += value
                by_people[start:end] = torch.mm(scores, columns)
                by_noise += torch.mm(scores.T, rows[start:end])
            return loss, by_noise

        with torch.autocast(people.device.type, enabled=False):
            least = LEAST_ROWS if people.device.type == "cpu" else len(people)
            parts = in_parts(len(people), least, part)
        ctx.save_for_backward(by_people, torch.stack([noise for _, noise in parts]).sum(0), by_positive)
        return torch.stack([loss for loss, _ in parts]).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        """Closed form, times `grad_output`."""
        by_people, by_noise, by_positive = ctx.saved_tensors
        return (by_people * grad_output, by_noise * grad_output, by_positive * grad_output, *[None] * 5)


def into_gradient(
    scores: Tensor, own: tuple[Tensor, Tensor], positive: Tensor, owner: Tensor, bound: Tensor
) -> tuple[Tensor, Tensor]:
    """Turns scores of noise into the gradient by them, in place.

    Args:
        scores: (B, K) of people and noise items.
        own: rows and columns of what they had, which is no noise.
        positive: (P,) scores of what they had.
        owner: (P,) whose.
        bound: (B,) no score is larger.

    Returns:
        The sum of the losses, and the gradient by `positive`.
    """
    scores[own] = -torch.inf
    # Exponentials are taken below the bound; far below it they would all vanish.
    near = float(bound.max()) < LARGEST
    shift = bound[:, None] if near else scores.amax(1, keepdim=True).to(bound.dtype).clamp(min=-LOWEST)
    scores.sub_(shift.to(scores.dtype)).exp_()
    exact = torch.promote_types(scores.dtype, torch.float32)
    total = scores.sum(1, dtype=exact)
    # Somebody who had all of the noise has nothing to be told from.
    distance = (total.log() + shift[:, 0].to(exact))[owner] - positive
    share = distance.sigmoid()
    weight = torch.zeros_like(total).index_add_(0, owner, share)
    scores.mul_((weight / total.clamp(min=torch.finfo(exact).tiny))[:, None].to(scores.dtype))
    return F.softplus(distance).sum(), -share
