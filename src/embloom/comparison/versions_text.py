"""Two versions of an embedding, in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embloom.comparison.versions import NONE, Group, Versions, listed, relabelled, verdict
from embloom.files.run_state import printable

EXAMPLES = 3
BAR = 30


def print_versions(found: Versions, most: int, console: Console | None = None) -> None:
    """The verdict first, then what differs, then the rows."""
    console = console or Console(highlight=False)
    for line in verdict(found):
        said(line, console, bold=True)
    ends = [printable(str(run.folder)) for run in found.runs]
    for title, rows in (("settings that differ", found.settings), ("data that differ", found.data)):
        if rows:
            print_table(console, title, ["", *ends], [[printable(cell) for cell in row] for row in rows])
    if found.scores:
        scores = [[printable(tag), *map(score, pair), change(*pair)] for tag, *pair in found.scores]
        print_table(console, "probes and scores", ["", *ends, "change"], scores)
    for group in found.groups:
        if not found.same and not group.equal:
            print_group(console, group, most)
        if not found.same:
            print_labels(console, group, most)
    for problem in found.problems:
        said(f"warning: {problem}", console)


def print_group(console: Console, group: Group, most: int) -> None:
    """How many neighbors stay, and which rows changed most."""
    spread = group.spread
    top = max(spread) or 1.0
    kept = [[str(number), f"{share:.1%}", "█" * round(BAR * share / top)] for number, share in enumerate(spread)]
    what = group.points.kind
    print_table(console, f"how many of the {len(spread) - 1} nearest neighbors stay", ["", what, ""], kept)
    rows = [
        [place, row["name"], *row["labels"][:1], f"{row['moved']:.2f}", f"{row['kept']:.0%}", near(row, "before"),
         near(row, "after")]
        for place, row in enumerate(listed(group, most), 1)
    ]  # fmt: skip
    label = ["label"] if rows and len(rows[0]) == 7 else []
    heads = ["", "", *label, "moved", "kept", "nearest before", "nearest after"]
    median = float(group.changes.moved.median())
    title = f"what changed most of {group.points.count:,} {what} (half moved less than {median:.2f})"
    print_table(console, title, heads, [[printable(str(cell)) for cell in row] for row in rows])


def print_labels(console: Console, group: Group, most: int) -> None:
    """Which rows have another label."""
    if others := relabelled(group, most):
        what = group.points.kind
        found = [[printable(row["name"]), str(row["rank"]), printable(", ".join(row["labels"]))] for row in others]
        print_table(console, f"{what} with another label", ["", "rank by change", "label"], found)


def near(row: dict[str, Any], end: str) -> str:
    """The first neighbors of a row."""
    return ", ".join(row[end][:EXAMPLES])


def print_table(console: Console, title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table under its title; what is long goes on below."""
    console.print(escape(f"\n{title}"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for head in heads:
        table.add_column(escape(head), overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def said(line: str, console: Console, bold: bool = False) -> None:
    """A sentence, broken where the terminal ends."""
    fitting = wrap(line, console.width, break_long_words=False, break_on_hyphens=False)
    for part in fitting if sys.stdout.isatty() else [line]:
        console.print(escape(printable(part)), style="bold" if bold else None, soft_wrap=True)


def score(value: float | None) -> str:
    """A figure, or that there is none."""
    return NONE if value is None else f"{value:.4f}"


def change(before: float | None, after: float | None) -> str:
    """By how much a figure changed."""
    return "" if before is None or after is None else f"{after - before:+.4f}"
