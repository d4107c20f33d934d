"""The door from Python: `embloom.train("dataset=mnist")` is the same run as `embloom train dataset=mnist`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embloom.errors import message_for

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding
    from embloom.artifact.vectors import Vectors
    from embloom.comparison.best import Best
    from embloom.comparison.table import Comparison

PathLike = str | Path


class Run:
    """A run folder.

    Attributes:
        folder: where it is.
        config_dirs: folders of the user's own parts, to load it with.
        parts: classes of the user's own that it was trained with.
    """

    def __init__(
        self, folder: PathLike, config_dirs: Sequence[PathLike] = (), parts: Mapping[str, Any] | None = None
    ) -> None:
        from embloom.files.run_state import read_state

        self.folder, self.config_dirs, self.parts = Path(folder), list(config_dirs), dict(parts or {})
        read_state(self.folder)

    @property
    def state(self) -> str:
        """`finished`, `stopped`, `failed`, `running` or `killed`."""
        from embloom.files.run_folder import row_of

        return str(row_of(self.folder)["state"])

    @property
    def metrics(self) -> dict[str, float]:
        """The final metrics by TensorBoard tag; empty while it has not ended."""
        from embloom.files.run_state import read_state

        return read_state(self.folder).metrics

    @property
    def embedding(self) -> Embedding:
        """What it trained, to be encoded with, queried and exported."""
        from embloom.artifact.loading import load

        return load(self.folder, self.config_dirs[0] if self.config_dirs else None, self.parts)

    def curves(self) -> dict[str, tuple[list[int], list[float]]]:
        """Tag -> steps and values, as TensorBoard shows them."""
        from embloom.comparison.curves import curves

        return curves(self.folder, most=None)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {self.state})"


def train(
    *overrides: str,
    config_dir: PathLike | None = None,
    parts: Mapping[str, Any] | None = None,
    folder: PathLike | None = None,
) -> Run:
    """Trains, as `embloom train` does: the same run, bit for bit, from the same overrides.

    Args:
        overrides: `"dataset=mnist"`, `"loss=[cross_entropy,triplet]"`, `"trainer.max_epochs=3"`.
        config_dir: a folder of your own parts.
        parts: classes of your own that need no file: `{"encoder": Two, "dataset": Rings, "loss": {"cosine": Cosine}}`.
            The parameters of their constructors are settings: `"encoder.width=32"`.
        folder: the run folder; else `outputs/<loss and what was set>/<encoder>-<dataset>-<date_time>`.

    Raises:
        ValueError: as the command would say it.

    Example:
        >>> run = embloom.train("dataset=mnist", "loss=[cross_entropy,triplet]")
        >>> run.metrics["test/accuracy_label"]
        0.9871
        >>> run.embedding.encode(["seven.png"]).shape
        torch.Size([1, 10])
    """
    from embloom.assembly import own
    from embloom.assembly.compose import asked_for
    from embloom.training.run import start

    given = [*overrides, *([f"hydra.run.dir={quoted(folder)}"] if folder is not None else [])]
    folders = [config_dir] if config_dir is not None else []
    with said():
        refuse_options(given)
        with own.parts(folders):
            asked, classes = asked_for(given, own.folders_in_use(), parts)
            with own.parts((), classes, anything=True):
                made = start(asked, automatic=not any(o.startswith("hydra.run.dir=") for o in given))
    return Run(made, folders, parts)


class Sweep:
    """The runs of a sweep.

    Attributes:
        folder: where it is.
        runs: those that have finished, in the order in which they were asked for.
        failures: run folder -> why it failed.
    """

    def __init__(
        self, folder: PathLike, config_dirs: Sequence[PathLike] = (), parts: Mapping[str, Any] | None = None
    ) -> None:
        from embloom.files.sweep import read_sweep, states

        self.folder = Path(folder)
        manifest = read_sweep(self.folder)
        found = list(zip(manifest.jobs, states(self.folder, manifest), strict=True))
        done = [job for job, state in found if state is not None and state.state == "finished"]
        self.runs = [Run(self.folder / job.folder, config_dirs, parts) for job in done]
        self.failures = {
            str(self.folder / job.folder): state.reason
            for job, state in found
            if state is not None and state.state == "failed"
        }

    def __repr__(self) -> str:
        return f"Sweep({str(self.folder)!r}, {len(self.runs)} finished, {len(self.failures)} failed)"


def sweep(
    overrides: Sequence[str],
    *,
    config_dir: PathLike | None = None,
    parts: Mapping[str, Any] | None = None,
    folder: PathLike | None = None,
) -> Sweep:
    """Trains every combination, as `embloom train -m` does; with the folder of a sweep that is there, what is missing.

    Args:
        overrides: `["loss=mse,triplet", "seed=range(0,5)"]`; `"hydra/launcher=joblib"` for several at once.
        config_dir: a folder of your own parts.
        parts: classes of your own, see `train`.
        folder: the sweep's; else `outputs/sweep_<date_time>`.

    Raises:
        ValueError: as the command would say it; a run that fails ends no other, see `Sweep.failures`.
    """
    from embloom.assembly import own
    from embloom.assembly.compose import handed_over
    from embloom.commands.sweep import swept

    folders = [config_dir] if config_dir is not None else []
    if isinstance(overrides, str):
        raise ValueError("embloom.sweep takes a list of overrides: ['loss=mse,triplet', 'seed=0,1']")
    with said():
        refuse_options(overrides)
        chosen, classes = handed_over(parts or {})
        if parts and any(override.startswith("hydra/launcher=") for override in overrides):
            raise ValueError(
                "parts= are classes of this process: leave hydra/launcher out, or keep them in config_dir="
            )
        with own.parts(folders, classes, anything=True):
            made = swept(Path(folder) if folder is not None else None, [*chosen, *overrides], list(parts or {}))
    return Sweep(made, folders, parts)


def resume(
    folder: PathLike,
    *overrides: str,
    config_dir: PathLike | None = None,
    parts: Mapping[str, Any] | None = None,
    accept_changed_data: bool = False,
) -> Run:
    """Continues a run exactly where it stopped, as `embloom resume` does.

    Args:
        folder: the run folder.
        overrides: what changes: `"trainer.max_epochs=20"`.
        config_dir: the folder of your own parts, where it was trained with some.
        parts: likewise classes of your own.
        accept_changed_data: go on though the data has changed.

    Raises:
        ValueError: as the command would say it.
    """
    from embloom.commands.train import resumed

    folders = [config_dir] if config_dir is not None else []
    with said():
        made = resumed(Path(folder), overrides, folders, parts or {}, accept_changed_data)
    return Run(made, folders, parts)


def runs(folder: PathLike = "outputs") -> list[dict[str, Any]]:
    """A record for each run under a folder, oldest first: `pandas.DataFrame(embloom.runs())`.

    Its keys: `folder`, `state`, `reason`, `dataset`, `encoder`, `loss`, `epoch`, `step`, `started`, `bytes`, each
    setting as `config/<key>` and each final metric by its tag.
    """
    from embloom.comparison.collect import flat, read
    from embloom.files.run_folder import find_runs, row_of

    found = []
    with said():
        if not Path(folder).is_dir():
            raise ValueError(f"there is no folder {folder}: train something first, or name another")
        for place in find_runs(Path(folder)):
            record = row_of(place)
            try:
                run = read(place)
                record |= {f"config/{key}": value for key, value in flat(run.config).items()} | run.metrics
            except ValueError as error:
                record |= {"reason": str(error)}
            found.append(record)
    return found


def read_vectors(path: PathLike, names: PathLike | Sequence[str] | None = None, layer: str | None = None) -> Vectors:
    """Vectors of any program, with `.words` for questions by name and `.neighbors`; see `docs/reuse.md`.

    Args:
        path: word2vec (text or binary), GloVe, fastText's `.vec`, `.npy`, `.npz`, CSV, Parquet or safetensors.
        names: of the rows, where the file has none: a list, or a file with a name a line.
        layer: which tensor, where the file has several.

    Raises:
        ValueError: it cannot be read; where a line is wrong, the message has it.

    Example:
        >>> embloom.read_vectors("glove.6B.300d.txt").words.similarity("film", "movie")
    """
    from embloom.artifact.vector_files import read_vector_file

    with said():
        found = read_vector_file(path, names, layer)
    for note in found.notes:
        warnings.warn(note, stacklevel=2)
    return found


def compare(
    *places: PathLike, sort: str | None = None, names: PathLike | None = None, labels: PathLike | None = None
) -> Comparison:
    """Compares runs, as `embloom compare` does; `.records()` of the result is what pandas takes.

    Args:
        places: run folders, folders of runs, files of vectors, patterns.
        sort: a metric or a setting.
        names: a file with a name a line, for vectors that have none.
        labels: a CSV file whose first column is names of vectors, each other one a label.

    Raises:
        ValueError: there is no run, or nothing of that name to sort by.
    """
    from embloom.comparison.from_files import entries, measure
    from embloom.comparison.table import Comparison

    with said():
        named = [] if names is None else [str(names)]
        runs = entries([str(place) for place in places], named, None if labels is None else str(labels), warnings.warn)
        measure(runs, None, warnings.warn)
        return Comparison(runs, sort)


def best(*places: PathLike, by: str | None = None) -> Best:
    """The best setting, and whether it is better by more than the seeds explain, as `embloom best` says it.

    Args:
        places: run folders, folders of runs, patterns.
        by: a metric (default: the first probe).

    Returns:
        What prints as the command's answer; `name`, `settings`, `runs`, `settled`, and `.records()` for pandas.

    Raises:
        ValueError: there is no run or no such metric, or the runs cannot be compared by it.
    """
    from embloom.comparison.best import best as answer
    from embloom.comparison.collect import folders, read
    from embloom.comparison.table import Comparison

    with said():
        return answer(Comparison([read(folder) for folder in folders([str(place) for place in places])]), by)


@contextmanager
def said() -> Iterator[None]:
    """Gives whatever is wrong the text that the command would print, as a ValueError."""
    try:
        yield
    except Exception as error:
        text = message_for(error)
        if text is None or (isinstance(error, ValueError) and str(error) == text):
            raise
        raise ValueError(text) from error


def refuse_options(overrides: Sequence[str]) -> None:
    """Raises:
    ValueError: an argument is an option of the command line's, or no override.
    """
    for override in overrides:
        text = str(override)
        if not isinstance(override, str) or text.startswith("-") or ("=" not in text and not text.startswith("~")):
            raise ValueError(f"{override!r} is no override: write 'key=value'; for a sweep call embloom.sweep")


def quoted(folder: PathLike) -> str:
    """A path as a value of an override."""
    return "'" + str(folder).replace("\\", "\\\\").replace("'", "\\'") + "'"
