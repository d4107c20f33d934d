"""Seeds: a function of their numbers, unrelated for neighbors."""

from __future__ import annotations

import itertools
import subprocess
import sys

import torch

from embloom.seeding import generator, mix, seed_step


def test_mix_is_splitmix64() -> None:
    # The first output of the reference implementation (Steele et al. 2014) for the state 0, shifted into 63 bits.
    assert mix(0) == 0xE220A8397B1DCDAF >> 1


def test_mix_is_the_same_in_every_process() -> None:
    found = subprocess.check_output([sys.executable, "-c", "from embloom.seeding import mix; print(mix(1, 2, 3))"])
    assert int(found) == mix(1, 2, 3)


def test_different_numbers_give_different_seeds() -> None:
    grid = list(itertools.product(range(-1, 20), repeat=3))
    assert len({mix(*numbers) for numbers in grid}) == len(grid)
    assert mix(1, 2) != mix(2, 1)
    assert mix(0) != mix(0, 0) != mix(0, 0, 0)
    assert all(0 <= mix(*numbers) < 2**63 for numbers in grid)


def test_neighbors_differ_in_half_of_their_bits() -> None:
    flips = [(mix(seed, step) ^ mix(seed, step + 1)).bit_count() for seed in range(30) for step in range(30)]
    assert abs(sum(flips) / len(flips) - 31.5) < 0.7


def test_seed_step_decides_what_is_drawn() -> None:
    cpu = torch.device("cpu")

    def drawn(*numbers: int) -> torch.Tensor:
        seed_step(cpu, *numbers)
        return torch.cat([torch.rand(3), torch.randn(3)])

    first = drawn(0, 1, 2)
    torch.rand(5)
    assert torch.equal(drawn(0, 1, 2), first)
    assert not torch.equal(drawn(0, 1, 3), first)


def test_generators_are_independent_of_the_global_one() -> None:
    torch.manual_seed(0)
    first = torch.rand(3, generator=generator(5, 6))
    before = torch.get_rng_state()
    assert torch.equal(torch.rand(3, generator=generator(5, 6)), first)
    assert torch.equal(torch.get_rng_state(), before)
