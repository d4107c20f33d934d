"""The last lines of a run: whether it has learned its examples by heart, and what to do with it next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from embloom.callbacks.base import Callback
from embloom.callbacks.metrics import Metrics
from embloom.files.run_state import STATE, RunState, shown, with_config_dirs
from embloom.probes.base import table_keys
from embloom.training.components import Components

RISEN = 1.05  # val/loss at the end over its best; less is noise
STAMPED = re.compile(r".+-\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(-\d+)?")
INPUT = {"image": "photo.png", "text": "texts.txt"}  # by what the reader reads


def overfitted(callbacks: Mapping[str, Callback]) -> str:
    """What to say where `val/loss` rose again while the training loss is below it; else nothing."""
    metrics = next((callback for callback in callbacks.values() if isinstance(callback, Metrics)), None)
    if metrics is None or metrics.best is None or metrics.last is None:
        return ""
    (epoch, best), (last, train) = metrics.best, metrics.last
    if not (0 < best * RISEN < last and train < best):
        return ""
    return (
        f"it overfits: val/loss was {best:.4f} after epoch {epoch} and is {last:.4f} now, train/loss {train:.4f}: use "
        "more data, dropout, fewer or smaller layers, or callbacks=[default,early_stopping]"
    )


def print_next(folder: Path, state: RunState, components: Components) -> None:
    """Prints what can be typed now: to see the embedding, to ask it, and to compare it with the run before."""
    place = shlex.quote(str(shown(folder)))
    with_dirs = with_config_dirs(state.config_dirs)
    found = [["map", place], asked(place, components)]
    if other := another(folder, state.dataset):
        found.append(["compare", place, shlex.quote(str(shown(other)))])
    print("next:")
    for words in found:
        print(" ".join(["  embloom", *words, *with_dirs]))


def asked(place: str, components: Components) -> list[str]:
    """The command that asks this kind of embedding."""
    keys = table_keys(components.encoder, components.dataset)
    if names := next(iter(keys.values()), None):
        name = next((name for name in names if len(name) > 3 and name.isalnum()), names[0])
        return ["neighbors", place, shlex.quote(name)]
    reader = components.dataset.reader
    given = INPUT.get(reader.kind if reader else "", "rows.csv")
    return ["encode", place, given, "-o", "vectors.npy"]


def another(folder: Path, dataset: str) -> Path | None:
    """The newest run but this on the same dataset, where folders have the names that embloom gives."""
    if not STAMPED.fullmatch(folder.name):
        return None
    runs = [path.parent for path in folder.parent.parent.glob(f"*/*-{dataset}-*/{STATE}")]
    others = [path for path in runs if STAMPED.fullmatch(path.name) and path.resolve() != folder.resolve()]
    return max(others, key=lambda path: (path / STATE).stat().st_mtime, default=None)
