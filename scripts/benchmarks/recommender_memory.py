"""Memory of reading, splitting and training on generated interactions of several sizes.

python scripts/benchmarks/recommender_memory.py --rows 1000000,10000000,100000000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

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
    command = [sys.executable, "-m", "embloom", "train", "experiment=recommender", f"dataset.path={file}"]
    command += [f"dataset.cache={folder}/cache", f"hydra.run.dir={folder}/run", "trainer.max_steps=200", "probe=[]"]
    started, own, with_files = time.perf_counter(), 0, 0
    with subprocess.Popen([*command, *overrides], stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            lines = (Path("/proc") / str(process.pid) / "status").read_text().splitlines()
            found = dict(line.split(":", 1) for line in lines)
            if "RssAnon" in found:
                own = max(own, int(found["RssAnon"].split()[0]))
                with_files = max(with_files, int(found["VmHWM"].split()[0]))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"the training ended with exit status {process.returncode}")
    return f"{time.perf_counter() - started:.0f}", f"{own / 1024:.0f}", f"{with_files / 1024:.0f}"


if __name__ == "__main__":
    main()
