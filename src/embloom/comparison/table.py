"""The comparison in numbers: what is shown, in which order; as a terminal table, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from embloom.comparison.collect import BYTES, Recorded, Row, differing, loss_groups, rows, shown
from embloom.files.coverage import notes
from embloom.files.naming import short
from embloom.files.tables import spreadsheet_safe
from embloom.startup import option

CHANCE = "probe/chance_"
MANY = 8  # parts of a probe; beyond that the tables show its mean only, `--csv` and `--json` all
LONGEST = 40
ERRORS = ("rating_error_", "rmse", "mae", "perplexity")  # what their tags begin with


class Comparison:
    """Runs side by side.

    Attributes:
        rows: best first.
        keys: the settings that differ.
        probes: the tags of probes, but for the level of chance.
        chance: label -> how often one is right who guesses.
        scores: other tags of the test split that are no losses.
        sizes: the column of bytes a sample, where the rows differ in it.
        losses: for each loss configuration that several rows share, the rows and the tags.
        alone: how many rows have a loss configuration of their own.

    Args:
        runs: what is compared.
        sort: a metric (its end is enough) or a setting.

    Raises:
        ValueError: there is nothing to sort by that is called so.
    """

    def __init__(self, runs: Sequence[Recorded], sort: str | None = None) -> None:
        self.runs = list(runs)
        self.rows = rows(runs)
        self.keys = [key for key in differing(runs) if any(key in row.settings for row in self.rows)]
        tags = list(dict.fromkeys(tag for run in runs for tag in run.metrics))
        self.tags = tags
        self.probes = brief([tag for tag in tags if tag.startswith("probe/") and not tag.startswith(CHANCE)])
        self.scores = [tag for tag in tags if tag.startswith("test/") and not is_loss(tag)]
        self.sizes = [BYTES] if len({value for row in self.rows for value in row.values(BYTES)}) > 1 else []
        self.chance = self._chance()
        self.sorted_by = self._sort(sort)
        groups = loss_groups(self.rows)
        self.groups = {id(row): number for number, group in enumerate(groups) for row in group}
        self.losses = [(group, _loss_tags(group)) for group in groups if len(group) > 1 and _loss_tags(group)]
        alone = [group for group in groups if len(group) == 1 and group[0].runs[0].vectors is None]
        self.alone = len(alone) if len(groups) > 1 else 0

    def _chance(self) -> dict[str, float]:
        """Where all runs agree: they saw the same labels."""
        found: dict[str, float] = {}
        if len({run.state.dataset for run in self.runs}) > 1:
            return found
        for tag in self.tags:
            values = {round(run.metrics[tag], 9) for run in self.runs if tag in run.metrics}
            if tag.startswith(CHANCE) and len(values) == 1:
                found[tag.removeprefix(CHANCE)] = values.pop()
        return found

    def left_out(self) -> list[str]:
        """What is no score, as its questions are barely known, a line a run."""
        return notes((run.name, run.state.metrics) for run in self.runs)

    def chance_of(self, tag: str) -> float | None:
        """The level of chance of a probe, if it is known."""
        return self.chance.get(tag.partition("_")[2]) if tag.startswith("probe/") else None

    def _sort(self, wanted: str | None) -> str:
        if wanted is None:
            by = next(iter([*self.probes, *self.scores]), "")
        else:
            there = [*self.tags, *self.keys]
            fits = [name for name in there if wanted == name or name.endswith(("/" + wanted, "." + wanted))]
            if not fits:
                available = f"there is no such metric or setting; available: {', '.join(there)}"
                raise ValueError(f"{option('sort', wanted)}: {available}")
            by = fits[0]
        if by in self.keys:
            self.rows.sort(key=lambda row: _setting_order(row.settings.get(by)))
        elif by:
            sign = 1 if lower_is_better(by) else -1
            self.rows.sort(key=lambda row: sign * mean if (mean := summary(row, by)[0]) == mean else math.inf)
        if wanted is None and all(run.vectors is None for run in self.runs):
            # Scores on other data are no competition.
            self.rows.sort(key=lambda row: row.runs[0].state.dataset)
        return by

    def as_json(self, **more: Any) -> str:
        """Everything, for programs."""
        about = {"settings": self.keys, "chance": self.chance, "left_out": self.left_out()}
        return json.dumps({**about, "rows": self.records(), **more}, indent=2)

    def records(self) -> list[dict[str, Any]]:
        """A record for each row, best first."""
        found = []
        for row in self.rows:
            numbers = {tag: summary(row, tag) for tag in self.tags if row.values(tag)}
            size = summary(row, BYTES)[0]
            found.append(
                {
                    "name": row.name,
                    "settings": row.settings,
                    "states": [run.state.state for run in row.runs],
                    "loss_group": self.groups[id(row)],
                    "metrics": {t: {"mean": m, "std": s, "n": len(row.values(t))} for t, (m, s) in numbers.items()},
                    "bytes_a_sample": None if size != size else size,
                    "runs": [str(run.folder) for run in row.runs],
                }
            )
        return found

    def as_csv(self) -> str:
        """One line a row; `_std` is empty where there is one run only. Losses of rows with another `loss_group`
        are not comparable."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = [column for tag in self.tags for column in (tag, f"{tag}_std")]
        writer.writerow(["name", *self.keys, "n", "loss_group", *columns, "runs"])
        for row in self.rows:
            numbers = [number for tag in self.tags for number in summary(row, tag)]
            settings = [shown(row.settings[key]) if key in row.settings else "" for key in self.keys]
            values = ["" if number is None or number != number else number for number in numbers]
            runs = " ".join(str(run.folder) for run in row.runs)
            writer.writerow(
                [*map(spreadsheet_safe, [row.name, *settings]), len(row.runs), self.groups[id(row)], *values, runs]
            )
        return text.getvalue()


def brief(tags: Sequence[str]) -> list[str]:
    """Without coverage, and without the parts of a probe that has many, such as the sections of analogies."""
    scores = [tag for tag in tags if "_coverage" not in tag]
    parts = {tag: [part for part in scores if part.startswith(f"{tag}_")] for tag in scores}
    many = {part for found in parts.values() if len(found) > MANY for part in found if not parts[part]}
    return [tag for tag in scores if tag not in many]


def is_loss(tag: str) -> bool:
    """Whether a tag is a loss or one of its terms."""
    name = tag.partition("/")[2]
    return name == "loss" or name.startswith("loss_")


def lower_is_better(tag: str) -> bool:
    """Whether a tag is a loss or an error."""
    return is_loss(tag) or tag.partition("/")[2].startswith(ERRORS)


def _loss_tags(group: Sequence[Row]) -> list[str]:
    tags = dict.fromkeys(tag for row in group for run in row.runs for tag in run.metrics if is_loss(tag))
    # With one term the term is the loss.
    return [tag for tag in tags if "loss_" not in tag or len([t for t in tags if "loss_" in t]) > 2]


def _setting_order(value: Any) -> tuple[int, float, str]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (0, float(value), "") if number else (1, 0.0, str(value))


def summary(row: Row, tag: str) -> tuple[float, float | None]:
    """Mean and standard deviation (n - 1) over the runs of a row; NaN where none has the metric, None for the
    deviation where one has."""
    values = row.values(tag)
    if not values:
        return math.nan, None
    known = len(values) > 1 and all(map(math.isfinite, values))
    return statistics.fmean(values), statistics.stdev(values) if known else None


def number(mean: float, deviation: float | None) -> str:
    """`0.9722 ±0.0031`."""
    if mean != mean:
        return "-"
    return f"{mean:.4f}" + (f" ±{deviation:.4f}" if deviation is not None else "")


def print_comparison(comparison: Comparison) -> None:
    """Prints the tables: settings that differ, probes, losses that can be compared, folders."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 240)
    several = any(len(row.runs) > 1 for row in comparison.rows)
    print_settings(console, comparison, several)
    scores = [*comparison.probes, *comparison.scores]
    title = "probes and scores" + (", mean and standard deviation over seeds" if several else "")
    if comparison.sorted_by in scores:
        title += f"; sorted by {comparison.sorted_by}"
    sizes = comparison.sizes if scores else []
    print_metrics(console, title, comparison, comparison.rows, [*scores, *sizes], bool(comparison.chance))
    if "dataset" in comparison.keys and scores:
        console.print("the datasets differ: a higher score on other data is not a better embedding\n", style="dim")
    for group, tags in comparison.losses:
        title = f"losses ({group[0].runs[0].state.loss}; the same loss configuration and data)"
        print_metrics(console, title, comparison, group, tags)
    if comparison.alone:
        console.print(
            f"losses are not shown for {comparison.alone} of {len(comparison.rows)} rows: their loss configuration or "
            "data is their own, so the numbers cannot be compared\n",
            style="dim",
        )
    for line in comparison.left_out():
        console.print(escape(line), style="dim")
    for place, row in enumerate(comparison.rows, 1):
        for run in row.runs:
            state = "" if run.state.state == "finished" else f"  ({run.state.state} {run.state.reason})".rstrip()
            console.print(f"{place:>3}  {escape(str(run.folder) + state)}", soft_wrap=True)


def print_settings(console: Console, comparison: Comparison, several: bool) -> None:
    """The settings that differ, a line a row."""
    if not comparison.keys:
        what = "the runs differ by their seed only" if several else "the settings of the runs are equal"
        console.print(f"{what}\n")
        return
    columns = [(short(key, comparison.keys), [row.settings.get(key, "-") for row in comparison.rows], False)
               for key in comparison.keys]  # fmt: skip
    if several:
        columns.append(("runs", [str(len(row.runs)) for row in comparison.rows], True))
    texts = [(name, [escape(shown(value)) for value in values], right) for name, values, right in columns]
    ids = [str(place) for place in range(1, len(comparison.rows) + 1)]
    print_columns(console, "settings that differ", [("", ids, True)], texts)


def print_metrics(
    console: Console,
    title: str,
    comparison: Comparison,
    part: Sequence[Row],
    tags: Sequence[str],
    chance: bool = False,
) -> None:
    """A line a row, a column a metric, the best in bold."""
    if not tags:
        return
    ids = [str(comparison.rows.index(row) + 1) for row in part]
    names = [escape(row.name if len(row.name) <= LONGEST else row.name[: LONGEST - 1] + "…") for row in part]
    columns: Columns = []
    for tag in tags:
        numbers = [summary(row, tag) for row in part]
        means = [mean for mean, _ in numbers if mean == mean]
        best = (min if lower_is_better(tag) else max)(means) if len(means) > 1 else None
        cells = [f"[bold]{number(*n)}[/]" if n[0] == best else number(*n) for n in numbers]
        if tag == BYTES:
            cells = ["-" if mean != mean else f"{mean:,.0f}" for mean, _ in numbers]
        if chance:
            level = comparison.chance_of(tag)
            cells.append("" if level is None else f"[dim]{level:.4f}[/]")
        columns.append((tag.removeprefix("probe/"), cells, True))
    first = [("", [*ids, ""] if chance else ids, True), ("run", [*names, "[dim]chance[/]"] if chance else names, False)]
    print_columns(console, title, first, columns)


Columns = list[tuple[str, list[str], bool]]


def print_columns(console: Console, title: str, first: Columns, columns: Columns) -> None:
    """Prints as many tables below each other as the width asks for, each with the first columns again."""
    console.print(title, style="bold", soft_wrap=True, markup=False)
    start = 0
    while start < len(columns):
        end = len(columns)
        while end > start + 1 and _width([*first, *columns[start:end]]) > console.width:
            end -= 1
        console.print(_table([*first, *columns[start:end]]))
        start = end


def _width(columns: Columns) -> int:
    cells = [[escape(name), *texts] for name, texts, _ in columns]
    return sum(max(Text.from_markup(text).cell_len for text in texts) + 3 for texts in cells)


def _table(columns: Columns) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, _, right in columns:
        table.add_column(escape(name), justify="right" if right else "left", overflow="fold")
    for cells in zip(*(cells for _, cells, _ in columns), strict=True):
        table.add_row(*cells)
    return table
