"""The item softmax against a plain double loop, and its gradient."""

from __future__ import annotations

import math

import pytest
import torch

from embloom.losses.item_softmax import ItemSoftmax

PEOPLE, ITEMS, WIDTH = 5, 7, 3


def case(dtype: torch.dtype = torch.float64, length: float = 1.0) -> dict[str, torch.Tensor]:
    """People with one to four items each, all items as noise; the positives are not in order."""
    draw = torch.Generator().manual_seed(3)
    user = torch.randn(PEOPLE, WIDTH, generator=draw, dtype=dtype) * length
    items = torch.randn(ITEMS, WIDTH, generator=draw, dtype=dtype)
    had = [[0, 3], [1], [2, 4, 5], [6, 0, 1, 2], [5]]
    owner = torch.tensor([row for row, own in enumerate(had) for _ in own])
    item = torch.tensor([one for own in had for one in own])
    mixed = torch.randperm(len(owner), generator=draw)
    return {"user": user, "items": items, "owner": owner[mixed], "item": item[mixed], "row": owner, "column": item}


def pairs_of(c: dict[str, torch.Tensor]) -> torch.Tensor:
    """The person of each pair, the same to all their items or not."""
    return c["pair"] if "pair" in c else c["user"][c["owner"]]


def value(loss: ItemSoftmax, c: dict[str, torch.Tensor], log_noise: torch.Tensor | None = None) -> torch.Tensor:
    """The loss of a case."""
    result: torch.Tensor = loss(
        c["user"], pairs_of(c), c["items"][c["item"]], c["owner"], c["items"], c["row"], c["column"], log_noise
    )
    return result


def by_hand(c: dict[str, torch.Tensor], temperature: float, log_noise: torch.Tensor | None = None) -> float:
    """A loop over people, what they had, and what they had not."""
    own = set(zip(c["row"].tolist(), c["column"].tolist(), strict=True))
    total = 0.0
    for pair, (person, item) in enumerate(zip(c["owner"].tolist(), c["item"].tolist(), strict=True)):
        positive = float(pairs_of(c)[pair] @ c["items"][item]) / temperature
        score = [float(c["user"][person] @ c["items"][n]) / temperature for n in range(ITEMS)]
        noise = [math.exp(score[n] - (0 if log_noise is None else float(log_noise[n])))
                 for n in range(ITEMS) if (person, n) not in own]  # fmt: skip
        total -= positive - math.log(math.exp(positive) + sum(noise))
    return total / len(c["owner"])


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_it_is_the_plain_loop(temperature: float) -> None:
    """With and without the correction for how often noise comes."""
    c = case()
    assert value(ItemSoftmax(temperature), c).item() == pytest.approx(by_hand(c, temperature), rel=1e-9)
    log_noise = torch.linspace(-2, 1, ITEMS, dtype=torch.float64)
    found = value(ItemSoftmax(temperature), c, log_noise).item()
    assert found == pytest.approx(by_hand(c, temperature, log_noise), rel=1e-9)


def test_a_person_may_be_another_to_each_item() -> None:
    """What they had is scored for the one, noise for the other; gradients reach both."""
    c = case()
    c["pair"] = torch.randn(len(c["owner"]), WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert value(ItemSoftmax(0.7), c).item() == pytest.approx(by_hand(c, 0.7), rel=1e-9)
    user, pair = c["user"].requires_grad_(), c["pair"].requires_grad_()
    assert torch.autograd.gradcheck(lambda u, p: value(ItemSoftmax(0.7), {**c, "user": u, "pair": p}), (user, pair))


def test_its_gradient() -> None:
    """By every vector, against finite differences."""
    c = case()
    user, items = c["user"].requires_grad_(), c["items"].requires_grad_()
    loss = ItemSoftmax(0.5)
    assert torch.autograd.gradcheck(lambda u, i: 3 * value(loss, {**c, "user": u, "items": i}), (user, items))


def test_long_vectors_do_not_overflow() -> None:
    """Scores in the thousands, all far below the product of the lengths."""
    c = case(length=2000.0)
    found = value(ItemSoftmax(1.0), c)
    scores = c["user"] @ c["items"].T
    masked = scores.clone()
    masked[c["row"], c["column"]] = -torch.inf
    distance = masked.logsumexp(1)[c["owner"]] - scores[c["owner"], c["item"]]
    assert found.item() == pytest.approx(torch.nn.functional.softplus(distance).mean().item(), rel=1e-9)


def test_bfloat16_is_near() -> None:
    """Only the scores of noise are short."""
    c = case(torch.float32)
    exact, short = (value(ItemSoftmax(0.5, dtype), c).item() for dtype in ("float32", "bfloat16"))
    assert short == pytest.approx(exact, rel=2e-2)
    assert short != exact


def test_somebody_who_had_everything() -> None:
    """Has nothing to be told from: a loss of 0, and no gradient that is NaN."""
    user, items = torch.randn(1, WIDTH, requires_grad=True), torch.randn(3, WIDTH, requires_grad=True)
    own, zero = torch.arange(3), torch.zeros(3, dtype=torch.int64)
    loss = ItemSoftmax()(user, user[zero], items[own], zero, items, zero, own)
    loss.backward()
    assert loss.item() == 0
    assert user.grad is not None
    assert not user.grad.any()
