"""The points that are mapped: the same test samples, or the same words, as each run's embedding places them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.embedding import Embedding
from embloom.artifact.extractor import finite, pooled
from embloom.artifact.loading import load
from embloom.artifact.saving import is_names
from embloom.artifact.vectors import Vectors
from embloom.assembly.build import build
from embloom.assembly.own import folders_in_use
from embloom.comparison.axes import Formula, along, class_means
from embloom.comparison.collect import Recorded
from embloom.comparison.from_files import classes_of
from embloom.comparison.similarity import kappa
from embloom.data.base import Dataset, Split
from embloom.data.samples import Label, Samples, sampled
from embloom.files.run_state import with_config_dirs

LEAST_COMMON = 0.2
AGREE = 0.5
WIDEST = 20_000  # numbers of an input that is mapped itself
CLUSTERS = 10
FREQUENT = 100  # words of a cluster, one of which is called typical
UNKNOWN = "unknown"


@dataclass
class Points:
    """Points that several runs place.

    Attributes:
        kind: `images`, `words` or `samples`.
        total: how many there are; fewer may be shown.
        labels: what they can be coloured by.
        words: what each is called, for words.
        images: (N, C, H, W) in 0..1, for images.
        layer: which layer's.
        cosine: whether nearness is one of angles, as is usual for words, not of distances.
        runs: the runs, and in the same order
        vectors: their embeddings (N, D), and
        seen: the labels as each of them has them.
        axes: formulas, and for each run where the points stand along them (N, formulas).
        depth: of one run, what it is given and what each of its layers makes of it (N, width), by name.
    """

    kind: str
    total: int
    labels: list[Label] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    images: Tensor | None = None
    layer: str = "embedding"
    cosine: bool = False
    runs: list[Recorded] = field(default_factory=list)
    vectors: list[Tensor] = field(default_factory=list)
    seen: list[list[Label]] = field(default_factory=list)
    axes: tuple[list[str], list[Tensor]] = field(default_factory=lambda: ([], []))
    depth: dict[str, Tensor] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many are shown."""
        return len(self.vectors[0])

    def relabelled(self, one: int, other: int) -> Tensor:
        """Which points two runs label differently, (N,)."""
        found = torch.zeros(self.count, dtype=torch.bool)
        for first, second in zip(self.seen[one], self.seen[other], strict=True) if self.seen else ():
            found |= first.values != second.values
        return found


@dataclass
class Rows:
    """A table of named rows.

    Attributes:
        run: whose it is.
        names: what its rows are called.
        table: (N, D).
        classes: attribute -> what its classes are called, and that of each row.
    """

    run: Recorded
    names: list[str]
    table: Tensor
    classes: dict[str, tuple[list[str], list[int]]] = field(default_factory=dict)


class Gatherer:
    """Embeds the same points with run after run.

    Args:
        count: at most so many points, chosen at random (words: the first, which are the most frequent).
        layer: the layer to show.
        overrides: settings of the dataset that are other than in training (`{"root": "/data/mnist"}`).
        metric: `euclidean`, `cosine`, or `auto`: cosine for words, else Euclidean.
        split: whose samples.
        axes: formulas of axes.
        depth: of one run the input and all layers too.
        colored: whether words get something to be coloured by.
    """

    def __init__(
        self,
        count: int,
        layer: str,
        overrides: Mapping[str, Any],
        metric: str = "auto",
        split: Split = "test",
        axes: Sequence[Formula] = (),
        depth: bool = False,
        colored: bool = True,
    ) -> None:
        self.count, self.layer, self.overrides = count, layer, dict(overrides)
        self.metric, self.split, self.axes, self.depth = metric, split, list(axes), depth
        self.colored, self.tables = colored, list[Rows]()
        self.problems: list[str] = []
        self.datasets: dict[str, Dataset] = {}

    def gather(self, runs: Sequence[Recorded]) -> list[Points]:
        """The points by what they are; what kept a run from being among them is in `problems`."""
        found: dict[str, Points] = {}
        tables = self.tables = []
        for run in runs:
            try:
                if run.vectors is not None:
                    tables.append(rows_of_file(run, run.vectors))
                    continue
                embedding = load(run.folder)
                if self.layer not in embedding.layers:
                    raise ValueError(f"there is no layer '{self.layer}'; available: {', '.join(embedding.layers)}")
                table = embedding.encoder.tables().get(self.layer)
                if table is not None:
                    names = embedding.keys.get(self.layer) or [str(row) for row in range(len(table))]
                    tables.append(Rows(run, names, finite(table.detach().float()), classes(embedding, self.layer)))
                else:
                    self.add(found, run, embedding)
            except (ValueError, OSError) as error:
                self.problems.append(f"no map of {run.name}: {error}{self.advice(run)}")
        distinct = {id(points): points for points in found.values()}
        groups = [*distinct.values(), *common_words(tables, self.count, self.colored)]
        rows = {id(entry.run): entry for entry in tables}
        for points in groups:
            points.layer = self.layer
            points.cosine = self.metric == "cosine" or (self.metric == "auto" and points.kind == "words")
            self.measure(points, rows)
        return groups

    def measure(self, points: Points, rows: Mapping[int, Rows]) -> None:
        """Places the points along the formulas' directions: in all runs, or in none."""
        if not self.axes:
            return
        found = []
        try:
            for run, vectors, labels in zip(points.runs, points.vectors, points.seen, strict=True):
                names, table = class_means(vectors, ((label.classes, label.values) for label in labels))
                if id(run) in rows:
                    table = rows[id(run)].table
                    names = {}
                    for row, name in enumerate(rows[id(run)].names):
                        names.setdefault(name, row)
                parts = [along(vectors, asked, names, table, points.cosine) for asked in self.axes]
                found.append(torch.stack(parts, 1))
        except ValueError as error:
            self.problems.append(str(error))
        else:
            points.axes = [asked.text for asked in self.axes], found

    def advice(self, run: Recorded) -> str:
        """What to type where the data may have moved, or parts are the user's own."""
        places = [f"dataset.{key}=..." for key in run.locations if key in run.config["dataset"]]
        moved = f" (if the data is elsewhere, add {' or '.join(places)})" if places else ""
        own = "" if folders_in_use() else "".join(f" {o}" for o in with_config_dirs(run.state.config_dirs))
        return f" (if you trust your folder, add{own})" if own else moved

    def add(self, found: dict[str, Points], run: Recorded, embedding: Embedding) -> None:
        """Embeds the test samples of the run's dataset."""
        dataset = self.dataset(run)
        deep = [name for name in embedding.encoder.activations() if name in embedding.layers] if self.depth else []
        layers = list(dict.fromkeys([*deep, self.layer]))
        inputs = set(embedding.wire.source.values()) if self.depth else ()
        samples = sampled(dataset, embedding.wire, layers, self.count, torch.device("cpu"), self.split, inputs)
        kind = "samples" if samples.images is None else "images"
        group = found.get(samples.identity) or next((x for x in found.values() if same_samples(x, samples)), None)
        group = group or Points(kind, samples.total, samples.labels, [], samples.images)
        found[samples.identity] = group
        group.runs.append(run)
        group.vectors.append(finite(pooled(samples.vectors[self.layer], None)))
        group.seen.append(samples.labels)
        read = {f"{name} (input)": values.flatten(1) for name, values in samples.inputs.items()}
        deeper = {name: finite(pooled(samples.vectors[name], None)) for name in deep}
        group.depth = {name: values for name, values in {**read, **deeper}.items() if values.shape[1] <= WIDEST}

    def dataset(self, run: Recorded) -> Dataset:
        """The dataset of a run, read once for all runs that share it."""
        node = {**run.config["dataset"]}
        node |= {key: value for key, value in self.overrides.items() if key in node}
        if "download" in node:
            node["download"] = False
        same = {key: value for key, value in node.items() if key not in run.training_only}
        key = json.dumps(same, sort_keys=True, default=str)
        if key not in self.datasets:
            dataset = build(node, Dataset, where="dataset", supplied={"seed": 0})
            dataset.prepare_data()
            dataset.setup("fit")
            self.datasets[key] = dataset
        return self.datasets[key]


def rows_of_file(run: Recorded, vectors: Vectors) -> Rows:
    """The rows of a file, called by their numbers where they have no names."""
    known = {label: (found.names, found.codes.tolist()) for label, found in classes_of(vectors).items()}
    return Rows(run, vectors.names or [str(row) for row in range(len(vectors))], finite(vectors.rows), known)


def same_samples(points: Points, samples: Samples) -> bool:
    """Whether some samples are those of a group though a few of their labels differ, as where some were corrected: the
    labels agree far better than by chance (Cohen's kappa)."""
    if not samples.labels or (points.total, [x.name for x in points.labels]) != (
        samples.total,
        [x.name for x in samples.labels],
    ):
        return False
    return all(
        one.classes == other.classes
        and len(one.values) == len(other.values)
        and kappa(one.values, other.values) > AGREE
        for one, other in zip(points.labels, samples.labels, strict=True)
    )


def classes(embedding: Embedding, table: str) -> dict[str, tuple[list[str], list[int]]]:
    """Attribute -> what its classes are called, and that of each row, as the card has them; none that do not fit."""
    found = {}
    known = embedding.card.get("row_classes")
    for name, about in (known.get(table, {}) if isinstance(known, dict) else {}).items():
        names, codes = about.get("names"), about.get("codes")
        rows = len(embedding.keys.get(table, []))
        fits = is_names(names) and isinstance(codes, list) and len(codes) == rows
        if fits and all(isinstance(code, int) and -1 <= code < len(names) for code in codes):
            found[str(name)] = (names, codes)
    return found


def common_words(tables: Sequence[Rows], count: int, colored: bool = True) -> list[Points]:
    """Tables of named rows, together where they share enough of their names; then only the shared ones are shown."""
    parts: list[tuple[set[str], list[Rows]]] = []
    for entry in tables:
        names = set(entry.names)
        for place, (shared, members) in enumerate(parts):
            if len(shared & names) >= LEAST_COMMON * min(len(shared), len(names)):
                parts[place] = (shared & names, [*members, entry])
                break
        else:
            parts.append((names, [entry]))
    return [of_words(shared, members, count, colored) for shared, members in parts]


def of_words(shared: set[str], members: Sequence[Rows], count: int, colored: bool = True) -> Points:
    """The first `count` shared names, in the order of the first table."""
    words = [name for name in dict.fromkeys(members[0].names) if name in shared][:count]
    points = Points("words", len(shared), words=words)
    for member in members:
        place = {name: row for row, name in enumerate(member.names)}
        points.runs.append(member.run)
        points.vectors.append(member.table[[place[word] for word in words]])
    place = {name: row for row, name in enumerate(members[0].names)}
    for label, (names, codes) in members[0].classes.items():
        values = torch.tensor([codes[place[word]] for word in words])
        unknown = [UNKNOWN] if bool((values < 0).any()) else []
        points.labels.append(Label(label, [*names, *unknown], torch.where(values < 0, len(names), values)))
    if colored:
        points.labels += [clusters(points)] if points.labels else [clusters(points), ranks(len(words))]
    points.seen = [points.labels for _ in members]
    return points


def clusters(points: Points) -> Label:
    """Words have no classes: groups of near ones in the first run show whether other runs keep them together."""
    from sklearn.cluster import KMeans

    rows = torch.nn.functional.normalize(points.vectors[0], dim=1)
    number = max(1, min(CLUSTERS, len(rows) // 5))
    found = torch.from_numpy(KMeans(number, n_init=1, random_state=0).fit_predict(rows.numpy())).long()
    names = [typical(points.words, rows, found, i) for i in range(number)]
    return Label(f"groups in {points.runs[0].name}", names, found)


def typical(words: Sequence[str], rows: Tensor, found: Tensor, cluster: int) -> str:
    """The three words that tell a cluster from the rest the best, of those that are frequent in it.

    Args:
        words: N, the most frequent first.
        rows: (N, D), of length 1.
        found: (N,) the cluster of each.
        cluster: which one.
    """
    members = (found == cluster).nonzero().flatten()
    inside, outside = rows[members].mean(0), rows[found != cluster].sum(0) / max(1, len(rows) - len(members))
    frequent = members[: max(3, min(FREQUENT, len(members) // 2))]
    best = (rows[frequent] @ (inside - outside)).topk(min(3, len(frequent))).indices
    return ", ".join(words[i] for i in frequent[best].tolist())


def ranks(count: int) -> Label:
    """Bands of the rank by frequency."""
    edges = [edge for edge in (100, 300, 1000, 3000, 10_000, 30_000) if edge < count]
    starts = [1, *(edge + 1 for edge in edges)]
    names = [f"{start:,} to {end:,}" for start, end in zip(starts, [*edges, count], strict=True)]
    values = torch.bucketize(torch.arange(count), torch.tensor(edges), right=True)
    return Label("rank by frequency", names, values)
