"""Maps from one space into another, fitted to pairs of vectors."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from embloom.artifact.stages.base import Stage
from embloom.artifact.stages.linear import Linear
from embloom.artifact.stages.mlp import MLP

KINDS = ("orthogonal", "linear", "mlp")
RIDGES = (1e-8, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # of the mean variance
HELD = 0.1  # of the pairs, by which a setting is chosen
HIDDEN = 256
EPOCHS, PATIENCE, BATCH = 200, 15, 256
RATE = 2e-3
DECAY = 1e-3


def fitted(kind: str, one: Tensor, other: Tensor) -> Stage:
    """A map of the kind from vectors (N, D) to those of the same things in the other space (N, E).

    Raises:
        ValueError: there are too few pairs.
    """
    if len(one) < 2:
        raise ValueError(f"{len(one)} pairs are too few to find a map from")
    found = MAKERS[kind](one.float(), other.float())
    return found.eval().requires_grad_(False)


def orthogonal(one: Tensor, other: Tensor) -> Linear:
    """The rotation (with reflections), after both were centered, and the one scale that leave the least squared error
    (Schönemann 1966; Schönemann and Carroll 1970). Of different widths: orthonormal columns or rows, which is the
    rotation of the narrower space into the wider one, padded with zeros, or the best projection of its kind."""
    center, offset = one.double().mean(0), other.double().mean(0)
    x, y = one.double() - center, other.double() - offset
    left, values, right = torch.linalg.svd(x.T @ y, full_matrices=False)
    turned = left @ right
    scale = values.sum() / (x @ turned).square().sum().clamp_min(1e-300)
    return Linear.of(center, turned * scale, offset)


def linear(one: Tensor, other: Tensor) -> Linear:
    """Least squares with a ridge, that which leaves the least error on a tenth of the pairs."""
    first, last = halves(len(one))
    errors = [float((ridged(one[first], other[first], r)(one[last]) - other[last]).square().mean()) for r in RIDGES]
    best = RIDGES[min(range(len(RIDGES)), key=errors.__getitem__)] if len(last) else RIDGES[2]
    return ridged(one, other, best)


def ridged(one: Tensor, other: Tensor, ridge: float) -> Linear:
    """Least squares after centering."""
    center, offset = one.double().mean(0), other.double().mean(0)
    x, y = one.double() - center, other.double() - offset
    gram = x.T @ x
    added = max(1e-300, float(gram.diagonal().mean())) * ridge
    weight = torch.linalg.solve(gram + added * torch.eye(len(gram), dtype=torch.float64), x.T @ y)
    return Linear.of(center, weight, offset)


def mlp(one: Tensor, other: Tensor) -> MLP:
    """The linear map, and a small network that learns what it leaves; it stops when a tenth of the pairs, which neither
    was fitted to, are met no better. The same each time."""
    first, last = halves(len(one))
    start = linear(one[first], other[first])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = MLP(one.shape[1], other.shape[1], HIDDEN)
        made.center = start.center.clone()
        made.scale = (one - start.center).square().mean().sqrt().clamp_min(1e-12)
        with torch.no_grad():
            made.linear.weight.copy_((start.weight * made.scale).T)
            made.linear.bias.copy_(start.offset)
            made.second.weight.zero_()
        train(made, one, other, first, last if len(last) else first)
    return made


def train(made: MLP, one: Tensor, other: Tensor, first: Tensor, last: Tensor) -> None:
    """AdamW over batches of the pairs `first`; the state that is best for `last` is kept."""
    size = other[first].var().clamp_min(1e-30)
    optimizer = torch.optim.AdamW(made.parameters(), lr=RATE, weight_decay=DECAY)
    best, state, waited = float("inf"), {}, 0
    for _ in range(EPOCHS):
        with torch.no_grad():
            error = float((made(one[last]) - other[last]).square().mean())
        if error < best * (1 - 1e-4):
            best, waited = error, 0
            state = {name: tensor.clone() for name, tensor in made.state_dict().items()}
        elif (waited := waited + 1) > PATIENCE:
            break
        for some in first[torch.randperm(len(first))].split(BATCH):
            loss = (made(one[some]) - other[some]).square().mean() / size
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    made.load_state_dict(state)


def halves(count: int) -> tuple[Tensor, Tensor]:
    """The numbers of pairs to fit to, and of those held out; the same each time."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(1))
    held = int(HELD * count)
    return order[held:], order[:held]


MAKERS: dict[str, Callable[[Tensor, Tensor], Stage]] = {"orthogonal": orthogonal, "linear": linear, "mlp": mlp}
