"""Randomness as a function of (seed, epoch, step), so that a resumed run draws what the first would have."""

from __future__ import annotations

import torch

_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """A 63-bit seed from integers: neighboring inputs give unrelated seeds (splitmix64, Steele et al. 2014)."""
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1


def generator(*numbers: int) -> torch.Generator:
    """A CPU generator seeded by `mix(*numbers)`."""
    return torch.Generator().manual_seed(mix(*numbers))


def seed_step(device: torch.device, *numbers: int) -> None:
    """Seeds the generators that dropout and noise draw from on the CPU and on `device`."""
    seed = mix(*numbers)
    # torch.manual_seed also visits every other backend, which costs more than a small layer does.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)
