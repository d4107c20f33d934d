"""The list of what changed most between embeddings, as `embloom compare` prints it."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from embloom.comparison.changes import changes, records
from embloom.comparison.group import NEIGHBORS, first_of_each
from embloom.comparison.points import Points
from embloom.comparison.table import Comparison
from embloom.files.run_state import printable

EXAMPLES = 3
MOST_PAIRS = 3


def change_lists(comparison: Comparison, groups: list[Points], most: int) -> list[dict[str, Any]]:
    """For the first embedding of each set of points and each of the next ones what changed most: `before` and `after`
    (names of runs), `rows` compared, `median_moved`, `mean_kept` and `items`, see `changes.records`."""
    found = []
    for points in groups:
        first, *others = first_of_each(points, comparison)
        for other in others[:MOST_PAIRS] if points.count >= 3 else []:
            pair = points.vectors[first], points.vectors[other]
            change = changes(*pair, NEIGHBORS, points.cosine, None, points.relabelled(first, other))
            names = {"before": points.runs[first].name, "after": points.runs[other].name}
            figures = {"median_moved": float(change.moved.median()), "mean_kept": float(change.kept.mean())}
            items = records(change, points.words, most)
            found.append({**names, "kind": points.kind, "rows": points.count, **figures, "items": items})
    return found


def print_changes(lists: list[dict[str, Any]], console: Console | None = None) -> None:
    """A table for each pair."""
    console = console or Console(highlight=False)
    for one in lists:
        ends = f"{one['before']} → {one['after']}"
        console.print(
            escape(
                f"\nwhat changed most of {one['rows']:,} {one['kind']}, {ends} (half moved less than "
                f"{one['median_moved']:.2f}; {one['mean_kept']:.0%} of the nearest neighbors are kept)"
            ),
            soft_wrap=True,
        )
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for name in ("", "moved", "kept", "nearest before", "nearest after"):
            table.add_column(name, justify="right" if name in ("moved", "kept") else "left", overflow="fold")
        for item in one["items"]:
            near = [escape(printable(", ".join(item[end][:EXAMPLES]))) for end in ("before", "after")]
            name = escape(printable(item["name"]))
            table.add_row(name, f"{item['moved']:.2f}", f"{item['kept']:.0%}", *near)
        console.print(table)
