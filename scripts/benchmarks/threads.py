"""What a second thread is worth in a training step of an MLP on the CPU, by the work of the step.

    python scripts/benchmarks/threads.py

For each shape, with one thread and with all: the shortest step of many, which on a busy machine is one that had the
cores for itself, and the median step, which is what such a machine gives. `embloom.training.cores.WORTH` rests on it.
"""

from __future__ import annotations

import time
from itertools import pairwise
from statistics import median

import torch
from torch import nn

SHAPES = (
    (64, (64, 512, 10)), (64, (256, 512, 10)), (64, (1024, 512, 10)), (128, (1024, 512, 10)), (256, (1024, 512, 10)),
    (512, (1024, 512, 10)),
)  # fmt: skip
STEPS = 60


def main() -> None:
    """Measures and prints."""
    most = torch.get_num_threads()
    print(
        f"{'batch':>6}  {'layers':<14} {'Mflop':>6}  1 thread: shortest, median ms  {most} threads: shortest, median ms"
    )
    for batch, widths in SHAPES:
        flops = 6e-6 * batch * sum(a * b for a, b in pairwise(widths))
        times = [steps(batch, widths, threads) for threads in (1, most)]
        shown = "  ".join(f"{1000 * min(found):>18.2f} {1000 * median(found):>9.2f}" for found in times)
        print(f"{batch:>6}  {'-'.join(map(str, widths)):<14} {flops:>6.0f}  {shown}", flush=True)


def steps(batch: int, widths: tuple[int, ...], threads: int) -> list[float]:
    """Seconds of each step."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    x, y = torch.randn(batch, widths[0]), torch.randint(0, widths[-1], (batch,))
    found = []
    for _ in range(STEPS):
        start = time.perf_counter()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        found.append(time.perf_counter() - start)
    return found[5:]


if __name__ == "__main__":
    main()
