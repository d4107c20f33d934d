"""Memory of reading, splitting and training on generated interactions of several sizes.

python scripts/benchmarks/recommender_memory.py --rows 1000000,10000000,100000000
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table
from watching import watched

CHUNK = 1_000_000  # rows at a time
PEOPLE, ITEMS = 50_000, 20_000


def main() -> None:
    """Generates, trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="1000000,10000000")
    parser.add_argument("--folder", type=Path, help="where files and caches stand for a while; not in memory")
    options, overrides = parser.parse_known_args()
    table = Table("rows", "file MB", "seconds", "peak MB of its own", "peak MB with files mapped", box=box.SIMPLE_HEAD)
    for rows in map(int, options.rows.split(",")):
        with TemporaryDirectory(dir=options.folder) as folder:
            file = Path(folder) / "interactions.csv"
            generate(file, rows)
            table.add_row(f"{rows:,}", f"{file.stat().st_size / 1e6:.0f}", *measured(Path(folder), file, overrides))
    Console().print(table)


def generate(file: Path, rows: int) -> None:
    """Writes pairs without an order, few people and items of which have most."""
    draws = np.random.default_rng(0)
    with file.open("w", encoding="ascii") as stream:
        stream.write("user,item\n")
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            user = draws.integers(PEOPLE, size=count)
            item = (ITEMS * draws.random(count) ** 2).astype(np.int64)
            stream.writelines(f"{u},{i}\n" for u, i in zip(user.tolist(), item.tolist(), strict=True))


def measured(folder: Path, file: Path, overrides: list[str]) -> tuple[str, str, str]:
    """Seconds and the highest memory of a training, by itself and with the files that it maps."""
    run = ["experiment=recommender", f"dataset.path={file}", f"dataset.cache={folder}/cache"]
    found = watched([*run, f"hydra.run.dir={folder}/run", "trainer.max_steps=200", "probe=[]", *overrides])
    if found is None:
        raise SystemExit("the training failed")
    return found


if __name__ == "__main__":
    main()
