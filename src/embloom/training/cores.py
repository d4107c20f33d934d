"""How many threads a training uses on the CPU: chosen by the work of a step, noted, and the same on a resume."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from embloom.training.components import Components

# Floating-point operations of a step that a second thread is worth: below it gains nothing on an idle machine, and on
# a busy one each operation waits for the other core (`scripts/benchmarks/threads.py`).
WORTH = 150e6


def chosen(trainer: Mapping[str, Any], components: Components) -> int:
    """The threads for a new run.

    Args:
        trainer: the node of the configuration.
        components: of the run.
    """
    asked, there = trainer.get("threads", "auto"), torch.get_num_threads()
    if asked != "auto":
        return int(asked)
    work = step_work(components)
    return there if work is None else max(1, min(there, int(work / WORTH)))


def step_work(components: Components) -> float | None:
    """Floating-point operations of a step: two for each weight and sample forward, four backward. None where weights
    say nothing about it: convolutions use each many times, tables few of them."""
    encoder = components.encoder
    if encoder.computed or encoder.tables() or any(isinstance(m, CONVOLUTIONS) for m in encoder.modules()):
        return None
    weights = sum(p.numel() for p in components.module.parameters() if p.ndim > 1)
    return 6.0 * weights * components.dataset.batch_size * components.dataset.views


CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.EmbeddingBag, nn.Embedding)


@contextmanager
def using(threads: int) -> Iterator[None]:
    """So many threads, and then as many as before; 0 leaves them."""
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
