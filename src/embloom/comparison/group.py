"""One set of points as the page gets it: its maps, neighbors, labels and pictures, and what changed from run to run."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.comparison.changes import Changes, changes
from embloom.comparison.maps import TSNE_MOST, Map, project, turned
from embloom.comparison.methods import LIMITS, METHODS
from embloom.comparison.points import Points
from embloom.comparison.similarity import cka_matrix, neighbor_overlap, neighbors
from embloom.comparison.table import Comparison

NEIGHBORS = 10
LISTED = 100  # of what changed most
ALL_PAIRS = 4  # up to so many embeddings each is compared with each, beyond with the first one
THUMB = 48
PIXELS = 24_000_000  # of all thumbnails together
AXES = "axes"
Say = Callable[[str], None]


def group_data(
    points: Points, comparison: Comparison, methods: Sequence[str], notes: list[str], say: Say
) -> dict[str, Any]:
    """The maps of one set of points, the neighbors, how alike the embeddings are, and what changed most."""
    order = {id(run): place for place, row in enumerate(comparison.rows) for run in row.runs}
    ranked = sorted(range(len(points.runs)), key=lambda i: order[id(points.runs[i])])
    say(f"neighbors and similarity of {points.count:,} {points.kind} in {len(ranked)} embeddings")
    near = {i: neighbors(points.vectors[i], NEIGHBORS, points.cosine) for i in ranked}
    drawn = first_of_each(points, comparison)
    if len(drawn) < len(ranked):
        notes.append("of runs that differ by their seed only, the first one is mapped; the similarities are of all")
    chosen = possible(points, methods, notes)
    entries = [
        {"row": order[id(points.runs[i])], "name": points.runs[i].name, **map_data(points.vectors[i], near[i])}
        for i in drawn
    ]
    for entry, maps in zip(entries, drawn_maps([points.vectors[i] for i in drawn], chosen, points, say), strict=True):
        entry["places"] = maps
    if points.axes[0]:
        for entry, i in zip(entries, drawn, strict=True):
            entry["places"][AXES] = by_axes(points.axes[1][i].numpy())
    changed = compared(points, drawn, near, say)
    if points.count < points.total:
        which = "the most frequent" if points.kind == "words" else "chosen at random"
        notes.append(f"{points.count:,} of {points.total:,} {points.kind} are shown ({which}); more with --points N")
    return {
        "kind": points.kind,
        "layer": points.layer,
        "count": points.count,
        "total": points.total,
        "metric": "angle" if points.cosine else "Euclidean distance",
        "words": points.words,
        "sprite": sprite(points.images),
        "labels": [{"name": x.name, "classes": x.classes, "values": packed(narrow(x.values))} for x in points.labels],
        "scales": scales(points, drawn, changed),
        "axes": points.axes[0],
        "methods": [{"key": method, "name": METHODS[method], "limits": LIMITS[method]} for method in chosen],
        "maps": entries,
        "depth": depth_data(points, chosen, say),
        "changes": [change_data(points, drawn, pair, found) for pair, found in changed.items()],
        "similarity": similarity(points, ranked, near, order),
    }


def possible(points: Points, methods: Sequence[str], notes: list[str]) -> list[str]:
    """The methods that end in reasonable time; what is left out is noted."""
    chosen = [m for m in methods if m != "tsne" or points.count <= TSNE_MOST]
    if len(chosen) < len(methods):
        notes.append(f"no t-SNE of {points.count:,} {points.kind}: it takes minutes beyond {TSNE_MOST:,} (--points)")
    return chosen or ["pca"]


def map_data(vectors: Tensor, near: Tensor) -> dict[str, Any]:
    """What the page knows of one embedding beside its maps."""
    return {"width": vectors.shape[1], "near": packed(narrow(near)), "k": near.shape[1]}


def drawn_maps(
    embeddings: Sequence[Tensor], methods: Sequence[str], points: Points, say: Say, what: str = "embedding"
) -> list[dict[str, str]]:
    """For each embedding its maps by method, all turned to lie like the first one's."""
    maps: list[dict[str, str]] = [{} for _ in embeddings]
    for method in methods:
        like: Map | None = None
        for number, vectors in enumerate(embeddings, 1):
            say(f"{METHODS[method]} of {what} {number} of {len(embeddings)}")
            flat = project(vectors, method, points.cosine)
            flat = flat if like is None else turned(flat, like)
            like = flat if like is None else like
            maps[number - 1][method] = places(flat)
    return maps


def places(flat: Map) -> str:
    """A map within -1..1, packed."""
    return packed(torch.from_numpy((flat.clip(-1, 1) * 32767).round()).short())


def by_axes(values: Any) -> str:
    """The points along the first two formulas; both axes have the same scale, and their zero in the middle."""
    flat = np.asarray(values, dtype=np.float64)
    return places(flat / max(float(np.abs(flat).max(initial=0.0)), 1e-12))


def depth_data(points: Points, methods: Sequence[str], say: Say) -> list[dict[str, Any]]:
    """The maps of the input and of every layer of one run, in the order in which it computes them."""
    if not points.depth:
        return []
    # Turned from the output backwards: that one's map is the main one.
    names = list(points.depth)[::-1]
    maps = drawn_maps([points.depth[name] for name in names], methods, points, say, "layer")
    found = []
    for name, drawn in zip(names, maps, strict=True):
        near = neighbors(points.depth[name], NEIGHBORS, points.cosine)
        found.append({"row": 0, "name": name, **map_data(points.depth[name], near), "places": drawn})
    return found[::-1]


def first_of_each(points: Points, comparison: Comparison) -> list[int]:
    """Which embeddings of the points stand for the rows of a comparison, in their order."""
    order = {id(run): place for place, row in enumerate(comparison.rows) for run in row.runs}
    first: dict[int, int] = {}
    for i in sorted(range(len(points.runs)), key=lambda i: order[id(points.runs[i])]):
        first.setdefault(order[id(points.runs[i])], i)
    return list(first.values())


def compared(
    points: Points, drawn: Sequence[int], near: Mapping[int, Tensor], say: Say
) -> dict[tuple[int, int], Changes]:
    """What changed between the embeddings that are mapped, by their places among the maps."""
    pairs = list(combinations(range(len(drawn)), 2))
    pairs = pairs if len(drawn) <= ALL_PAIRS else [pair for pair in pairs if pair[0] == 0]
    if pairs and points.count >= 3:
        say(f"what changed most, {len(pairs)} pair{'s' if len(pairs) > 1 else ''} of embeddings")
        return {(a, b): between(points, drawn[a], drawn[b], near) for a, b in pairs}
    return {}


def between(points: Points, a: int, b: int, near: Mapping[int, Tensor]) -> Changes:
    """What changed from the embedding `a` of the points to `b`."""
    pair = near[a], near[b]
    return changes(points.vectors[a], points.vectors[b], NEIGHBORS, points.cosine, pair, points.relabelled(a, b))


def change_data(points: Points, drawn: Sequence[int], pair: tuple[int, int], found: Changes) -> dict[str, Any]:
    """The head of the list."""
    top = found.order[:LISTED]
    return {
        "pair": pair,
        "rows": top.tolist(),
        "moved": [round(value, 4) for value in found.moved[top].tolist()],
        "kept": [round(value, 4) for value in found.kept[top].tolist()],
        "median": [float(found.moved.median()), float(found.kept.mean())],
        "before": found.before[top].tolist(),
        "after": found.after[top].tolist(),
        "labels": [
            [f"{x.name}: {x.classes[x.values[i]]} → {y.classes[y.values[i]]}" if x.values[i] != y.values[i] else ""
             for x, y in zip(points.seen[drawn[pair[0]]], points.seen[drawn[pair[1]]], strict=False)]
            for i in top.tolist()
        ] if points.kind != "words" else [],
    }  # fmt: skip


def scales(points: Points, drawn: Sequence[int], changed: Mapping[tuple[int, int], Changes]) -> list[dict[str, Any]]:
    """Numbers that points can be coloured by: in 256 steps, with what the first and the last stand for."""
    found = {"length of the vector": points.vectors[drawn[0]].float().norm(dim=1)}
    for (a, b), change in changed.items():
        ends = f", {points.runs[drawn[a]].name} to {points.runs[drawn[b]].name}" if len(changed) > 1 else ""
        found["how far it moved" + ends] = change.moved
    result = []
    for name, values in found.items():
        low, high = float(values.min()), float(values.max())
        if high - low > 1e-6 * abs(high):
            steps = ((values - low) / (high - low) * 255).round().to(torch.uint8)
            result.append({"name": name, "low": low, "high": high, "values": packed(steps)})
    return result


def similarity(
    points: Points, ranked: Sequence[int], near: Mapping[int, Tensor], order: Mapping[int, int]
) -> dict[str, Any]:
    """Every run with every other one."""
    runs = [points.runs[i] for i in ranked]
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


def narrow(values: Tensor) -> Tensor:
    """Whole numbers from 0 on in as few bytes as hold them: the page reads the same from how many there are."""
    return values.to(torch.uint16) if not values.numel() or int(values.max()) < 65536 else values.to(torch.uint32)


def packed(values: Tensor) -> str:
    """Numbers as base64, little-endian; what is wider than two bytes says so by a leading `*`."""
    array = values.contiguous().numpy()
    text = base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
    return "*" + text if array.itemsize > 2 else text


def sprite(images: Tensor | None) -> dict[str, Any] | None:
    """All images in one, side by side, as a data URI; the smaller, the more they are."""
    if images is None:
        return None
    from PIL import Image

    from embloom.data.sprites import grid

    content, columns, (height, width) = grid(images, min(THUMB, int((PIXELS / len(images)) ** 0.5)))
    file = io.BytesIO()
    Image.fromarray(content).save(file, "WEBP", quality=85 if len(images) < TSNE_MOST else 70, method=4)
    url = "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
    return {"url": url, "columns": columns, "width": width, "height": height}
