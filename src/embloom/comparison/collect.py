"""Reads run folders for a comparison: which settings differ, which runs differ by their seed only.

Imports nothing heavy: the terminal table needs neither torch nor the data.
"""

from __future__ import annotations

import glob
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embloom.files.coverage import well_known
from embloom.files.naming import short
from embloom.files.run_config import checked_config, read_config
from embloom.files.run_folder import find_runs, is_locked
from embloom.files.run_state import STATE, RunState, printable, read_state

if TYPE_CHECKING:
    from embloom.artifact.vectors import Vectors

NAMED = ("dataset", "encoder", "loss")
ARTIFACT, CARD = "embeddings", "card.json"
BYTES = "bytes a sample"  # a column beside the scores
NUMBER_BYTES = 4  # of a float32
NOT_THE_MODEL = ("callbacks", "probe", "logger")


@dataclass
class Recorded:
    """One run, as its folder tells it.

    Attributes:
        folder: the run folder.
        state: what `run.json` says; the state of a run that nobody holds any more is `killed`.
        config: its whole configuration.
        settings: the configuration flat, with the names of dataset, encoder and loss.
        name: what tells it apart from the others of a comparison.
        vectors: what a file holds that stands beside the runs; `folder` is that file then.
    """

    folder: Path
    state: RunState
    config: dict[str, Any]
    settings: dict[str, Any]
    name: str = ""
    vectors: Vectors | None = None

    @property
    def locations(self) -> list[str]:
        """The dataset's options that say where the data is."""
        return self.state.data_options.get("locations", [])

    @property
    def training_only(self) -> list[str]:
        """The dataset's options that change nothing about held-out samples."""
        return self.state.data_options.get("training_only", [])

    def has_effect(self, key: str) -> bool:
        """Whether a setting can change a result."""
        return key.removeprefix("dataset.") not in self.state.data_options.get("no_effect", []) or key[:8] != "dataset."

    @property
    def metrics(self) -> dict[str, float]:
        """The final metrics by tag; empty where the run did not end. Without scores on questions that its vocabulary
        barely knows, see `coverage`."""
        return well_known(self.state.metrics)

    @cached_property
    def bytes_a_sample(self) -> float:
        """What a sample's vector takes: of the layer `embedding`, or the first one, 4 bytes a number; NaN where nothing
        has been kept."""
        if self.vectors is not None:
            return float(NUMBER_BYTES * self.vectors.rows.shape[1])
        try:
            layers = json.loads((self.folder / ARTIFACT / CARD).read_text(encoding="utf-8"))["layers"]
            return float(NUMBER_BYTES * layers.get("embedding", next(iter(layers.values()))))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
            return math.nan


@dataclass
class Row:
    """Runs that differ by their seed only; most often one."""

    runs: list[Recorded]
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def values(self, tag: str) -> list[float]:
        """The metric in each run that has it."""
        if tag == BYTES:
            return [size for run in self.runs if (size := run.bytes_a_sample) == size]
        return [run.metrics[tag] for run in self.runs if tag in run.metrics]


def folders(arguments: Sequence[str]) -> list[Path]:
    """The folders that the arguments mean: a run, an artifact, a folder of runs (a sweep), or a pattern of these.

    Raises:
        ValueError: an argument means none.
    """
    found: dict[Path, Path] = {}
    for argument in arguments:
        places = [argument] if Path(argument).exists() else sorted(glob.glob(argument, recursive=True))
        here = [folder for place in places for folder in find_runs(Path(place)) or artifacts_at(Path(place))]
        if not here:
            raise ValueError(f"{argument}: there is no run, artifact or file of vectors; see runs with embloom runs")
        found |= {folder.resolve(): folder for folder in here if folder.resolve() not in found}
    return list(found.values())


def artifacts_at(place: Path) -> list[Path]:
    """An artifact by itself, or the run that it is in."""
    if not (place / CARD).is_file():
        return [place] if (place / ARTIFACT / CARD).is_file() else []
    return [place.parent] if place.name == ARTIFACT and (place.parent / STATE).is_file() else [place]


def read(folder: Path) -> Recorded:
    """Reads one run folder, or an artifact as if it were one.

    Raises:
        ValueError: it is none, or its files are damaged.
    """
    if not (folder / STATE).is_file() and artifacts_at(folder):
        return of_artifact(folder)
    state = read_state(folder)
    if state.state == "running" and not is_locked(folder):
        state.state = "killed"
    config = read_config(folder)
    names = {group: getattr(state, group) for group in NAMED}
    return Recorded(folder, state, config, {**names, **flat(config)})


def of_artifact(folder: Path) -> Recorded:
    """What the card of an artifact says of its run.

    Raises:
        ValueError: it is damaged.
    """
    from embloom.artifact.saving import artifact_folder, read_card

    place = artifact_folder(folder)
    card = read_card(place)
    if not card.get("config"):
        raise ValueError(f"{folder}: its card does not say how it was trained: name the run")
    names = {group: str(card.get("names", {}).get(group, "")) for group in NAMED}
    metrics = dict(card.get("metrics", {}))
    state = RunState(names["dataset"], names["encoder"], names["loss"], state="finished", metrics=metrics)
    config = checked_config(card["config"], place / CARD)
    return Recorded(folder, state, config, {**names, **flat(config)})


def flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists stay values."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def differing(runs: Sequence[Recorded]) -> list[str]:
    """The settings in which the runs differ, those of dataset, encoder and loss first.

    What follows from another choice (the layers that only one encoder has) is not listed again.
    """
    trained = [run for run in runs if run.vectors is None]
    if len(trained) < len(runs):  # nobody knows how the vectors of a file were trained
        named = [key for key in NAMED if len({_text(run.settings[key]) for run in runs}) > 1]
        return [*named, *(key for key in (differing(trained) if trained else []) if key not in named)]
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    return sorted((key for key in keys if _differs(key, runs)), key=lambda key: _order(key, list(keys)))


def _differs(key: str, runs: Sequence[Recorded]) -> bool:
    group = key.partition(".")[0]
    if not all(run.has_effect(key) for run in runs):
        return False
    having = [run for run in runs if key in run.settings]
    if key.endswith("._target_") and group in NAMED:
        return any(len({_text(run.settings[key]) for run in part}) > 1 for part in _by_choice(having, group))
    if len({_text(run.settings[key]) for run in having}) > 1:
        return True
    return any(len({key in run.settings for run in part}) > 1 for part in _by_choice(runs, group))


def _by_choice(runs: Iterable[Recorded], group: str) -> list[list[Recorded]]:
    """The runs, parted by the option that they chose in a group."""
    parts: dict[str, list[Recorded]] = {}
    for run in runs:
        node = run.config.get(group)
        chosen = node.get("_target_", sorted(node)) if isinstance(node, Mapping) else ""
        parts.setdefault(_text([getattr(run.state, group, ""), chosen]), []).append(run)
    return list(parts.values())


def _order(key: str, keys: list[str]) -> tuple[int, int]:
    group = key.partition(".")[0]
    groups = [*NAMED, "optimizer", "scheduler", "trainer"]
    return (-1 if key in NAMED else groups.index(group) if group in groups else len(groups)), keys.index(key)


def rows(runs: Sequence[Recorded]) -> list[Row]:
    """The runs in rows, one for those that differ by their seed only; sets the names of rows and runs."""
    parts: dict[str, list[Recorded]] = {}
    for run in runs:
        same = {k: v for k, v in run.settings.items() if k != "seed" and run.has_effect(k)}
        same = {k: v for k, v in same.items() if k.partition(".")[0] not in NOT_THE_MODEL}
        parts.setdefault(_text(same), []).append(run)
    found = [Row(part) for part in parts.values()]
    differ = [key for key in differing(runs) if key.partition(".")[0] not in NOT_THE_MODEL]
    single = all(len(row.runs) == 1 for row in found)
    shown = [key for key in differ if single or key != "seed"]
    for row in found:
        row.settings = {key: row.runs[0].settings[key] for key in shown if key in row.runs[0].settings}
    needed = _needed(found, shown)
    for row in found:
        row.name = row.runs[0].state.encoder if row.runs[0].vectors else named(row.settings, needed)
    _name_runs(found)
    return found


def _needed(found: Sequence[Row], keys: Sequence[str]) -> list[str]:
    """As many of the settings as it takes to tell the rows apart."""
    needed: list[str] = []
    apart = 1
    for key in keys:
        count = len({_text([row.settings.get(k, "-") for k in [*needed, key]]) for row in found})
        if count > apart:
            needed.append(key)
            apart = count
    return needed


def named(settings: Mapping[str, Any], keys: Sequence[str]) -> str:
    """What tells a row apart: `triplet, lr=0.01`; keys as short as they are clear."""
    there = [key for key in keys if key in settings]
    return ", ".join(
        str(settings[key]) if key in NAMED else f"{short(key, keys)}={shown(settings[key])}" for key in there
    )


def shown(value: Any) -> str:
    """A setting as people write it."""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str) and value.count(".") > 1 and value.replace(".", "").replace("_", "").isalnum():
        return value.rpartition(".")[2]
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else printable(str(value))


def _name_runs(found: Sequence[Row]) -> None:
    for row in found:
        seeds = [run.settings.get("seed") for run in row.runs]
        for run, seed in zip(row.runs, seeds, strict=True):
            end = "" if len(row.runs) == 1 else f"seed={seed}"
            if end and seeds.count(seed) > 1:
                end = run.folder.name
            run.name = ", ".join(part for part in (row.name, end) if part) or run.folder.name
        row.name = row.name or (f"{len(row.runs)} runs" if len(row.runs) > 1 else row.runs[0].name)


def loss_groups(found: Sequence[Row]) -> list[list[Row]]:
    """The rows, parted by what makes their losses comparable: the loss configuration and the data."""
    parts: dict[str, list[Row]] = {}
    for row in found:
        run, config = row.runs[0], row.runs[0].config
        data = {
            k: v for k, v in config["dataset"].items() if k not in run.training_only and run.has_effect(f"dataset.{k}")
        }
        parts.setdefault(_text([config["loss"], data]), []).append(row)
    return list(parts.values())


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
