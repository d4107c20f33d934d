"""One training run in its folder: from a configuration to checkpoints, metrics and the artifact."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from embloom.assembly.checks import problems
from embloom.assembly.compose import Composed
from embloom.files.atomic import write_whole
from embloom.files.checkpoint import BEST, newest_good, read_checkpoint
from embloom.files.coverage import barely_known, told
from embloom.files.run_config import write_config
from embloom.files.run_folder import claim, clear_temporary, held_already, locked, unclaim
from embloom.files.run_state import CONFIG, RunState, read_state, resume_command
from embloom.files.tensors import first_line
from embloom.training import closing, cores, ddp
from embloom.training.components import Components
from embloom.training.in_sweep import InSweep
from embloom.training.loggers.board import Board, flat_settings, rewind
from embloom.training.module import NonFiniteError
from embloom.training.preparing import prepared, rebuilt
from embloom.training.profiling import print_profile
from embloom.training.progress_left import check_epochs_left, finished
from embloom.training.results import keep, probed
from embloom.training.stop_signals import StoppedError, handled, ignore, stop_at_once
from embloom.training.summary import print_summary
from embloom.training.trainer import make_trainer
from embloom.training.view import LightningTraining

METRICS = "metrics.json"
FEATURES = "features"  # `dataset.features`, whose folders may move


def start(asked: Composed, automatic: bool = False, sweep: InSweep | None = None) -> Path:
    """Trains anew.

    Args:
        asked: the run.
        automatic: its folder may be called otherwise, where another run was faster to take the name.
        sweep: the sweep that it is part of.

    Returns:
        The run folder; `run.json` and `metrics.json` in it have the figures.

    Raises:
        ValueError: the configuration is wrong, or the folder holds a run already.
        StoppedError: a signal stopped it; it has been saved.
    """
    if found := problems(asked.config, asked.folder):
        raise ValueError("\n".join(found))
    if not automatic and (asked.folder / CONFIG).exists():
        raise held_already(asked.folder)
    components = prepared(asked.config)
    folder = claim(asked.folder, automatic)
    names = asked.names
    state = RunState(names["dataset"], names["encoder"], names["loss"])
    state.config_dirs, state.handed = asked.config_dirs, asked.handed
    state.threads = cores.chosen(asked.config["trainer"], components)
    with locked(folder):
        try:
            run = Run(asked.config, folder, components, state, sweep)
        except BaseException:
            unclaim(folder, automatic)
            raise
        run.go()
    return folder


def resume(
    config: dict[str, Any],
    folder: Path,
    optimizer_changes: Mapping[str, Any],
    accept_changed_data: bool = False,
    sweep: InSweep | None = None,
) -> Path:
    """Continues the run in `folder` from its newest sound checkpoint, or from the start where it has none.

    Args:
        config: the run's configuration, with what was changed for this resume.
        folder: the run folder.
        optimizer_changes: settings of the optimizer that replace those in the checkpoint.
        accept_changed_data: go on though the data is not what the checkpoint was trained on.
        sweep: the sweep that it is part of.

    Raises:
        ValueError: the configuration or the data does not fit, or no checkpoint is sound though there are some.
        StoppedError: a signal stopped it; it has been saved.
    """
    state = read_state(folder)
    if found := problems(config, folder):
        raise ValueError("\n".join(found))
    with locked(folder):
        checkpoint, complaints = newest_good(folder / "checkpoints")
        for complaint in complaints:
            print(f"warning: {complaint}", file=sys.stderr)
        if complaints and checkpoint is None:
            raise ValueError(f"no checkpoint in {folder / 'checkpoints'} can be read: start a new run")
        if complaints and checkpoint is not None:
            print(f"warning: continuing from {checkpoint} instead", file=sys.stderr)
        content = read_checkpoint(checkpoint) if checkpoint else None
        if content is not None and finished(state, content, config, optimizer_changes):
            print(f"{folder} is finished; to train longer, add trainer.max_epochs=...")
            return folder
        check_epochs_left(content, config)
        components, data = rebuilt(config, content, folder, accept_changed_data)
        rewind(folder, content["events"] if content else {})
        state.state, state.reason = "running", ""
        if config["trainer"].get("threads", "auto") != "auto":
            state.threads = config["trainer"]["threads"]
        run = Run(config, folder, components, state, sweep)
        run.checkpoint, run.optimizer_changes, run.view.data = checkpoint, dict(optimizer_changes), data
        where = f"step {content['global_step']}" if content else "the start (nothing was saved yet)"
        print(f"resuming {folder} from {where}")
        run.go()
    return folder


def join(folder: Path) -> None:
    """Takes part, as a further process, in the run that the first process began in `folder`."""
    passed = ddp.read_handover(folder)
    place = passed["checkpoint"]
    components = prepared(passed["config"], read_checkpoint(Path(place)) if place else None)
    run = Run(passed["config"], folder, components, read_state(folder))
    run.checkpoint = Path(place) if place else None
    run.optimizer_changes = passed["optimizer_changes"]
    run.go()


class Run:
    """The steps of a run, once its parts are built and its folder is held."""

    def __init__(
        self,
        config: dict[str, Any],
        folder: Path,
        components: Components,
        state: RunState,
        sweep: InSweep | None = None,
    ) -> None:
        self.config, self.folder, self.components, self.state = config, folder, components, state
        self.sweep = sweep
        self.checkpoint: Path | None = None
        self.optimizer_changes: dict[str, Any] = {}
        dataset = components.dataset
        state.data_options = {
            "locations": [*dataset.locations, *([FEATURES] if dataset.added else [])],
            "no_effect": list(dataset.no_effect),
            "training_only": list(dataset.training_only),
        }
        self.board = Board(components.loggers, folder)
        self.view = LightningTraining(components.module, components.probes, self.board, folder)
        self.view.said = sweep.said if sweep else set()
        self.callbacks = {**components.callbacks, **(sweep.callbacks if sweep else {})}
        self.trainer = make_trainer(config["trainer"], self.callbacks, self.view)

    def go(self) -> None:
        """Fits, tests, probes, writes the artifact; whatever happens, `run.json` says so."""
        if self.trainer.is_global_zero:
            with handled(ignore):  # a run has begun, or it has not
                clear_temporary(self.folder)
                # First the state: a folder with a configuration is a run, and has one.
                self.state.write(self.folder)
                write_config(self.folder, self.config)
        with ddp.processes(self.trainer, self.folder, self.handover()), handled(stop_at_once):
            try:
                self.read_data()
                with cores.using(0 if self.trainer.world_size > 1 else self.state.threads):
                    self.fit()
                    self.finish()
            except StoppedError as error:
                with handled(ignore):
                    self.end("stopped", str(error))
                    if not ddp.is_worker():
                        command = self.sweep.command if self.sweep else self.command()
                        print(f"{error}; continue with:\n{command}", flush=True)
                    error.told = True
                raise
            except BaseException as error:
                self.end("failed", first_line(error))
                raise

    def command(self) -> str:
        """What to type to continue; in Python where classes were handed over there."""
        if self.state.handed:
            return f"embloom.resume({str(self.folder)!r}, parts=...)"
        return resume_command(self.folder, self.state.config_dirs)

    def handover(self) -> dict[str, Any]:
        """What further processes need to build the same run; see `join`."""
        checkpoint = str(self.checkpoint) if self.checkpoint else None
        return {"config": self.config, "checkpoint": checkpoint, "optimizer_changes": self.optimizer_changes}

    def read_data(self) -> None:
        """Sets the dataset up and says what will be trained."""
        self.components.dataset.prepare_data()
        self.components.dataset.setup("fit")
        # A resume has asked for it already, which reads all of the data.
        self.view.data = self.view.data or self.components.dataset.fingerprint()
        if (old := self.components.old) is not None:
            old.supply(self.components.dataset)
            self.components.module.old_hash = old.embedding.content_hash
        if self.trainer.is_global_zero:
            print_summary(self.components, self.view.said)
            text = yaml.safe_dump(self.config, sort_keys=False)
            self.board.open(flat_settings(self.config, self.state), text, fresh=self.checkpoint is None)

    def fit(self) -> None:
        """Trains, from the checkpoint if there is one; an encoder that is computed (PCA) is computed first."""
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        module, dataset = self.components.module, self.components.dataset
        if self.checkpoint is None and self.components.encoder.computed and not module.start.names:
            batches = (dataset.seen(batch, "embed") for batch in dataset.fit_loader())
            self.components.encoder.fit(map(module.encode.renamed, batches))
        if not any(p.requires_grad for p in module.parameters()):
            if next(module.parameters(), None) is not None:
                print("nothing is trained: every weight is frozen")
            return
        module.optimizer_changes = self.optimizer_changes
        try:
            self.trainer.fit(module, datamodule=dataset, ckpt_path=self.checkpoint, weights_only=True)
        except NonFiniteError as error:
            raise ValueError(f"{error}\n{self.advice_on_nan()}") from error
        if self.trainer.is_global_zero:
            print_profile(self.trainer, self.folder)

    def advice_on_nan(self) -> str:
        """Where the last good checkpoint is, and how to go on from it."""
        good, _ = newest_good(self.folder / "checkpoints")
        if good is None:
            return (
                "nothing was saved before that: start again with a smaller optimizer.lr or trainer.gradient_clip_val=1"
            )
        step = read_checkpoint(good)["global_step"]
        smaller = f"optimizer.lr={self.config['optimizer'].get('lr', 0.001) / 10:g}"
        return (
            f"the last good checkpoint is {good} (step {step}): continue from it with a smaller learning rate, "
            f"{self.command()} {smaller}, "
            "or with trainer.gradient_clip_val=1"
        )

    def finish(self) -> None:
        """What follows training: test, probes and the artifact, on the best weights or the last."""
        self.state.step, self.state.epoch = self.trainer.global_step, self.trainer.current_epoch
        self.choose_weights()
        if self.components.module.loss.terms:
            self.trainer.test(self.components.module, datamodule=self.components.dataset, verbose=False)
        if not self.trainer.is_global_zero:
            return
        found = probed(self.components, self.view)
        self.board.scalars(found.values, self.state.step)
        self.state.metrics = {**self.view.metrics, **found.values}
        self.state.failed_probes = found.failed
        keep(self.components, self.view, self.state, self.config)
        self.board.artifact(self.folder / "embeddings")
        text = json.dumps(self.state.metrics, indent=2).encode()
        write_whole(self.folder / METRICS, lambda file: file.write(text))
        failed = [f"probe {name} failed: {why}" for name, why in found.failed.items()]
        self.end("finished", "; ".join([*filter(None, (c.ended for c in self.callbacks.values())), *failed]))
        if self.sweep is None:  # which ends with a table of them
            left = barely_known(self.state.metrics)
            for tag, value in self.state.metrics.items():
                print(f"{tag:<40} {value:.4f}" + (f"  ({told(left[tag])})" if tag in left else ""))
        for name, why in found.failed.items():
            print(f"warning: probe.{name} failed, the rest is there: {why}", file=sys.stderr)
        if warning := closing.overfitted(self.callbacks):
            print(f"warning: {warning}", file=sys.stderr)
        print(f"done: {self.folder}")
        if self.sweep is None and not self.state.handed:
            closing.print_next(self.folder, self.state, self.components)

    def choose_weights(self) -> None:
        """Loads the best weights, where those count; where they cannot be read, the last ones do."""
        best = self.folder / "checkpoints" / BEST
        if self.config["evaluate"] == "best" and best.exists():
            try:
                state = read_checkpoint(best)["state_dict"]
            except ValueError as error:
                print(f"warning: {error}: the last weights are tested and kept instead", file=sys.stderr)
                return
            self.components.module.load_state_dict(state)

    def end(self, state: str, reason: str) -> None:
        """Records how the run ended."""
        if not self.trainer.is_global_zero:
            return
        self.state.state, self.state.reason = state, reason
        self.state.step = max(self.state.step, self.trainer.global_step)
        self.state.epoch = max(self.state.epoch, self.trainer.current_epoch)
        try:
            self.board.close(state)
            self.state.write(self.folder)
        except OSError as error:  # the disk that stopped the run may be full for this too
            print(f"warning: could not record that the run {state}: {error}", file=sys.stderr)
