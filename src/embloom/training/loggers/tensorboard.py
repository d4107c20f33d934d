"""TensorBoard's events of a run, which a resumed run continues as if it had never stopped."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.summary.writer import event_file_writer
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from embloom.training.loggers.base import About, RunLogger


class Events(TensorBoardLogger):
    """Writes events straight into the run folder, so that TensorBoard shows a run by its folder's name.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(save_dir=str(folder), name="", version="", default_hp_metric=False, flush_secs=10)
        self.folder = folder

    @property
    @rank_zero_experiment
    def experiment(self) -> SummaryWriter:
        """The writer, made at its first use; its file comes after those that are there, whatever the clock says."""
        if self._experiment is None:
            with clock_after(self.folder):
                return super().experiment
        return self._experiment


class TensorBoard(RunLogger):
    """Writes TensorBoard's events, through Lightning's logger."""

    inner: Events

    def open(self, about: About) -> None:
        """See `RunLogger`."""
        self.folder, self.inner = about.folder, Events(about.folder)
        if about.fresh:
            self.begin(about)

    def begin(self, about: About) -> None:
        """Writes the configuration as text, and the settings for the HParams tab.

        Only the session's settings are written: where no run declares an experiment, TensorBoard makes the
        columns from all runs together.
        """
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self.inner.experiment.add_text("config", f"```yaml\n{about.config}\n```", 0)
        self.inner.experiment.add_custom_scalars(layout(yaml.safe_load(about.config)))
        plain = {k: v if isinstance(v, (bool, int, float, str)) else str(v) for k, v in about.settings.items()}
        # hparams_pb declares a whole experiment; of its two values only the session's start is kept.
        summary = hparams_pb(plain, trial_id=about.name)
        for value in list(summary.value):
            if not value.tag.endswith("session_start_info"):
                summary.value.remove(value)
        self.inner.experiment._get_file_writer().add_summary(summary, 0)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `RunLogger`."""
        self.inner.log_metrics(dict(values), step)

    def image(self, tag: str, image: Tensor, step: int) -> None:
        """See `RunLogger`."""
        self.inner.experiment.add_image(tag, image, step)

    def figure(self, tag: str, figure: Any, step: int) -> None:
        """See `RunLogger`."""
        self.inner.experiment.add_figure(tag, figure, step, close=False)

    def position(self) -> dict[str, int]:
        """The event files and their sizes at this moment."""
        self.inner.experiment.flush()
        return {path.name: path.stat().st_size for path in event_files(self.folder)}

    def artifact(self, place: Path) -> None:
        """A text."""
        self.inner.experiment.add_text("artifact", str(place.resolve()), 0)

    def close(self, state: str) -> None:
        """Ends the file."""
        self.inner.experiment.close()


def layout(config: Mapping[str, Any]) -> dict[str, dict[str, list[Any]]]:
    """What the tab of custom scalars shows, in this order: probes, validation, terms, speed; the charts of all runs
    come together there by their titles. Tags are regular expressions."""

    def chart(pattern: str) -> list[Any]:
        return ["Multiline", [pattern]]

    return {
        "probes": {name: chart(f"^probe/{re.escape(name)}(_|$)") for name in config.get("probe") or {}},
        "validation": {"loss": chart("^val/loss$"), "accuracy": chart("^val/accuracy_")},
        "terms": {name: chart(f"^(train|val)/loss_{re.escape(name)}$") for name in config.get("loss") or {}},
        "speed": {"examples per second": chart("^train/examples_per_second$"),
                  "learning rate": chart("^train/learning_rate$")},
    }  # fmt: skip


def event_files(folder: Path) -> list[Path]:
    """The event files of a run, oldest first."""
    return sorted(folder.glob("events.out.tfevents.*"))


@contextmanager
def clock_after(folder: Path) -> Iterator[None]:
    """Has TensorBoard name a new event file later than those of a folder: it reads them in the order of the time stamps
    in their names, and a clock may have been set back."""
    stamps = [path.name.split(".")[3] for path in event_files(folder)]
    last = max((int(stamp) for stamp in stamps if stamp.isdecimal()), default=0)
    event_file_writer.time = SimpleNamespace(time=lambda: max(time.time(), last + 1.0))
    try:
        yield
    finally:
        event_file_writer.time = time


def rewind(folder: Path, position: Mapping[str, int]) -> None:
    """Takes the events back to a `position`, so that a resumed run writes what follows a second time and only
    the second stays."""
    for path in event_files(folder):
        size = position.get(path.name, 0)
        if size == 0:
            path.unlink()
        elif path.stat().st_size > size:
            os.truncate(path, size)
