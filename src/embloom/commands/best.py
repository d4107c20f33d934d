"""`embloom best`: which setting wins, and whether that is more than luck."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from rich.console import Console
from rich.markup import escape

from embloom.comparison.collect import folders, read
from embloom.files.run_folder import find_runs


def best(arguments: list[str]) -> None:
    """`embloom best FOLDER ... [--by METRIC]`."""
    parser = argparse.ArgumentParser(
        prog="embloom best",
        description="Names the best setting, and says whether it is better by more than the seeds explain.",
    )
    parser.add_argument("runs", nargs="+", metavar="FOLDER", help="a sweep; folders of runs, run folders, patterns")
    parser.add_argument("--by", metavar="METRIC", help="e.g. probe/linear_label (default: the first probe)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    options = parser.parse_args(arguments)
    from embloom.comparison.best import best as answer_of
    from embloom.comparison.best import lines
    from embloom.comparison.table import Comparison

    runs = [read(folder) for folder in folders(options.runs)]
    answer = answer_of(Comparison(runs), options.by)
    if options.json:
        keys = {"by": answer.by, "name": answer.name, "settled": answer.settled, "runs": answer.runs}
        print(json.dumps({**keys, "settings": answer.records()}, indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        for place, line in enumerate(lines(answer)):
            fitting = wrap(
                line, console.width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
            )
            for part in fitting if sys.stdout.isatty() else [line]:
                console.print(escape(part), style="bold" if not place else None, soft_wrap=True)
        for folder in answer.runs:
            console.print(escape(f"  {folder}"), style="dim", soft_wrap=True)
    summarize(options.runs)


def summarize(names: Sequence[str]) -> None:
    """Writes `summary.csv` into the folder of runs, where one was named."""
    from embloom.comparison.summary import write_summary

    folder = Path(names[0])
    if len(names) > 1 or not folder.is_dir() or find_runs(folder) == [folder]:
        return
    try:
        written = write_summary(folder)
    except OSError as error:
        print(f"no {folder}/summary.csv: {error.strerror}", file=sys.stderr)
        return
    print(f"written: {written}", file=sys.stderr)
