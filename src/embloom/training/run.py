"""One training run in its folder: from a configuration to checkpoints, metrics and the artifact."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import yaml
from torch import nn

from embloom import __version__
from embloom.artifact import embedding as artifact
from embloom.assembly.checks import problems
from embloom.callbacks.checkpoints import StoppedError
from embloom.files.atomic import write_whole
from embloom.files.checkpoint import BEST, newest_good, read_checkpoint
from embloom.files.run_folder import CONFIG, RunState, locked, read_state
from embloom.probes.frozen import freeze, table_keys
from embloom.seeding import mix
from embloom.training import ddp
from embloom.training.components import Parts, build_parts
from embloom.training.init_from import Start, begin
from embloom.training.module import NonFiniteError
from embloom.training.summary import print_summary
from embloom.training.tensorboard import Events, rewind
from embloom.training.trainer import make_trainer

METRICS = "metrics.json"


def start(config: dict[str, Any], folder: Path, names: Mapping[str, str], config_dirs: list[str]) -> dict[str, float]:
    """Trains anew in `folder`.

    Args:
        config: the whole configuration, plain containers.
        folder: the run folder; made if it is absent.
        names: `dataset`, `encoder` and `loss`, as they are called in lists.
        config_dirs: the user's own config folders, remembered for a resume.

    Returns:
        The final metrics by tag.

    Raises:
        ValueError: the configuration is wrong, or the folder holds a run already.
        StoppedError: a signal stopped it; it has been saved.
    """
    if found := problems(config, folder):
        raise ValueError("\n".join(found))
    if (folder / CONFIG).exists():
        raise ValueError(
            f"{folder} holds a run already: continue it with embloom resume {shlex.quote(str(folder))}, "
            "or choose another folder with hydra.run.dir=..."
        )
    state = RunState(names["dataset"], names["encoder"], names["loss"], config_dirs=config_dirs)
    run = Run(config, folder, prepared(config), state)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode()
        write_whole(folder / CONFIG, lambda file: file.write(text))
        return run.go()


def resume(config: dict[str, Any], folder: Path, optimizer_changes: Mapping[str, Any]) -> dict[str, float]:
    """Continues the run in `folder` from its newest sound checkpoint, or from the start where it has none.

    Args:
        config: the run's configuration, with what was changed for this resume.
        folder: the run folder.
        optimizer_changes: settings of the optimizer that replace those in the checkpoint.

    Raises:
        ValueError: the configuration does not fit, or no checkpoint is sound though there are some.
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
            return state.metrics
        parts = prepared(config, fresh=checkpoint is None)
        rewind(folder, content["events"] if content else {})
        state.state, state.reason = "running", ""
        run = Run(config, folder, parts, state)
        run.checkpoint, run.optimizer_changes = checkpoint, dict(optimizer_changes)
        where = f"step {content['global_step']}" if content else "the start (nothing was saved yet)"
        print(f"resuming {folder} from {where}")
        return run.go()


def join(folder: Path) -> None:
    """Takes part, as a further process, in the run that the first process began in `folder`."""
    passed = ddp.read_handover(folder)
    parts = prepared(passed["config"], fresh=not passed["checkpoint"])
    run = Run(passed["config"], folder, parts, read_state(folder))
    run.checkpoint = Path(passed["checkpoint"]) if passed["checkpoint"] else None
    run.optimizer_changes = passed["optimizer_changes"]
    run.go()


def finished(
    state: RunState, checkpoint: Mapping[str, Any], config: Mapping[str, Any], changes: Mapping[str, Any]
) -> bool:
    """Whether there is nothing left to do."""
    limit = config["trainer"]["max_epochs"]
    ended = checkpoint["position"]["epoch"] >= limit or checkpoint["stopped_early"]
    return state.state == "finished" and bool(ended) and not changes


def prepared(config: Mapping[str, Any], fresh: bool = True) -> Parts:
    """Builds the parts, with the initial weights that the seed gives; a fresh start takes those of `init_from`."""
    torch.manual_seed(mix(config["seed"]))
    parts = build_parts(config)
    module, node = parts.module, config.get("init_from")
    if fresh:
        module.start = begin(parts.encoder, node, table_keys(parts.encoder, parts.dataset), say=not ddp.is_worker())
    else:
        module.start = Start(node)
    return parts


class Run:
    """The steps of a run, once its parts are built and its folder is held."""

    def __init__(self, config: dict[str, Any], folder: Path, parts: Parts, state: RunState) -> None:
        self.config, self.folder, self.parts, self.state = config, folder, parts, state
        self.checkpoint: Path | None = None
        self.optimizer_changes: dict[str, Any] = {}
        self.events = Events(folder)
        self.trainer = make_trainer(config["trainer"], folder, self.events, parts.callbacks)

    def go(self) -> dict[str, float]:
        """Fits, tests, probes, writes the artifact; whatever happens, `run.json` says so."""
        if self.trainer.is_global_zero:
            self.state.write(self.folder)
        several = self.trainer.world_size > 1
        if several:
            if self.trainer.strategy.root_device.type == "cpu":
                ddp.share_cores(self.trainer.world_size)
            if not ddp.is_worker():
                ddp.prepare_launch(self.folder, self.handover())
        handlers = {s: signal.signal(s, stop_at_once) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.parts.dataset.prepare_data()
            self.parts.dataset.setup("fit")
            if self.trainer.is_global_zero:
                print_summary(self.parts)
                if self.checkpoint is None:
                    self.events.begin(
                        settings_of(self.config, self.state), yaml.safe_dump(self.config, sort_keys=False)
                    )
            self.fit()
            return self.finish()
        except StoppedError as error:
            self.end("stopped", str(error))
            raise
        except BaseException as error:
            self.end("failed", str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
            raise
        finally:
            for signum, handler in handlers.items():
                signal.signal(signum, handler)
            if several and not ddp.is_worker():
                ddp.clean_up(self.folder)

    def handover(self) -> dict[str, Any]:
        """What further processes need to build the same run; see `join`."""
        checkpoint = str(self.checkpoint) if self.checkpoint else None
        return {"config": self.config, "checkpoint": checkpoint, "optimizer_changes": self.optimizer_changes}

    def fit(self) -> None:
        """Trains, from the checkpoint if there is one; an encoder that is computed (PCA) is computed first."""
        (self.folder / "checkpoints").mkdir(exist_ok=True)
        module = self.parts.module
        compute: Callable[..., None] | None = getattr(module.encoder, "fit", None)
        if self.checkpoint is None and compute is not None and not module.start.names:
            dataset = self.parts.dataset
            batches = dataset.loader("train", every_rank=True)
            wire = module.encode_wire
            compute(wire.renamed(dataset.transform(batch, False)) for batch in batches)
        if not any(p.requires_grad for p in module.parameters()):
            return
        module.optimizer_changes = self.optimizer_changes
        try:
            self.trainer.fit(module, datamodule=self.parts.dataset, ckpt_path=self.checkpoint, weights_only=True)
        except NonFiniteError as error:
            raise ValueError(f"{error}\n{self.advice_on_nan()}") from error

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
            f"embloom resume {shlex.quote(str(self.folder))} {smaller}, "
            "or with trainer.gradient_clip_val=1"
        )

    def finish(self) -> dict[str, float]:
        """What follows training: test, probes and the artifact, on the best weights or the last."""
        self.state.step, self.state.epoch = self.trainer.global_step, self.trainer.current_epoch
        metrics = {f"val/{name}": value for name, value in self.parts.module.validated.items()}
        best = self.folder / "checkpoints" / BEST
        if self.config["evaluate"] == "best" and best.exists():
            self.parts.module.load_state_dict(read_checkpoint(best)["state_dict"])
        self.trainer.test(self.parts.module, datamodule=self.parts.dataset, verbose=False)
        metrics |= {k: float(v) for k, v in self.trainer.callback_metrics.items() if k.startswith("test/")}
        if self.trainer.is_global_zero:
            metrics |= self.probe()
            self.state.metrics = metrics
            self.keep(metrics)
            write_whole(self.folder / METRICS, lambda file: file.write(json.dumps(metrics, indent=2).encode()))
            self.end("finished", "")
            for tag, value in metrics.items():
                print(f"{tag:<40} {value:.4f}")
            print(f"done: {self.folder}")
        return metrics

    def probe(self) -> dict[str, float]:
        """Measures the embedding: fitted to the training split, scored on the test split."""
        if not self.parts.probes:
            return {}
        module = self.parts.module
        device = self.trainer.strategy.root_device
        module.to(device)
        frozen = freeze(module.encoder, self.parts.dataset, of=module.of, device=device, score="test")
        values = {f"probe/{k}": v for probe in self.parts.probes.values() for k, v in probe(frozen).items()}
        self.events.scalars(values, self.state.step)
        return values

    def keep(self, metrics: Mapping[str, float]) -> None:
        """Writes the artifact."""
        about = {
            "embloom_version": __version__,
            "versions": {name: version(name) for name in ("torch", "lightning", "safetensors")},
            "names": {"dataset": self.state.dataset, "encoder": self.state.encoder, "loss": self.state.loss},
            "labels": self.parts.dataset.names,
            "data": self.parts.dataset.fingerprint(),
            "config": self.config,
            "started_from": self.parts.module.start.origin or None,
            "metrics": dict(metrics),
            "trained": {
                "epochs": self.state.epoch,
                "steps": self.state.step,
                "at": time.strftime("%Y-%m-%d"),
            },
        }
        encoder: nn.Module = self.parts.module.encoder
        artifact.save(
            self.folder / "embeddings",
            encoder=encoder,
            node=self.config["encoder"],
            supplied=self.parts.supplied,
            inputs=self.parts.dataset.inputs(),
            about=about,
            keys=table_keys(encoder, self.parts.dataset),
        )

    def end(self, state: str, reason: str) -> None:
        """Records how the run ended."""
        if not self.trainer.is_global_zero:
            return
        self.state.state, self.state.reason = state, reason
        self.state.step = max(self.state.step, self.trainer.global_step)
        self.state.epoch = max(self.state.epoch, self.trainer.current_epoch)
        try:
            self.events.close()
            self.state.write(self.folder)
        except OSError as error:  # the disk that stopped the run may be full for this too
            print(f"warning: could not record that the run {state}: {error}", file=sys.stderr)


def stop_at_once(signum: int, frame: FrameType | None) -> None:
    """Outside the training steps there is nothing to save."""
    raise StoppedError(signum)


def settings_of(config: Mapping[str, Any], state: RunState) -> dict[str, Any]:
    """The configuration as flat settings, for the HParams tab."""
    flat: dict[str, Any] = {"dataset": state.dataset, "encoder": state.encoder, "loss": state.loss}

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                walk(f"{prefix}.{key}" if prefix else str(key), value)
        elif node is not None and not prefix.endswith("_target_"):
            flat[prefix] = node

    for group in ("dataset", "encoder", "loss", "optimizer", "scheduler", "trainer", "init_from", "seed"):
        walk(group, config.get(group))
    return flat
