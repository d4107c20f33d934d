"""The comparison as one HTML page that needs nothing else: no network, no files beside it."""

from __future__ import annotations

import base64
import io
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from embloom import __version__
from embloom.comparison.best import answer_of, lines
from embloom.comparison.collect import Recorded, Row, loss_groups, shown
from embloom.comparison.curves import Curve, curves
from embloom.comparison.importance import importance
from embloom.comparison.maps import TSNE_MOST, project, turned
from embloom.comparison.methods import METHODS
from embloom.comparison.points import Points
from embloom.comparison.similarity import cka_matrix, neighbor_overlap, neighbors
from embloom.comparison.table import CHANCE, Comparison, is_loss, lower_is_better, summary

NEIGHBORS = 10
THUMB = 48
SCRIPTS = ("core.js", "tables.js", "answers.js", "curves.js", "drawing.js", "maps.js")
HIDDEN_CURVES = ("train/examples_per_second", "train/learning_rate")

HINT = (
    "Student's t, paired where the seeds pair, else Welch's. All pairs are tested together (Holm): with 95 % "
    "probability none is called better wrongly. An interval that leaves out zero is such a call."
)
Say = Callable[[str], None]


def page(
    comparison: Comparison, groups: Sequence[Points], methods: Sequence[str], problems: list[str], say: Say
) -> str:
    """The whole page.

    Args:
        comparison: the numbers.
        groups: the points, each with its runs.
        methods: which maps to draw: `pca`, `tsne`, `umap`.
        problems: what could not be shown, and why.
        say: is told what is being computed.
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
                "low": lower_is_better(tag),
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


def group_data(
    points: Points, comparison: Comparison, methods: Sequence[str], notes: list[str], say: Say
) -> dict[str, Any]:
    """The maps of one set of points, the neighbors, and how alike the embeddings are."""
    order = {id(run): place for place, row in enumerate(comparison.rows) for run in row.runs}
    ranked = sorted(range(len(points.runs)), key=lambda i: order[id(points.runs[i])])
    say(f"neighbors and similarity of {points.count:,} {points.kind} in {len(ranked)} embeddings")
    near = {i: neighbors(points.vectors[i], NEIGHBORS, points.cosine) for i in ranked}
    first: dict[int, int] = {}
    for i in ranked:
        first.setdefault(order[id(points.runs[i])], i)
    drawn = list(first.values())
    if len(drawn) < len(ranked):
        notes.append("of runs that differ by their seed only, the first one is mapped; the similarities are of all")
    chosen = [m for m in methods if m != "tsne" or points.count <= TSNE_MOST]
    if len(chosen) < len(methods):
        notes.append(f"no t-SNE of {points.count:,} {points.kind}: it takes minutes beyond {TSNE_MOST:,} (--points)")
    maps = drawn_maps(points, drawn, chosen, say)
    if points.count < points.total:
        which = "the most frequent" if points.kind == "words" else "chosen at random from the test split"
        notes.append(f"{points.count:,} of {points.total:,} {points.kind} are shown ({which}); more with --points N")
    return {
        "kind": points.kind,
        "count": points.count,
        "total": points.total,
        "metric": "angle" if points.cosine else "Euclidean distance",
        "words": points.words,
        "sprite": sprite(points.images),
        "labels": [{"name": x.name, "classes": x.classes, "values": packed(x.values.int())} for x in points.labels],
        "methods": [{"key": method, "name": METHODS[method]} for method in chosen],
        "maps": [
            {"row": order[id(points.runs[i])], "name": points.runs[i].name, "width": points.vectors[i].shape[1],
             "places": maps[i], "near": packed(near[i].int()), "k": near[i].shape[1]}
            for i in drawn
        ],
        "similarity": similarity(points, ranked, near, order),
    }  # fmt: skip


def drawn_maps(points: Points, which: Sequence[int], methods: Sequence[str], say: Say) -> dict[int, dict[str, str]]:
    """For each of the embeddings `which` its maps by method, all turned to lie like the first one's."""
    maps: dict[int, dict[str, str]] = {i: {} for i in which}
    for method in methods:
        like = None
        for i in which:
            say(f"{METHODS[method]} of {points.runs[i].name}")
            flat = project(points.vectors[i], method, points.cosine)
            flat = flat if like is None else turned(flat, like)
            like = flat if like is None else like
            maps[i][method] = packed(torch.from_numpy((flat.clip(-1, 1) * 32767).round()).short())
    return maps


def similarity(
    points: Points, ranked: Sequence[int], near: Mapping[int, Tensor], order: Mapping[int, int]
) -> dict[str, Any]:
    """Every run with every other one."""
    runs: list[Recorded] = [points.runs[i] for i in ranked]
    overlap = [[1.0] * len(ranked) for _ in ranked]
    for a, i in enumerate(ranked):
        for b in range(a):
            overlap[a][b] = overlap[b][a] = neighbor_overlap(near[i], near[ranked[b]])
    return {
        "names": [run.name for run in runs],
        "rows": [order[id(run)] for run in runs],
        "cka": cka_matrix([points.vectors[i] for i in ranked]),
        "overlap": overlap,
        "chance": min(NEIGHBORS, points.count - 1) / max(1, points.count - 1),
        "k": NEIGHBORS,
    }


def packed(values: Tensor) -> str:
    """Numbers as base64, little-endian."""
    array = values.contiguous().numpy()
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def sprite(images: Tensor | None) -> dict[str, Any] | None:
    """All images in one, side by side, as a data URI."""
    if images is None:
        return None
    from PIL import Image

    from embloom.data.sprites import grid

    content, columns, (height, width) = grid(images, THUMB)
    file = io.BytesIO()
    Image.fromarray(content).save(file, "WEBP", quality=85, method=4)
    url = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
    return {"url": url, "columns": columns, "width": width, "height": height}


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
