"""Weights & Biases, offline too."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from torch import Tensor

from embloom.files.tensors import first_line
from embloom.training.loggers.base import About, RunLogger, require
from embloom.training.loggers.journal import Journal

STEP = "trainer/global_step"  # as Lightning's logger calls it


class WandB(RunLogger):
    """Logs to Weights & Biases, through Lightning's logger.

    Args:
        project: its name there.
        entity: a user or a team.
        group: of runs.
        tags: of the run.
        offline: write files to the run folder, for `wandb sync`; None does so where nobody is logged in.

    Raises:
        ValueError: it is not installed, or nobody is logged in and it is not to be offline.
    """

    inner: WandbLogger
    journal: Journal
    run: Any

    def __init__(
        self,
        project: str = "embloom",
        entity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        offline: bool | None = None,
    ) -> None:
        require("wandb", "wandb")
        mode = os.environ.get("WANDB_MODE", "")
        self.where = {"project": project, "entity": entity, "group": group, "tags": list(tags)}
        absent = not offline and not mode and not logged_in()
        if absent and offline is False:
            raise ValueError("offline=false: nobody is logged in: run wandb login, or leave it out")
        self.offline = bool(offline) or absent or mode in ("offline", "dryrun")

    def open(self, about: About) -> None:
        """Makes the run there, or continues it.

        W&B writes its file every few seconds only, so that of a killed run that was logged offline the end is missing:
        then all its numbers, though no pictures, are written anew.

        Raises:
            ValueError: W&B refuses.
        """
        import wandb

        self.journal = Journal(about.folder, "wandb")
        lost = self.offline and self.journal.open and not any(about.folder.glob("wandb/*/*.synced"))
        if not self.journal.id:
            self.journal.start(secrets.token_hex(4))
        if lost:
            for place in about.folder.glob(f"wandb/offline-run-*-{self.journal.id}"):
                shutil.rmtree(place)
        mode: Any = "offline" if self.offline else None
        this: dict[str, Any] = {**self.where, "name": about.name, "id": self.journal.id, "dir": about.folder}
        quiet = wandb.Settings(silent=self.offline, console="off", symlink=False)
        try:
            self.run = wandb.init(**this, resume="allow", mode=mode, settings=quiet)
        except wandb.Error as error:
            raise ValueError(f"logger.wandb: {first_line(error)}") from error
        self.run.define_metric(STEP)
        self.run.define_metric("*", step_metric=STEP, step_sync=True)
        self.inner = WandbLogger(experiment=self.run)
        self.inner.log_hyperparams(dict(about.settings))
        for values, step in self.journal.numbers if lost else []:
            self.inner.log_metrics(values, step)
        self.journal.begin()

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `RunLogger`."""
        if tags := self.journal.unsent(values, step):
            self.inner.log_metrics({tag: values[tag] for tag in tags}, step)
            self.journal.note({tag: values[tag] for tag in tags}, step)

    def image(self, tag: str, image: Tensor, step: int) -> None:
        """See `RunLogger`."""
        if self.journal.unsent([tag], step):
            self.inner.log_image(tag, [image.detach().cpu()], step)
            self.journal.note({tag: None}, step)

    def figure(self, tag: str, figure: Any, step: int) -> None:
        """See `RunLogger`."""
        if self.journal.unsent([tag], step):
            self.inner.log_image(tag, [figure], step)
            self.journal.note({tag: None}, step)

    def artifact(self, place: Path) -> None:
        """An artifact of W&B's that refers to the files."""
        import wandb

        link = wandb.Artifact(f"embedding-{self.journal.id}", type="embedding")
        for file in sorted(place.resolve().iterdir()):
            link.add_reference(file.as_uri())
        self.run.log_artifact(link)

    def close(self, state: str) -> None:
        """Waits until everything is written, or sent."""
        self.run.finish(exit_code=0 if state == "finished" else 1)
        self.journal.end()


def logged_in() -> bool:
    """Whether there is a key; nobody is asked for one."""
    import wandb

    before, os.environ["WANDB_SILENT"] = os.environ.get("WANDB_SILENT"), "true"
    try:
        return bool(wandb.login(prompt=False))
    except wandb.Error:
        return False
    finally:
        os.environ.pop("WANDB_SILENT")
        if before is not None:
            os.environ["WANDB_SILENT"] = before
