"""What an embedding keeps at every size: fewer numbers a vector, fewer bytes a number, measured by probes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.stages.base import Quantizer, Stage
from embloom.derive.quantizers import KINDS, narrowing, neighbors_kept, quantizer
from embloom.probes.base import Frozen, Probe
from embloom.probes.knn import KNN, METRICS
from embloom.probes.run import measured

LAYER = "embedding"  # what a probe sees the measured layer as
SMALLEST = 2  # numbers
STEPS = 4  # halvings of the width
FULL = "float32"


@dataclass
class Size:
    """One size.

    Attributes:
        width: numbers a vector.
        how: `full`, `nested` or `pca`.
        precision: `float32` or a quantizer's kind.
        bytes: a vector.
        scores: figure -> value.
    """

    width: int
    how: str
    precision: str
    bytes: int
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`64 pca int8`."""
        return " ".join([str(self.width), *([self.how] if self.how != "full" else []), self.precision])


@dataclass
class Measured:
    """What was found.

    Attributes:
        sizes: the full one first.
        metrics: of samples with labels: (width, metric) -> accuracy of five nearest neighbors, in float32.
        chance: figure -> what guessing gets.
        failed: probe -> why it could not be run.
    """

    sizes: list[Size]
    metrics: dict[tuple[int, str], float] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def kept(self, size: Size, by: str) -> float:
        """The share of what the full one has above chance that a size has."""
        chance, full = self.chance.get(by, 0.0), self.sizes[0].scores[by]
        return (size.scores.get(by, float("nan")) - chance) / (full - chance) if full > chance else float("nan")

    def smallest(self, by: str, share: float) -> Size | None:
        """The one of the fewest bytes that keeps a share; the full one where none does; None where the full one itself
        is not above chance."""
        if not self.sizes[0].scores[by] > self.chance.get(by, 0.0):
            return None
        good = [size for size in self.sizes if self.kept(size, by) >= share]
        return min(good, key=lambda size: (size.bytes, -size.scores[by]), default=self.sizes[0])


def measure(
    frozen: Frozen,
    probes: Mapping[str, Probe],
    widths: Sequence[int],
    nested: Sequence[int],
    kinds: Sequence[str] = KINDS,
) -> Measured:
    """Measures every size.

    Args:
        frozen: what probes see of the full embedding; the layer is called `embedding`, as a table or of samples, or
            there are `items` and `users`.
        probes: the probes.
        widths: how many numbers.
        nested: for which of them the first numbers were trained.
        kinds: the quantizers.
    """
    rows = fitted_to(frozen)
    found = Measured([])
    for width in sorted({*widths, rows.shape[1]}, reverse=True):
        narrow = narrowing(rows, width, width in nested) if width < rows.shape[1] else None
        how = "full" if narrow is None else "nested" if width in nested else "pca"
        small = rows if narrow is None else narrow(rows)
        for kind, stage in quantizers(small, kinds):
            size = Size(width, how, kind, stage.bytes_each if stage else 4 * width)
            seen = changed(frozen, [part for part in (narrow, stage) if part is not None])
            told = measured(probes, seen)
            size.scores = {tag.removeprefix("probe/"): value for tag, value in told.values.items()}
            size.scores["neighbors_kept"] = neighbors_kept(rows, fitted_to(seen))
            found.failed |= told.failed
            found.sizes.append(size)
            if kind == FULL and frozen.labels:
                found.metrics |= {(width, metric): accuracy(seen, metric) for metric in METRICS}
    found.chance = chances(frozen, found.sizes[0].scores)
    return found


def fitted_to(frozen: Frozen) -> Tensor:
    """The vectors that stages are fitted to."""
    if frozen.tables:
        return torch.cat([table.float() for table in frozen.tables.values()])
    return frozen.fit[LAYER].float()


def quantizers(rows: Tensor, kinds: Sequence[str]) -> Iterator[tuple[str, Quantizer | None]]:
    """Float32, and every quantizer that can be made."""
    yield FULL, None
    for kind in kinds:
        try:
            yield kind, quantizer(kind, rows, fine=False)
        except ValueError:
            continue  # too few rows for product quantization, or no faiss


def changed(frozen: Frozen, stages: Sequence[Stage]) -> Frozen:
    """What probes see after some stages."""

    def after(rows: Tensor) -> Tensor:
        for stage in stages:
            rows = stage(rows.float())
        return rows

    if not frozen.tables:
        fit, score = ({**part, LAYER: after(part[LAYER])} for part in (frozen.fit, frozen.score))
        return replace(frozen, fit=fit, score=score)
    tables = {name: after(table) for name, table in frozen.tables.items()}
    asked = frozen.recommending
    if asked is not None:
        asked = replace(asked, scores=products(tables["users"], tables["items"]))
    return replace(frozen, tables=tables, recommending=asked)


def products(users: Tensor, items: Tensor) -> Callable[[Tensor], Tensor]:
    """How people would like items, by the products of their vectors."""
    return lambda people: users[people] @ items.T


def accuracy(frozen: Frozen, metric: str) -> float:
    """Of five nearest neighbors, by the first label."""
    label, classes = next(iter(frozen.labels.items()))
    probe = KNN(5, metric)
    return probe.accuracy(frozen.fit[LAYER], frozen.fit[label], frozen.score[LAYER], frozen.score[label], classes)


def chances(frozen: Frozen, scores: Mapping[str, float]) -> dict[str, float]:
    """Of figures that are accuracies of labels, what always naming the most frequent class gets; of others 0."""
    found: dict[str, float] = {}
    for label, classes in frozen.labels.items():
        share = float(torch.bincount(frozen.score[label], minlength=classes).max() / len(frozen.score[label]))
        found |= {name: share for name in scores if name.endswith(f"_{label}")}
    return found


def halved(width: int) -> list[int]:
    """A width, and the powers of two below it, a few."""
    powers = [1 << n for n in range(1, 20) if SMALLEST <= 1 << n < width]
    return [width, *powers[::-1][:STEPS]]


def records(found: Measured, by: str) -> list[dict[str, Any]]:
    """A record a size, for tables of all kinds."""
    return [
        {
            "numbers": size.width,
            "from": size.how,
            "precision": size.precision,
            "bytes": size.bytes,
            "kept": found.kept(size, by),
            **{name: value for name, value in size.scores.items() if name in (by, "neighbors_kept")},
        }
        for size in found.sizes
    ]
