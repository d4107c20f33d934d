"""LightGCN against its equations with dense matrices."""

from __future__ import annotations

import torch

from embloom.encoders.lightgcn import LightGCN

HAD = [[0, 3], [1, 2, 3], [], [3, 4]]
ITEMS = 6  # nobody had the last


def made(hops: int = 3, normalize: bool = False) -> LightGCN:
    """Four people, one of whom had nothing."""
    torch.manual_seed(0)
    history = torch.tensor([item for own in HAD for item in own], dtype=torch.int32)
    offsets = torch.tensor([0, *torch.tensor([len(own) for own in HAD]).cumsum(0).tolist()])
    return LightGCN({"user": len(HAD), "item": ITEMS}, history, offsets, dim=4, hops=hops, normalize=normalize)


def dense(encoder: LightGCN) -> torch.Tensor:
    """The same by the adjacency matrix of all people and items."""
    users = len(HAD)
    adjacency = torch.zeros(users + ITEMS, users + ITEMS)
    for person, own in enumerate(HAD):
        for item in own:
            adjacency[person, users + item] = adjacency[users + item, person] = 1
    root = adjacency.sum(1).clamp(min=1).rsqrt()
    spread = root[:, None] * adjacency * root
    layers = [torch.cat([encoder.user, encoder.item])]
    for _ in range(encoder.hops):
        layers.append(spread @ layers[-1])
    return torch.stack(layers).mean(0)


def test_the_tables_are_those_of_the_equations() -> None:
    encoder = made()
    both = dense(encoder)
    tables = encoder.eval().tables()
    torch.testing.assert_close(torch.cat([tables["users"], tables["items"]]), both)
    torch.testing.assert_close(encoder.scores(torch.tensor([3, 0])), both[[3, 0]] @ both[len(HAD) :].T)


def test_the_gradient_is_that_of_the_equations() -> None:
    encoder = made().train()
    direction = torch.randn(len(HAD) + ITEMS, 4)
    tables = encoder.tables()
    (torch.cat([tables["users"], tables["items"]]) * direction).sum().backward()
    assert encoder.user.grad is not None
    assert encoder.item.grad is not None
    found = torch.cat([encoder.user.grad, encoder.item.grad])
    encoder.zero_grad()
    (dense(encoder) * direction).sum().backward()
    torch.testing.assert_close(found, torch.cat([encoder.user.grad, encoder.item.grad]))


def test_without_hops_it_is_matrix_factorization() -> None:
    encoder = made(hops=0).eval()
    assert torch.equal(encoder.tables()["items"], encoder.item)


def test_tables_follow_the_weights() -> None:
    """They are made once in evaluation; a step of training between is seen."""
    encoder = made(normalize=True).eval()
    before = encoder.tables()["users"]
    assert encoder.tables()["users"] is before
    encoder.train()
    with torch.no_grad():
        encoder.item.add_(1)
    after = encoder.eval().tables()["users"]
    assert not torch.equal(before, after)
    torch.testing.assert_close(after.norm(dim=1)[[0, 1, 2, 3]], torch.ones(4))
