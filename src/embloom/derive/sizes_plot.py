"""Sizes as a picture and as a page."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from embloom.derive.sizes import Measured, Size

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
body{color:#222;background:#fff}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #ddd}
img{max-width:100%}.chosen{background:#e8f3e8}@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}
td,th{border-color:#444}.chosen{background:#243824}img{background:#fff}}"""
COLORS = {"float32": "#1f77b4", "float16": "#17becf", "int8": "#2ca02c", "pq": "#9467bd", "binary": "#d62728"}


def plot(found: Measured, by: str, keep: float | None, title: str) -> bytes:
    """PNG: the score against bytes a vector, a line for each kind of number; and by which metric, where samples have
    labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11 if found.metrics else 6.4, 4.4), layout="constrained", dpi=110)
    figure.suptitle(title.replace("$", r"\$"))
    axes = figure.subplots(1, 2 if found.metrics else 1, squeeze=False)[0]
    for precision, color in COLORS.items():
        line = sorted((s.bytes, s.scores.get(by, float("nan"))) for s in found.sizes if s.precision == precision)
        if line:
            axes[0].plot(*zip(*line, strict=True), "o-", color=color, label=precision, ms=4, lw=1.2)
    chosen = found.smallest(by, keep) if keep is not None else None
    chance, full = found.chance.get(by, 0.0), found.sizes[0].scores[by]
    if chosen is not None and keep is not None:
        axes[0].axhline(chance + keep * (full - chance), color="0.5", lw=0.8, ls="--")
        axes[0].annotate(f"{chosen.name}: {chosen.bytes} bytes", (chosen.bytes, chosen.scores[by]), xytext=(12, -28),
                         textcoords="offset points", fontsize=9, bbox={"fc": "w", "ec": "none", "pad": 1},
                         arrowprops={"arrowstyle": "-", "color": "0.4"})  # fmt: skip
    scaled(axes[0], "bytes a vector", by, [size.bytes for size in found.sizes])
    if found.metrics:
        widths = sorted({width for width, _ in found.metrics})
        for metric, mark in zip(dict.fromkeys(metric for _, metric in found.metrics), "o^s", strict=False):
            axes[1].plot(
                widths, [found.metrics[width, metric] for width in widths], f"{mark}-", label=metric, ms=4, lw=1.2
            )
        scaled(axes[1], "numbers a vector, float32", "accuracy of 5 nearest neighbors", widths)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def scaled(axes: Any, below: str, beside: str, values: Sequence[int]) -> None:
    """An axis in powers of two, with what is said beside it."""
    axes.set_xscale("log", base=2)
    ticks = sorted({1 << (value - 1).bit_length() for value in values})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel(below)
    axes.set_ylabel(beside)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8, frameon=False)


def page(picture: bytes, rows: Sequence[Mapping[str, Any]], chosen: int | None, title: str, said: str) -> bytes:
    """A page of its own, which needs no network."""
    heads = list(rows[0])
    lines = [
        f"<tr{' class=chosen' if place == chosen else ''}>"
        + "".join(f"<td>{html.escape(shown(row.get(head)))}</td>" for head in heads) + "</tr>"
        for place, row in enumerate(rows)
    ]  # fmt: skip
    image = base64.b64encode(picture).decode()
    text = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title><style>{STYLE}</style>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(said)}</p><img alt='score against bytes a vector' "
        f"src='data:image/png;base64,{image}'><table><tr>{''.join(f'<th>{html.escape(h)}</th>' for h in heads)}</tr>"
        f"{''.join(lines)}</table></html>"
    )
    return text.encode()


def shown(value: Any) -> str:
    """A cell."""
    return f"{value:.4f}" if isinstance(value, float) else "" if value is None else str(value)


def sentence(found: Measured, size: Size, by: str, keep: float) -> str:
    """The answer to `--keep`."""
    full = found.sizes[0]
    above = " above chance" if found.chance.get(by) else ""
    return (
        f"the smallest that keeps {keep:.0%} of {by}{above}: {size.name}, {size.bytes:,} bytes a vector instead of "
        f"{full.bytes:,} ({size.scores[by]:.4f} instead of {full.scores[by]:.4f})"
    )
