"""The comparison as one HTML page that needs nothing else: no network, no files beside it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from embloom import __version__
from embloom.comparison.best import answer_of, lines
from embloom.comparison.collect import BYTES, Recorded, Row, loss_groups, shown
from embloom.comparison.curves import Curve, curves
from embloom.comparison.group import group_data
from embloom.comparison.importance import importance
from embloom.comparison.points import Points
from embloom.comparison.table import CHANCE, Comparison, is_loss, lower_is_better, summary

SCRIPTS = (
    "core.js", "versions.js", "colors.js", "tables.js", "kept.js", "answers.js", "curves.js", "webgl.js", "names.js",
    "mouse.js", "view.js", "export.js", "look.js", "search.js", "card.js", "maps.js", "changes.js", "similarity.js",
    "order.js",
)  # fmt: skip
HIDDEN_CURVES = ("train/examples_per_second", "train/learning_rate")

HINT = (
    "Student's t, paired where the seeds pair, else Welch's. All pairs are tested together (Holm): with 95 % "
    "probability none is called better wrongly. An interval that leaves out zero is such a call."
)
Say = Callable[[str], None]


def page(
    comparison: Comparison,
    groups: Sequence[Points],
    methods: Sequence[str],
    problems: list[str],
    say: Say,
    more: Mapping[str, Any] | None = None,
) -> str:
    """The whole page.

    Args:
        comparison: the numbers.
        groups: the points, each with its runs.
        methods: which maps to draw: `pca`, `tsne`, `umap`.
        problems: what could not be shown, and why.
        say: is told what is being computed.
        more: other parts of the page.
    """
    notes: list[str] = [*problems, *comparison.left_out()]
    data = {
        "title": title(comparison),
        "made": f"{time.strftime('%Y-%m-%d %H:%M')} with embloom {__version__}",
        "rows": [row_data(row) for row in comparison.rows],
        "table": table_data(comparison),
        "kept": kept(comparison, groups),
        "groups": [group_data(points, comparison, methods, notes, say) for points in groups],
        "curves": curve_data(comparison),
        **answer_data(comparison),
        "notes": notes,
        **(more or {}),
    }
    return assembled(data)


def assembled(data: Mapping[str, Any]) -> str:
    """Template, styles, scripts and data in one text."""
    folder = files("embloom.comparison") / "page"
    text = {name: (folder / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", *SCRIPTS)}
    vendor = folder / "vendor"
    styles = (vendor / "uPlot.min.css").read_text(encoding="utf-8") + text["page.css"]
    library = (vendor / "uPlot.iife.min.js").read_text(encoding="utf-8")
    scripts = library + "\n" + "\n".join(text[name] for name in SCRIPTS)
    # No name of a run, a class or a word can end the script element or begin another one.
    content = json.dumps(clean(data), ensure_ascii=False, separators=(",", ":"))
    content = content.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    content = content.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    parts = {"STYLES": styles, "SCRIPTS": scripts, "DATA": content}
    head, *rest = text["page.html"].split("@@")
    return head + "".join(parts.get(part, part) for part in rest)


def clean(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: clean(inner) for key, inner in value.items()}
    return [clean(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def title(comparison: Comparison) -> str:
    """`9 runs of digits`, or the run's name where there is one."""
    if len(comparison.runs) == 1:
        run = comparison.runs[0]
        return f"{run.state.dataset} · {run.state.encoder} · {run.state.loss}"
    names = ", ".join(dict.fromkeys(run.state.dataset for run in comparison.runs))
    return f"{len(comparison.runs)} runs of {names}"


def row_data(row: Row) -> dict[str, Any]:
    """What the page says of a row."""
    runs = [
        {"name": run.name, "folder": str(run.folder), "state": run.state.state, "reason": run.state.reason}
        for run in row.runs
    ]
    settings = {key: shown(value) for key, value in row.settings.items()}
    return {"name": row.name, "settings": settings, "runs": runs}


def table_data(comparison: Comparison) -> dict[str, Any]:
    """The columns of the table and their numbers; losses only for rows that share their configuration."""
    columns = [(tag, tag.removeprefix("probe/"), comparison.rows) for tag in [*comparison.probes, *comparison.scores]]
    columns += [(tag, tag, comparison.rows) for tag in comparison.sizes]
    for group, tags in comparison.losses:
        columns += [(tag, f"{tag} ({group[0].runs[0].state.loss})", group) for tag in tags]
    return {
        "keys": comparison.keys,
        "alone": comparison.alone,
        "sorted": comparison.sorted_by,
        "columns": [
            {
                "tag": tag,
                "label": label,
                "low": lower_is_better(tag) or tag == BYTES,
                "whole": tag == BYTES,
                "chance": comparison.chance_of(tag),
                "cells": [summary(row, tag) if row in part else (math.nan, None) for row in comparison.rows],
            }
            for tag, label, part in columns
        ],
    }


def kept(comparison: Comparison, groups: Sequence[Points]) -> list[dict[str, Any]]:
    """For each label, how well each probe finds it in each row's embedding, beside the level of chance."""
    levels = [chance_levels(row, groups) for row in comparison.rows]
    labels = list(dict.fromkeys(label for level in levels for label in level))
    found: dict[tuple[str, str], dict[str, list[Any]]] = {}
    for tag in comparison.probes:
        probe, _, end = tag.removeprefix("probe/").partition("_")
        label = next((name for name in labels if end == name or end.startswith(name + "_")), None)
        if label is not None:
            layer = end.removeprefix(label).removeprefix("_")
            found.setdefault((label, layer), {})[probe] = [summary(row, tag) for row in comparison.rows]
    return [
        {"label": f"{label} in {layer}" if layer else label, "chance": [x.get(label) for x in levels], "probes": probes}
        for (label, layer), probes in found.items()
    ]


def chance_levels(row: Row, groups: Sequence[Points]) -> dict[str, float]:
    """Label -> how often the most frequent class is right: as the probe said, else as the points' labels are."""
    found: dict[str, float] = {}
    for points in groups:
        if any(run is member for run in row.runs for member in points.runs):
            found |= {label.name: label.chance for label in points.labels if label.chance is not None}
    tags = [tag for run in row.runs for tag in run.metrics if tag.startswith(CHANCE)]
    return found | {tag.removeprefix(CHANCE): summary(row, tag)[0] for tag in tags}


def curve_data(comparison: Comparison) -> list[dict[str, Any]]:
    """The curves by tag; those of losses apart where the loss configuration differs."""
    read = {id(run): curves(run.folder) for run in comparison.runs}
    groups = loss_groups(comparison.rows)
    tags = list(dict.fromkeys(tag for run in comparison.runs for tag in read[id(run)] if wanted(tag, run)))
    charts: list[dict[str, Any]] = []
    for tag in sorted(tags, key=lambda tag: (not is_loss(tag), tag.partition("/")[2], tag)):
        for part in groups if is_loss(tag) else [comparison.rows]:
            found = [(row, [read[id(run)][tag] for run in row.runs if tag in read[id(run)]]) for row in part]
            series: list[dict[str, Any]] = [
                {"row": comparison.rows.index(row), "name": row.name, **over_seeds(seeds)}
                for row, seeds in found
                if seeds
            ]
            if series and max(len(s["x"]) for s in series) > 1:
                note = part[0].runs[0].state.loss if is_loss(tag) and len(groups) > 1 else ""
                charts.append({"tag": tag, "note": note, "series": series})
    return charts


def over_seeds(lines: Sequence[Curve]) -> dict[str, list[Any]]:
    """One curve as it is; of several the mean, the least and the greatest at each step."""
    if len(lines) == 1:
        return {"x": lines[0][0], "y": lines[0][1]}
    values: dict[int, list[float]] = {}
    for x, y in lines:
        for step, value in zip(x, y, strict=True):
            values.setdefault(step, []).append(value)
    steps = sorted(values)
    mean = [math.fsum(values[step]) / len(values[step]) for step in steps]
    low, high = ([end(values[step]) for step in steps] for end in (min, max))
    return {"x": steps, "y": mean, "low": low, "high": high}


def answer_data(comparison: Comparison) -> dict[str, Any]:
    """Which setting is best, what each setting explains, and the scores for the parallel coordinates."""
    answer = answer_of(comparison)
    tag = answer.by if answer else comparison.sorted_by if comparison.sorted_by in comparison.tags else ""
    same = "dataset" not in comparison.keys and not is_loss(tag)
    return {
        "answer": answer and {
            "by": answer.by,
            "verdict": lines(answer)[1],
            "hint": HINT,
            "records": answer.records(),
            "rows": [comparison.rows.index(row) for row in answer.rows],
        },
        "importance": importance(comparison.rows, comparison.keys, tag) if tag and same else [],
        "parallel": {
            "by": tag if same else "",
            "low": bool(tag) and lower_is_better(tag),
            "values": [summary(row, tag)[0] if tag else math.nan for row in comparison.rows],
        },
    }  # fmt: skip


def wanted(tag: str, run: Recorded) -> bool:
    """Not those of the end, which are single points, nor those of the machine, nor the only term of a loss."""
    only = is_loss(tag) and "/loss_" in tag and len(run.config["loss"]) == 1
    return tag.startswith(("train/", "val/")) and tag not in HIDDEN_CURVES and not only
