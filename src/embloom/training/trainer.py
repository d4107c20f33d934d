"""Lightning's trainer as embloom uses it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Trainer

from embloom.callbacks.base import Callback
from embloom.files.tensors import first_line
from embloom.training.lightning_internals import AtomicCheckpointIO, Moments, quiet_lightning
from embloom.training.profiling import make_profiler
from embloom.training.view import LightningTraining

AUTO = "auto"
# Settings of the group `trainer` that are not Lightning's.
OURS = ("matmul_precision", "min_batches", "profiler", "log_every_n_steps", "threads")


def make_trainer(options: Mapping[str, Any], callbacks: Mapping[str, Callback], run: LightningTraining) -> Trainer:
    """Lightning's trainer, from the `trainer` group and what embloom brings itself.

    Args:
        options: the configuration's node.
        callbacks: the configuration's, by name.
        run: what they see; gets the trainer.

    Raises:
        ValueError: Lightning refuses an option.
    """
    quiet_lightning()
    every = options.get("log_every_n_steps", AUTO)
    run.log_every = None if every == AUTO else int(every)
    precision = options.get("matmul_precision")
    if precision and torch.cuda.is_available():
        torch.set_float32_matmul_precision(precision)
    try:
        run.trainer = Trainer(
            **{key: value for key, value in options.items() if key not in OURS},
            logger=False,  # see `Board`
            callbacks=[Moments(callbacks, run)],
            profiler=make_profiler(options.get("profiler"), run.folder),
            default_root_dir=run.folder,
            plugins=[AtomicCheckpointIO()],
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=True,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            enable_autolog_hparams=False,
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"trainer: {first_line(error)}") from error
    except Exception as error:
        if type(error).__name__ == "MisconfigurationException":
            raise ValueError(f"trainer: {first_line(error)}") from error
        raise
    return run.trainer
