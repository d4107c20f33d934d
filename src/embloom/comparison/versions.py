"""Two versions of an embedding: whether their vectors can be mixed, what differs, and which rows changed most.

An embedding is used through its distances, so what counts is what stays of them. Rows are matched by name, samples by
the dataset that both runs saw. What changed most is found from the vectors alone; rows whose label differs are listed
apart, since a label says nothing about the vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.agreement import of_others, promise
from embloom.artifact.saving import artifact_folder, read_card
from embloom.artifact.saving import read as read_artifact
from embloom.comparison.changes import Changes, changes, name_of, records
from embloom.comparison.collect import Recorded, differing, flat, shown
from embloom.comparison.points import Gatherer, Points
from embloom.comparison.related import relation
from embloom.comparison.table import CHANCE

NEIGHBORS = 10
FEWEST = 3  # rows, to speak of neighbors
CLOSE = 0.05  # of the cosine: what a rotation may add where two embeddings lie in one space
ABOVE = 0.5  # so much of what lies between other rows' cosine and 1 is there
OWN = 0.8  # so many at least of the rows that lie nearest to themselves after a rotation do so without one
NONE = "-"  # for what one version has not
SOME = 20  # names that are listed of those that came and went


@dataclass
class Group:
    """Rows that both versions have.

    Attributes:
        points: the rows and their vectors in both.
        changes: of them.
        figures: see `promise`.
        widths: of the vectors.
        gone: names that only the first version has.
        came: names that only the second has.
        relabelled: (N,), whose label differs.
        empty: how many rows are zero in one of both.
        equal: all vectors are the same to the bit.
    """

    points: Points
    changes: Changes
    figures: dict[str, float]
    widths: tuple[int, int]
    gone: list[str]
    came: list[str]
    relabelled: Tensor
    empty: int = 0
    equal: bool = False

    @property
    def one_space(self) -> bool:
        """Whether the vectors, as they stand, lie as near as after the best rotation, and nearer than other rows: where
        all lie to one side, a rotation may add nothing since there is nothing in common."""
        apart = self.figures["cosine_turned"] - self.figures.get("cosine", -1.0)
        chance = self.figures.get("cosine_of_others", 0.0)
        if self.figures.get("cosine", -1.0) - chance < ABOVE * (1 - chance):
            return False
        own = self.figures.get("own_nearest", 0.0) >= OWN * self.figures["own_nearest_turned"]
        return apart <= CLOSE and own

    @property
    def spread(self) -> list[float]:
        """The share of rows that keep 0, 1, ... all of their nearest neighbors."""
        k = self.changes.before.shape[1]
        counts = torch.bincount((self.changes.kept * k).round().long(), minlength=k + 1)
        return (counts / max(1, self.points.count)).tolist()


@dataclass
class Versions:
    """Two versions side by side.

    Attributes:
        runs: the two.
        hashes: of their contents, '' where a file does not say.
        groups: the rows that both have.
        related: what their cards say of each other, '' for nothing.
        said: whether that puts them into one space.
        settings: (what, before, after) of the settings that differ, and
        data: of what is known of the data, and
        scores: of probes and other scores.
        problems: why something could not be compared.
    """

    runs: tuple[Recorded, Recorded]
    hashes: tuple[str, str]
    groups: list[Group] = field(default_factory=list)
    related: str = ""
    said: bool = False
    settings: list[tuple[str, str, str]] = field(default_factory=list)
    data: list[tuple[str, str, str]] = field(default_factory=list)
    scores: list[tuple[str, float | None, float | None]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether they are one embedding."""
        return bool(self.hashes[0]) and self.hashes[0] == self.hashes[1]


def versions(runs: Sequence[Recorded], gatherer: Gatherer, k: int = NEIGHBORS) -> Versions:
    """Compares two versions.

    Args:
        runs: two, the earlier one first.
        gatherer: what embeds the points of both.
        k: how many neighbors count.
    """
    before, after = runs
    for run in runs:
        check_whole(run)
    cards = [card_of(run) for run in runs]
    first, second = (
        str(card.get("content_hash", "")) or (run.vectors.content_hash if run.vectors else "")
        for run, card in zip(runs, cards, strict=True)
    )
    found = Versions((before, after), (first, second))
    found.settings = [
        (key, *(shown(run.settings[key]) if key in run.settings else NONE for run in runs))  # type: ignore[misc]
        for key in differing(runs)
    ]
    found.data = data_of(cards)
    found.scores = scores_of(runs)
    found.related, found.said = relation(runs, found.hashes)
    groups = gatherer.gather(runs)
    found.groups = [group_of(points, gatherer, runs, k) for points in groups if comparable(points, runs)]
    found.problems = list(gatherer.problems)
    return found


def check_whole(run: Recorded) -> None:
    """Raises:
    ValueError: the artifact of a run is there and damaged: what its card says would be said of other vectors.
    """
    if run.vectors is None and (place := artifact_folder(run.folder)).is_dir():
        read_artifact(place)


def comparable(points: Points, runs: Sequence[Recorded]) -> bool:
    """Whether both versions place the points, and enough of them to speak of neighbors."""
    return points.count >= FEWEST and all(any(run is one for one in points.runs) for run in runs)


def group_of(points: Points, gatherer: Gatherer, runs: Sequence[Recorded], k: int) -> Group:
    """Compares the rows that both have."""
    places = [next(i for i, one in enumerate(points.runs) if one is run) for run in runs]
    one, other = (points.vectors[i] for i in places)
    names = [next((set(rows.names) for rows in gatherer.tables if rows.run is run), set()) for run in runs]
    ordered = [[name for rows in gatherer.tables if rows.run is run for name in rows.names] for run in runs]
    return Group(
        points,
        changes(one, other, k, points.cosine),
        {**promise(one, other, k), **of_others(one, other)},
        (one.shape[1], other.shape[1]),
        [name for name in ordered[0] if name not in names[1]],
        [name for name in ordered[1] if name not in names[0]],
        points.relabelled(*places),
        int((~(one.any(1) & other.any(1))).sum()),
        torch.equal(one, other),
    )


def card_of(run: Recorded) -> dict[str, Any]:
    """What the artifact of a run says; nothing where there is none."""
    try:
        return read_card(artifact_folder(run.folder)) if run.vectors is None else {}
    except (ValueError, OSError):
        return {}


def data_of(cards: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """What differs of what the cards say of their data."""
    one, other = (flat(card["data"]) if isinstance(card.get("data"), dict) else {} for card in cards)
    if not one or not other:
        return []
    texts = [(key, shown(one.get(key, NONE)), shown(other.get(key, NONE))) for key in dict.fromkeys([*one, *other])]
    return [(key, before, after) for key, before, after in texts if before != after]


def scores_of(runs: Sequence[Recorded]) -> list[tuple[str, float | None, float | None]]:
    """Probes and other scores that either has, the levels of chance left out."""
    tags = dict.fromkeys(tag for run in runs for tag in run.metrics)
    scores = [tag for tag in tags if tag.startswith(("probe/", "test/")) and not tag.startswith((CHANCE, "test/loss"))]
    return [(tag, *(run.metrics.get(tag) for run in runs)) for tag in scores]  # type: ignore[misc]


def verdict(found: Versions) -> list[str]:
    """What it comes to, in sentences."""
    if found.same:
        return ["They are the same embedding: equal content hashes."]
    lines = [f"Their cards say: {found.related}."] if found.related else []
    if not found.groups:
        return [*lines, f"They cannot be compared: there are not {FEWEST} rows or samples that both have."]
    for group in found.groups:
        same = [f"The vectors of all {group.points.count:,} {group.points.kind} are the same to the bit."]
        lines += [*(same if group.equal else [space(group, found.said), stays(group)]), *rows_that_differ(group)]
    return lines


def space(group: Group, said: bool) -> str:
    """Whether vectors of both can be mixed, with what was measured."""
    figures, what = group.figures, group.points.kind
    after = f"{figures['cosine_turned']:.2f} after the best rotation"
    if group.widths[0] != group.widths[1]:
        return (
            f"Their vectors cannot be mixed: they have {group.widths[0]} and {group.widths[1]} numbers (the mean "
            f"cosine of the same {what} is {after})."
        )
    evidence = (
        f"the mean cosine of the same {what} is {figures['cosine']:.2f} as they stand, {after}, of others "
        f"{figures['cosine_of_others']:.2f}; "
        f"{figures['own_nearest']:.0%} lie nearest to themselves, after it {figures['own_nearest_turned']:.0%}"
    )
    if group.one_space:
        return f"They lie in one space, and their vectors can be mixed: {evidence}."
    if said:
        return f"Their cards promise one space, and it is not measured: do not mix their vectors. It was: {evidence}."
    return f"Their vectors cannot be mixed, distances between the two mean nothing: {evidence}."


def stays(group: Group) -> str:
    """How many neighbors stay, and of how many rows how few."""
    spread, k = group.spread, len(group.spread) - 1
    kept = group.changes.kept
    return (
        f"Of the {k} nearest neighbors {float(kept.mean()):.0%} stay, half of the {group.points.kind} keep "
        f"{round(float(kept.median()) * k)} or more; {spread[-1]:.1%} keep all, {spread[0]:.1%} none."
    )


def rows_that_differ(group: Group) -> Iterator[str]:
    """Rows that only one has, and other labels."""
    for names, what in ((group.gone, "are gone"), (group.came, "are new")):
        if names:
            more = ", ..." if len(names) > SOME else ""
            yield f"{len(names):,} {what}: {', '.join(names[:SOME])}{more}."
    if (empty := group.empty) and not group.equal:
        yield f"{empty:,} of the {group.points.count:,} {group.points.kind} are zero in one of both: left out above."
    if count := int(group.relabelled.sum()):
        yield f"{count:,} of the {group.points.count:,} {group.points.kind} have another label; they are listed apart."


def listed(group: Group, most: int) -> list[dict[str, Any]]:
    """What changed most, for programs and people; see `changes.records`."""
    found = records(group.changes, group.points.words, most)
    return [{**one, "labels": labels_of(group.points, one["row"])} for one in found]


def labels_of(points: Points, row: int) -> list[str]:
    """How both label a row of samples: `label: 3`, or `label: 3 → 5` where they differ."""
    if points.kind == "words" or len(points.seen) < 2:
        return []
    found = []
    for x, y in zip(points.seen[0], points.seen[1], strict=False):
        ends = dict.fromkeys([x.classes[x.values[row]], y.classes[y.values[row]]])
        found.append(f"{x.name}: {' → '.join(ends)}")
    return found


def relabelled(group: Group, most: int) -> list[dict[str, Any]]:
    """Rows whose label differs, those that changed most first: `name`, `row`, `rank` by change, `labels`."""
    rank = torch.empty(group.points.count, dtype=torch.long)
    rank[group.changes.order] = torch.arange(group.points.count)
    rows = group.relabelled.nonzero().flatten()
    return [
        {"name": name_of(group.points.words, row), "row": row, "rank": int(rank[row]) + 1,
         "labels": labels_of(group.points, row)}
        for row in rows[rank[rows].argsort()].tolist()[:most]
    ]  # fmt: skip


def as_record(found: Versions, most: int) -> dict[str, Any]:
    """Everything, for programs."""
    pairs = ("what", "before", "after")
    return {
        "versions": [str(run.folder) for run in found.runs],
        "content_hashes": list(found.hashes),
        "same": found.same,
        "lineage": found.related,
        "verdict": verdict(found),
        "settings": [dict(zip(pairs, one, strict=True)) for one in found.settings],
        "data": [dict(zip(pairs, one, strict=True)) for one in found.data],
        "scores": [dict(zip(pairs, one, strict=True)) for one in found.scores],
        "groups": [
            {
                "kind": group.points.kind,
                "layer": group.points.layer,
                "rows": group.points.count,
                "widths": list(group.widths),
                "equal": group.equal,
                "one_space": group.widths[0] == group.widths[1] and group.one_space,
                **group.figures,
                "neighbors_kept": float(group.changes.kept.mean()),
                "kept_spread": group.spread,
                "median_moved": float(group.changes.moved.median()),
                "gone": group.gone,
                "came": group.came,
                "changed": [] if group.equal else listed(group, most),
                "relabelled": relabelled(group, group.points.count),
            }
            for group in found.groups
        ],
        "problems": found.problems,
    }
