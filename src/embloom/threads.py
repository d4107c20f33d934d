"""Two or more threads for a piece of work that is a few milliseconds of small tensor operations on the CPU.

Torch shares out each single operation, and waits after each; where operations take a tenth of a millisecond the
waiting costs as much as the second core brings, and far more where other programs want the cores too. So here each
thread gets a part of the data and does all the operations on it alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")

_pools: dict[int, ThreadPoolExecutor] = {}
_kept: list[int] = []


def keep_cores() -> None:
    """From here on torch's own operations use one core, and `in_parts` as many as they had."""
    if not _kept and torch.get_num_threads() > 1:
        _kept.append(torch.get_num_threads())
        torch.set_num_threads(1)


def give_back_cores() -> None:
    """Takes `keep_cores` back."""
    if _kept:
        torch.set_num_threads(_kept.pop())


def single() -> ThreadPoolExecutor:
    """A new thread that uses one core."""
    return ThreadPoolExecutor(1, "embloom", initializer=torch.set_num_threads, initargs=(1,))


def in_parts(size: int, least: int, work: Callable[[int, int], T]) -> list[T]:
    """Calls `work(first, last)`, without gradients, for each part of `range(size)`.

    Args:
        size: how many there are.
        least: a part has no fewer.
        work: must not touch what another part writes.

    Returns:
        What each part returned, in order.
    """
    # A thread begins with gradients on, and outside inference mode.
    guard = torch.inference_mode() if torch.is_inference_mode_enabled() else torch.no_grad()
    run = guard(work)
    count = min(_kept[0] if _kept else torch.get_num_threads(), size // max(1, least))
    if count < 2:
        return [run(0, size)]
    cuts = [size * part // count for part in range(count + 1)]
    if count not in _pools:
        _pools[count] = ThreadPoolExecutor(count, "embloom", initializer=torch.set_num_threads, initargs=(1,))
    return list(_pools[count].map(run, cuts[:-1], cuts[1:]))
