"""`summary.csv`: a folder of runs as one table, for people who prefer their own tools."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from embloom.comparison.collect import Recorded, differing, read
from embloom.files.atomic import write_whole
from embloom.files.run_folder import find_runs
from embloom.files.tables import spreadsheet_safe

SUMMARY = "summary.csv"


def write_summary(folder: Path) -> Path | None:
    """Writes `summary.csv` into a folder of runs: a row for each run, by its path; the same runs give the same bytes.

    The columns are the settings that vary, the seed, the state, the probes, the other metrics by tag, and the path
    from the folder. Runs whose files cannot be read have a state and a path only.

    Returns:
        The file; None where there is no run.
    """
    rows = [one(place) for place in sorted(find_runs(folder))]
    if not rows:
        return None
    runs = [run for _, run in rows if run is not None]
    keys = [key for key in differing(runs) if key != "seed"]
    tags = sorted({tag for run in runs for tag in run.metrics}, key=lambda tag: (not tag.startswith("probe/"), tag))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*map(spreadsheet_safe, keys), "seed", "state", *map(spreadsheet_safe, tags), "path"])
    for place, run in rows:
        path = spreadsheet_safe(place.relative_to(folder).as_posix())
        writer.writerow([*cells(run, keys, tags), path])
    target = folder / SUMMARY
    content = text.getvalue().encode()
    if not target.exists() or target.read_bytes() != content:
        write_whole(target, lambda file: file.write(content))
    return target


def one(place: Path) -> tuple[Path, Recorded | None]:
    """A run, if it can be read."""
    try:
        return place, read(place)
    except ValueError:
        return place, None


def cells(run: Recorded | None, keys: Sequence[str], tags: Sequence[str]) -> list[Any]:
    """What stands in a row, but for the path."""
    if run is None:
        return [*[""] * (len(keys) + 1), "unreadable", *[""] * len(tags)]
    settings = [spreadsheet_safe(plain(run.settings[key])) if key in run.settings else "" for key in keys]
    values = [run.metrics.get(tag, math.nan) for tag in tags]
    return [*settings, run.settings.get("seed", ""), run.state.state, *("" if v != v else repr(v) for v in values)]


def plain(value: Any) -> str:
    """A setting as an override would have it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
