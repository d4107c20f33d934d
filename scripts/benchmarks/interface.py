"""An embedding as an interface, measured: diff, growth and compatibility, nested widths, sizes, features, the service.

    python scripts/benchmarks/interface.py DATA --seeds 3       a folder with imdb/, mnist/ and word_similarity/

Runs every benchmark of this folder that concerns it, one after the other; each can be called alone. What has been
trained is kept in outputs/, so that a second call measures only. A part that fails is said, and the others go on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
PARTS = {  # how each is told where the data is
    "diff": "--data", "growth": "", "nested": "", "sizes": "--data", "features": "", "service": "--data",
}  # fmt: skip


def main() -> None:
    """Runs all, or those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="parts, with commas between them")
    options = parser.parse_args()
    for name, flag in PARTS.items():
        if options.only and name not in options.only.split(","):
            continue
        print(f"\n{name}", flush=True)
        began = time.perf_counter()
        place = [flag, str(options.data)] if flag else [str(options.data)]
        done = subprocess.run([sys.executable, str(HERE / f"{name}.py"), *place, "--seeds", str(options.seeds)])
        print(f"{time.perf_counter() - began:.0f} s" + (": failed" if done.returncode else ""), flush=True)


if __name__ == "__main__":
    main()
