"""Lightning's trainer as embloom uses it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from embloom.files.checkpoint import AtomicCheckpointIO
from embloom.training.lightning_internals import NoProfiler, grouped
from embloom.training.stop_signals import StopSignals
from embloom.training.tensorboard import Events


def make_trainer(options: Mapping[str, Any], folder: Path, events: Events, callbacks: Sequence[Callback]) -> Trainer:
    """Lightning's trainer, from the `trainer` group and what embloom brings itself.

    Args:
        options: the configuration's node.
        folder: the run folder.
        events: what logs.
        callbacks: the configuration's.

    Raises:
        ValueError: Lightning refuses an option.
    """
    quiet_lightning()
    passed = dict(options)
    precision = passed.pop("matmul_precision", None)
    if precision and torch.cuda.is_available():
        torch.set_float32_matmul_precision(precision)
    try:
        return Trainer(
            **passed,
            logger=events,
            callbacks=grouped([*callbacks, StopSignals()]),
            profiler=NoProfiler(),
            default_root_dir=folder,
            plugins=[AtomicCheckpointIO()],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=True,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_autolog_hparams=False,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"trainer: {str(error).strip().splitlines()[0]}") from error
    except Exception as error:
        if type(error).__name__ == "MisconfigurationException":
            raise ValueError(f"trainer: {str(error).strip().splitlines()[0]}") from error
        raise


def quiet_lightning() -> None:
    """Silences what Lightning says at every start; embloom says what matters itself."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*is smaller than the logging interval.*",
        ".*Checkpoint directory.*",
        ".*LeafSpec.*",
        ".*in eval mode at the start of training.*",  # a frozen model means to be
        ".*treespec.*",
        ".*sync_dist=True.*",  # the values logged are those of all processes already
    ):
        warnings.filterwarnings("ignore", message=message)
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
