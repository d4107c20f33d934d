"""The maps of one run, coloured by each label, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from embloom.comparison.maps import Map, project
from embloom.comparison.methods import METHODS
from embloom.comparison.points import Points
from embloom.data.samples import Label

MOST_LABELS = 4
MOST_CLASSES = 20
THUMBS = 60
WORDS = 70
SIDE = 5.2


def plot(points: Points, methods: Sequence[str]) -> bytes:
    """Draws the first run of `points`.

    Args:
        points: what is mapped.
        methods: a column of maps for each.

    Returns:
        a PNG file: a row of maps for each label, with thumbnails or words where there is room for them.
    """
    from matplotlib.figure import Figure

    run, vectors = points.runs[0], points.vectors[0]
    maps = {method: project(vectors, method, points.cosine) for method in methods}
    labels: list[Label | None] = [*points.labels[:MOST_LABELS]] or [None]
    figure = Figure(figsize=(SIDE * len(maps) + 1.6, SIDE * len(labels) + 0.5), layout="constrained", dpi=110)
    figure.suptitle(f"{run.state.dataset} · {run.state.encoder} · {run.state.loss}".replace("$", r"\$"))
    axes = figure.subplots(len(labels), len(maps), squeeze=False)
    for row, label in enumerate(labels):
        for column, (method, places) in enumerate(maps.items()):
            title = METHODS[method] + (f", by {label.name}" if label else "")
            scatter(axes[row, column], places, label, title.replace("$", r"\$"), last=column == len(maps) - 1)
            decorate(axes[row, column], points, places)
    if points.count < points.total:
        figure.supxlabel(f"{points.count:,} of {points.total:,} {points.kind}", fontsize=8, color="0.4")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def scatter(axes: Any, places: Map, label: Label | None, title: str, last: bool) -> None:
    """The points, and the classes' names beside the last map of a row."""
    import matplotlib

    size = float(np.clip(16000 / len(places), 1.5, 22))
    count = len(label.classes) if label else 1
    names = "tab10" if count <= 10 else "tab20" if count <= 20 else "hsv"
    colors = matplotlib.colormaps[names].resampled(max(count, 10 if count <= 10 else 20 if count <= 20 else count))
    values = label.values.numpy() if label else np.zeros(len(places), dtype=int)
    axes.scatter(places[:, 0], places[:, 1], c=colors(values), s=size, linewidths=0, alpha=0.8)
    reach = max(float(np.quantile(np.abs(places), 0.995)), 1e-9) * 1.08
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    axes.set_title(title, fontsize=11)
    axes.spines[:].set_color("0.85")
    if last and label:
        shown = range(min(count, MOST_CLASSES))
        marks = [axes.scatter([], [], color=colors(i), s=30) for i in shown]
        texts = [label.classes[i][:28].replace("$", r"\$") for i in shown]
        if count > MOST_CLASSES:
            marks.append(axes.scatter([], [], s=0))
            texts.append(f"and {count - MOST_CLASSES:,} more")
        axes.legend(marks, texts, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)


def decorate(axes: Any, points: Points, places: Map) -> None:
    """Thumbnails or words at points that lie well apart."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    if points.images is not None:
        side = max(points.images.shape[2:])
        for i in apart(places, THUMBS, axes.get_xlim()[1]):
            image = points.images[i].permute(1, 2, 0).numpy()
            shown = image if image.shape[2] == 3 else image[..., 0]
            box = AnnotationBbox(OffsetImage(shown, zoom=17 / side, cmap="gray_r"), places[i], pad=0.05, zorder=3)
            box.patch.set(linewidth=0.4, edgecolor="0.6")
            axes.add_artist(box)
    elif points.kind == "words":
        for i in apart(places, WORDS, axes.get_xlim()[1]):
            axes.annotate(points.words[i].replace("$", r"\$"), places[i], fontsize=7, ha="center", clip_on=True)


def apart(places: Map, count: int, reach: float) -> list[int]:
    """Up to `count` points none of which is near another one: the earliest is preferred."""
    least = 1.5 * reach / np.sqrt(count)
    chosen: list[int] = []
    for i in range(min(len(places), 5000)):
        if np.abs(places[i]).max() > 0.95 * reach:
            continue
        if not chosen or np.linalg.norm(places[chosen] - places[i], axis=1).min() > least:
            chosen.append(i)
        if len(chosen) == count:
            break
    return chosen
