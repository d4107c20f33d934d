"""An embedding that encodes into the space of another one: a map is found from pairs, measured on others, and kept."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.lineage import Parent, described
from embloom.artifact.staged import After
from embloom.artifact.stages.base import Stage
from embloom.derive.fitting import fitted
from embloom.derive.quantizers import node_of
from embloom.derive.writing import Source, derived
from embloom.probes.knn import KNN

HELD_OUT = 0.1  # of the pairs
MOST_HELD = 2000
VOTES = 5


@dataclass
class Pairs:
    """Vectors of the same things in two spaces.

    Attributes:
        new: (N, D) by the embedding that is aligned.
        old: (N, E) by the one that it is aligned to.
        held: numbers (n,) of the pairs that nothing is fitted to.
        stock: (M, E) all vectors of the old space that a held-out pair is looked for in; the pairs' own come first.
        labels: label -> classes, of `old` as an index; of held-out queries; how many classes.
        what: what the pairs are, in words.
    """

    new: Tensor
    old: Tensor
    held: Tensor
    stock: Tensor
    labels: dict[str, tuple[Tensor, Tensor, int]] = field(default_factory=dict)
    what: str = "pairs"

    @property
    def fit(self) -> Tensor:
        """The numbers of the pairs that a map is fitted to."""
        kept = torch.ones(len(self.new), dtype=torch.bool)
        kept[self.held] = False
        return kept.nonzero().flatten()


@dataclass
class Aligned:
    """What came of it: where it is, how many pairs there were, and the figures."""

    folder: Path
    fitted: int
    held: int
    figures: dict[str, float]


def held_out(count: int) -> Tensor:
    """The numbers of the pairs to measure with, the same each time.

    Raises:
        ValueError: there are too few.
    """
    if count < 10:
        raise ValueError(f"{count} pairs are too few: it takes at least 10, some of which measure the map")
    size = min(MOST_HELD, max(2, int(HELD_OUT * count)))
    return torch.randperm(count, generator=torch.Generator().manual_seed(0))[:size].sort().values


def of_names(
    new: tuple[Sequence[str], Tensor], old: tuple[Sequence[str], Tensor], pairs: Sequence[tuple[str, str]]
) -> Pairs:
    """Pairs of named rows.

    Args:
        new: names and rows (N, D).
        old: likewise (M, E).
        pairs: a name here and a name there; none: the same names.

    Raises:
        ValueError: too few are known on both sides.
    """
    here, there = ({name: row for row, name in reversed(list(enumerate(names)))} for names, _ in (new, old))
    given = list(pairs) or [(name, name) for name in here]
    known = [(here[a], there[b]) for a, b in given if a in here and b in there]
    if len(known) < 10:
        what = (
            f"of {len(given):,} pairs {len(known)} are names of rows on both sides"
            if pairs
            else (f"{len(known)} rows have the same name")
        )
        raise ValueError(f"{what}: it takes at least 10. Name others with --pairs FILE, a line for each: cat,gato")
    one, other = torch.tensor(known).unbind(1)
    rest = torch.ones(len(old[1]), dtype=torch.bool)
    rest[other] = False
    stock = torch.cat([old[1][other], old[1][rest]])
    return Pairs(new[1][one], old[1][other], held_out(len(known)), stock, what=f"{len(known):,} pairs of names")


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """A pair a line, with a comma, a tab or white space between.

    Raises:
        ValueError: it cannot be read, or a line is something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"--pairs {path}: it cannot be read: {error.strerror}") from None
    except UnicodeError:
        raise ValueError(f"--pairs {path}: it is no text in UTF-8: save it as such") from None
    found: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        mark = "," if "," in line else "\t" if "\t" in line else " "
        cells = next(csv.reader([line], delimiter=mark)) if mark != " " else line.split()
        if len(cells) != 2 or not all(cell.strip() for cell in cells):
            raise ValueError(f"--pairs {path}, line {number}: it is not two names, such as cat,gato")
        found.append((cells[0].strip(), cells[1].strip()))
    if not found:
        raise ValueError(f"--pairs {path}: it holds no pairs")
    return found


def align(new: Source, old: Source, layers: tuple[str, str], pairs: Pairs, kind: str, folder: Path) -> Aligned:
    """Finds the map and writes the artifact.

    Args:
        new: what is aligned.
        old: what it is aligned to.
        layers: of each, which layer.
        pairs: the same things in both.
        kind: see `embloom.derive.fitting`.
        folder: a new one.

    Raises:
        ValueError: there are too few pairs.
    """
    stage = fitted(kind, pairs.new[pairs.fit], pairs.old[pairs.fit])
    figures = measured(stage, pairs)
    settings = {"kind": kind, "layer": layers[0], "to_layer": layers[1], "pairs": len(pairs.fit), "of": pairs.what}
    parents = [Parent(old.embedding.content_hash, str(old.place), "aligned to"),
               Parent(new.embedding.content_hash, str(new.place), "trained from")]  # fmt: skip
    lineage = described(parents, figures, settings)
    after = [*new.after, After(layers[0], node_of(stage), stage)]
    derived(folder, new, after, lineage, spaces={layers[0]: old.space(layers[1])})
    return Aligned(folder, len(pairs.fit), len(pairs.held), figures)


@torch.no_grad()
def measured(stage: Stage, pairs: Pairs) -> dict[str, float]:
    """What is promised: how often a held-out pair is found, and how well labels are found by neighbors, by each kind of
    query among each kind of stock."""
    moved = stage(pairs.new[pairs.held])
    found = recalls(moved, pairs.stock, pairs.held)
    found["cosine"] = float(F.cosine_similarity(moved, pairs.old[pairs.held]).mean())
    before = pairs.new[pairs.held]
    if before.shape[1] == pairs.stock.shape[1]:
        found["recall_at_1_before"] = recalls(before, pairs.stock, pairs.held)["recall_at_1"]
    for label, (index, truth, classes) in pairs.labels.items():
        fit = pairs.fit
        queries = {"old": pairs.old[pairs.held], "new": moved}
        stocks = {"old": pairs.old[fit], "new": stage(pairs.new[fit])}
        for query, stock in (("new", "old"), ("old", "old"), ("new", "new")):
            found[f"{query}_on_{stock}_{label}"] = voted(stocks[stock], index[fit], queries[query], truth, classes)
        if before.shape[1] == pairs.old.shape[1]:
            found[f"new_on_old_{label}_before"] = voted(stocks["old"], index[fit], before, truth, classes)
    return found


def voted(stock: Tensor, index: Tensor, queries: Tensor, truth: Tensor, classes: int) -> float:
    """How often the five nearest of a stock agree on the class of a query."""
    return KNN(min(VOTES, len(stock))).accuracy(stock, index, queries, truth, classes)


def recalls(queries: Tensor, stock: Tensor, true: Tensor) -> dict[str, float]:
    """How often the right row is the nearest by cosine, and among the five nearest."""
    unit = F.normalize(stock.float(), dim=1)
    near = torch.cat(
        [(F.normalize(part, dim=1) @ unit.T).topk(min(5, len(unit))).indices for part in queries.split(256)]
    )
    right = near == true[:, None]
    return {"recall_at_1": float(right[:, 0].double().mean()), "recall_at_5": float(right.any(1).double().mean())}


def of_samples(
    new: Mapping[str, Tensor], old: Mapping[str, Tensor], layers: tuple[str, str], labels: Mapping[str, int],
    tested: tuple[Mapping[str, Tensor], Mapping[str, Tensor]],
) -> Pairs:  # fmt: skip
    """Pairs of the same samples: those of the training split are fitted to, those of the test split measure.

    Args:
        new, old: layer -> (N, D), and label -> (N,), of training samples.
        layers: of each.
        labels: label -> how many classes.
        tested: the same of test samples.
    """
    one, other = layers
    count = len(new[one])
    joined = torch.cat([new[one], tested[0][one]]), torch.cat([old[other], tested[1][other]])
    held = torch.arange(count, len(joined[0]))
    known = {
        label: (torch.cat([old[label], tested[1][label]]), tested[1][label], classes)
        for label, classes in labels.items()
    }
    what = f"{count:,} samples of the training split, measured on {len(held):,} of the test split"
    return Pairs(*joined, held, joined[1], known, what)


def told(figures: Mapping[str, float]) -> list[tuple[str, Any]]:
    """The figures in words."""
    return [(name.replace("_", " "), value) for name, value in figures.items()]
