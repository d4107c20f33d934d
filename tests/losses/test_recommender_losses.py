"""BPR and the cosine contrastive loss against plain double loops, and their gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from embloom.losses.bpr import BPR
from embloom.losses.cosine_contrastive import CosineContrastive

HAD = [[0, 3], [1], [2, 4, 5], [0, 1, 2]]
NOISE = 7


def case() -> dict[str, Tensor]:
    """Four people, what they had, and noise of which some is theirs."""
    draw = torch.Generator().manual_seed(5)
    user, items = (torch.randn(n, 3, generator=draw, dtype=torch.float64) for n in (len(HAD), NOISE))
    owner = torch.tensor([row for row, own in enumerate(HAD) for _ in own])
    item = torch.tensor([one for own in HAD for one in own])
    return {"user": user, "items": items, "owner": owner, "item": item}


def value(loss: Callable[..., Tensor], c: dict[str, Tensor]) -> Tensor:
    """The loss of a case."""
    return loss(c["user"], c["user"][c["owner"]], c["items"][c["item"]], c["owner"], c["items"], c["owner"], c["item"])


def test_bpr_is_the_plain_loop() -> None:
    """Every positive against every noise item that the person did not have."""
    c = case()
    terms = [
        -torch.nn.functional.logsigmoid(c["user"][p] @ c["items"][i] - c["user"][p] @ c["items"][n])
        for p, own in enumerate(HAD)
        for i in own
        for n in range(NOISE)
        if n not in own
    ]
    assert value(BPR(), c).item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-12)


def test_bpr_of_the_hardest_is_the_plain_loop() -> None:
    """Of each two noise items, and the last one that is left over, the highest that the person did not have; the first
    had both of the first group of three."""
    c = case()
    for among, had in ((2, HAD), (3, [[0, 1, 2, 3], *HAD[1:]])):
        c["owner"] = torch.tensor([row for row, own in enumerate(had) for _ in own])
        c["item"] = torch.tensor([one for own in had for one in own])
        terms = []
        for p, own in enumerate(had):
            for i in own:
                for start in range(0, NOISE, among):
                    scores = [c["user"][p] @ c["items"][n] for n in range(NOISE)[start : start + among] if n not in own]
                    if scores:
                        terms.append(-torch.nn.functional.logsigmoid(c["user"][p] @ c["items"][i] - max(scores)))
        assert value(BPR(hardest=among), c).item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-12)


def test_the_decay_of_bpr() -> None:
    """Half of the squared lengths, a mean over the positives; noise weighs one item each."""
    c = case()
    lengths = sum(float(c["user"][p].square().sum() + c["items"][i].square().sum()) for p, own in enumerate(HAD)
                  for i in own) + len(c["owner"]) / NOISE * float(c["items"].square().sum())  # fmt: skip
    wanted = value(BPR(), c).item() + 0.1 / 2 * lengths / len(c["owner"])
    assert value(BPR(decay=0.1), c).item() == pytest.approx(wanted, rel=1e-12)


def test_bpr_refuses_more_pairs_than_memory_holds() -> None:
    """All of a large catalogue as noise."""
    owner = torch.zeros(1 << 14, dtype=torch.int64)
    noise = torch.zeros(1, 2).expand(1 << 14, 2)
    with pytest.raises(ValueError, match=r"dataset\.negatives=256"):
        BPR()(torch.zeros(1, 2), noise, noise, owner, noise, owner[:1], owner[:1])


def test_cosine_contrastive_is_the_plain_loop() -> None:
    """Noise below the margin costs nothing."""
    c = case()
    cosine = torch.nn.functional.normalize(c["user"], dim=1) @ torch.nn.functional.normalize(c["items"], dim=1).T
    terms = []
    for p, own in enumerate(HAD):
        noise = [max(0.0, float(cosine[p, n]) - 0.2) for n in range(NOISE) if n not in own]
        terms += [1 - float(cosine[p, i]) + 5 * sum(noise) / len(noise) for i in own]
    found = value(CosineContrastive(margin=0.2, negative=5), c).item()
    assert found == pytest.approx(sum(terms) / len(terms), rel=1e-12)


@pytest.mark.parametrize("loss", [BPR(), BPR(0.3), BPR(hardest=3), CosineContrastive(0.2, 5)])
def test_gradients(loss: torch.nn.Module) -> None:
    """By every vector, against finite differences."""
    c = case()
    user, items = c["user"].requires_grad_(), c["items"].requires_grad_()
    assert torch.autograd.gradcheck(lambda u, i: value(loss, {**c, "user": u, "items": i}), (user, items))
