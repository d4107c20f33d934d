"""MLflow."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from torch import Tensor

from embloom.files.tensors import first_line
from embloom.training.loggers.base import About, RunLogger, require
from embloom.training.loggers.journal import Journal

STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
FILES = "mlruns"


class MLflow(RunLogger):
    """Logs to MLflow, through Lightning's logger.

    Args:
        experiment: its name there.
        tracking_uri: a server, a database or a folder; None is `$MLFLOW_TRACKING_URI`, else `file:mlruns`.
        tags: of the run.

    Raises:
        ValueError: it is not installed.
    """

    inner: MLFlowLogger
    journal: Journal

    def __init__(
        self, experiment: str = "embloom", tracking_uri: str | None = None, tags: Mapping[str, Any] | None = None
    ) -> None:
        require("mlflow", "mlflow")
        self.experiment, self.tags = experiment, dict(tags or {})
        self.uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"file:{FILES}"

    def open(self, about: About) -> None:
        """Makes the run there, or finds it again.

        Raises:
            ValueError: the server or the files cannot be used.
        """
        if "://" not in self.uri or self.uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow prefers databases by now
        self.journal = Journal(about.folder, "mlflow")
        logging.getLogger("lightning.pytorch.loggers.mlflow").setLevel(logging.ERROR)  # a new experiment is no mishap
        with explained(self.uri):
            self.inner = MLFlowLogger(
                self.experiment, about.name, tracking_uri=self.uri, tags=self.tags, run_id=self.journal.id or None
            )
            client, run_id = self.inner.experiment, str(self.inner.run_id)
            if self.journal.id:
                client.update_run(run_id, status="RUNNING")
                return
            self.journal.start(run_id)
            client.set_tag(run_id, "embloom.folder", str(about.folder.resolve()))
            self.inner.log_hyperparams(dict(about.settings))
            client.log_text(run_id, about.config, "config.yaml")

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `RunLogger`."""
        if tags := self.journal.unsent(values, step):
            with explained(self.uri):
                self.inner.log_metrics({tag: values[tag] for tag in tags}, step)
            self.journal.note({tag: values[tag] for tag in tags}, step)

    def image(self, tag: str, image: Tensor, step: int) -> None:
        """See `RunLogger`."""
        if self.journal.unsent([tag], step):
            pixels = (image.detach().cpu().clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
            with explained(self.uri):
                self.inner.experiment.log_image(str(self.inner.run_id), pixels, key=tag, step=step)
            self.journal.note({tag: None}, step)

    def figure(self, tag: str, figure: Any, step: int) -> None:
        """See `RunLogger`."""
        if self.journal.unsent([tag], step):
            with explained(self.uri):
                self.inner.experiment.log_figure(str(self.inner.run_id), figure, f"figures/{tag}_{step}.png")
            self.journal.note({tag: None}, step)

    def artifact(self, place: Path) -> None:
        """A tag."""
        with explained(self.uri):
            self.inner.experiment.set_tag(str(self.inner.run_id), "embloom.artifact", str(place.resolve()))

    def close(self, state: str) -> None:
        """Sets the run's status."""
        with explained(self.uri):
            self.inner.finalize(STATUS[state])


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """What MLflow complains of is the user's to solve."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise ValueError(f"logger.mlflow ({uri}): {first_line(error)}") from error
