"""Two versions of an embedding as a page: the comparison's, with the verdict and what changed most before it."""

from __future__ import annotations

from typing import Any

from embloom.comparison.group import Say, sprite
from embloom.comparison.html import page as whole
from embloom.comparison.table import Comparison
from embloom.comparison.versions import Group, Versions, listed, relabelled, verdict


def page(found: Versions, most: int, say: Say) -> str:
    """The whole page.

    Args:
        found: the versions.
        most: how many of the rows that changed most.
        say: is told what is being computed.
    """
    comparison = Comparison(found.runs)
    comparison.rows.sort(
        key=lambda row: min(i for i, run in enumerate(found.runs) if any(one is run for one in row.runs))
    )
    about = {
        "verdict": verdict(found),
        "names": [str(run.folder) for run in found.runs],
        "groups": []
        if found.same
        else [group_data(group, most) for group in found.groups if not group.equal or group.relabelled.any()],
    }
    return whole(comparison, [], [], list(found.problems), say, {"versions": about})


def group_data(group: Group, most: int) -> dict[str, Any]:
    """What the page knows of the rows: each is named once, and drawn once."""
    changed = group.changes.order[:most].tolist()
    other = relabelled(group, most)
    near = {row: [group.changes.before[row].tolist(), group.changes.after[row].tolist()] for row in changed}
    rows = dict.fromkeys([*changed, *(row for ends in near.values() for end in ends for row in end),
                          *(one["row"] for one in other)])  # fmt: skip
    place = {row: i for i, row in enumerate(rows)}
    points = group.points
    return {
        "kind": points.kind,
        "count": len(place),
        "total": points.count,
        "names": [points.words[row] if points.words else f"sample {row}" for row in rows],
        "sprite": sprite(None if points.images is None else points.images[list(rows)]),
        "spread": group.spread,
        "median": float(group.changes.moved.median()),
        "changed": [
            {"item": place[row], "moved": one["moved"], "kept": one["kept"], "labels": one["labels"],
             "near": [[place[i] for i in end] for end in near[row]]}
            for row, one in zip(changed, listed(group, most), strict=True)
        ],
        "relabelled": [{"item": place[one["row"]], "rank": one["rank"], "labels": one["labels"]} for one in other],
    }  # fmt: skip
