"""Milliseconds a query for the nearest neighbours in a large table, exact and (with --approximate) through faiss.

python scripts/benchmarks/neighbors.py --rows 1000000 --width 100 --threads 2
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from embloom.artifact.neighbors import Neighbors


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--approximate", action="store_true", help="through faiss; also says how many it finds")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(options.rows, options.width, generator=draw)
    queries = rows[: options.queries] + 0.5 * torch.randn(options.queries, options.width, generator=draw)
    exact = Neighbors(rows)
    found = report("exact", exact, queries)
    report("full product", Neighbors(rows), queries, full=True)
    if options.approximate:
        near = report("approximate", Neighbors(rows, approximate=True), queries)
        shared = sum(len(set(a.tolist()) & set(b.tolist())) for a, b in zip(found, near, strict=True))
        print(f"recall of the approximate ones: {shared / found.numel():.1%}")


def report(name: str, search: Neighbors, queries: torch.Tensor, full: bool = False) -> torch.Tensor:
    """Prints the times of single queries -> the rows found (Q, 10)."""
    if full:
        search.rough = None
    times, found = [], []
    for query in [queries[0], *queries]:
        began = time.perf_counter()
        found.append(search.nearest(query)[1])
        times.append(1e3 * (time.perf_counter() - began))
    ordered = sorted(times[1:])
    middle, worst = statistics.median(ordered), ordered[int(0.95 * len(ordered))]
    print(f"{name:<14} median {middle:6.1f} ms   best {ordered[0]:6.1f} ms   95th percentile {worst:6.1f} ms")
    return torch.cat(found[1:])


if __name__ == "__main__":
    main()
