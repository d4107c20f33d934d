"""An embedding as an interface, measured: diff, growth and compatibility, nested widths, sizes, features, the service.

python scripts/benchmarks/interface.py DATA --seeds 3       a folder with imdb/, mnist/ and word_similarity/

Runs every benchmark of this folder that concerns it, one after the other; each can be called alone. What has been
trained is kept in outputs/, so that a second call measures only. A part that fails is said, and the others go on.
"""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diff
import features
import growth
import nested
import service
import sizes

PARTS: dict[str, Callable[[Path, int], Any]] = {
    "diff": diff.run, "growth": growth.run, "nested": nested.run, "sizes": sizes.run, "features": features.run,
    "service": service.run,
}  # fmt: skip
PRINT = ("diff", "sizes", "service")  # whose figures are only returned


def main() -> None:
    """Runs all, or those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="parts, with commas between them")
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.only and name not in options.only.split(","):
            continue
        print(f"\n{name}", flush=True)
        began = time.perf_counter()
        try:
            found = part(options.data, options.seeds)
        except Exception:
            traceback.print_exc()
            continue
        if name in PRINT:
            lines = found.items() if isinstance(found, dict) else enumerate(found)
            for figure, value in lines:
                print(f"{figure!s:<60} {value}")
        print(f"{time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
