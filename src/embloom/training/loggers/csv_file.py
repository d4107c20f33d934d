"""A CSV file in the run folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from embloom.files.atomic import write_whole
from embloom.training.loggers.base import About, RunLogger

FILE = "metrics.csv"


class Writer(ExperimentWriter):
    """Lightning's writer, which goes on in a file that is there and never leaves half of one.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.metrics_keys, found = rows_of(folder / FILE)
        self.rows = len(found)

    def _check_log_dir_exists(self) -> None:
        """Lightning's deletes what is there."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        """When a tag comes for the first time."""
        write(Path(self.metrics_file_path), fieldnames, rows_of(Path(self.metrics_file_path))[1])

    def save(self) -> None:
        """Appends what is waiting."""
        self.rows += len(self.metrics)
        super().save()


class Csv(RunLogger):
    """Writes `metrics.csv`, a line for each moment of logging, and `hparams.yaml`, through Lightning's logger."""

    inner: CSVLogger

    def open(self, about: About) -> None:
        """Goes on in the file; the settings say where the artifact will be, too."""
        self.inner = CSVLogger(about.folder, name="", version="", flush_logs_every_n_steps=1)
        self.inner._experiment = Writer(about.folder)
        artifact = (about.folder / "embeddings").resolve()
        self.inner.log_hyperparams({**about.settings, "artifact": str(artifact)})

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `RunLogger`."""
        self.inner.log_metrics(dict(values), step)

    def position(self) -> dict[str, int]:
        """Rows, as the header may still grow."""
        writer = self.inner.experiment
        assert isinstance(writer, Writer)
        return {FILE: writer.rows}

    def close(self, state: str) -> None:
        """See `RunLogger`."""
        self.inner.finalize(state)


def rows_of(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns, and the rows that are whole; none where there is no such file.

    Raises:
        ValueError: it is no CSV.
    """
    if not path.exists():
        return [], []
    try:
        text = path.read_text(encoding="utf-8")
        reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))
        found = list(reader)
        return list(reader.fieldnames or []), found
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read: {error}: move it away to go on without") from error


def write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes the file anew."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, lambda file: file.write(text.getvalue().encode()))


def rewind(folder: Path, position: Mapping[str, int]) -> None:
    """Takes the file back to so many rows."""
    path, keep = folder / FILE, position.get(FILE, 0)
    columns, rows = rows_of(path)
    if path.exists() and keep == 0:
        path.unlink()
    elif path.exists():
        write(path, columns, rows[:keep])
