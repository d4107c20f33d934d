"""What a callback is, and what it may see and do while a run trains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.assembly.wiring import Wire
from embloom.data.base import Batch, Dataset, Phase, Split
from embloom.encoders.base import Encoder
from embloom.losses.weighted import WeightedLoss
from embloom.probes.base import Probe


class Training(ABC):
    """A run under way.

    Attributes:
        dataset, encoder, loss, probes: its parts.
        encode: the encoder, wired to the dataset's columns.
        folder: the run folder.
        metrics: the last of each `val/...` and `test/...`.
        probed: the last of each `probe/...` that was measured during training.
        shown: what the progress bar says of loss and speed.
        stop_signal: the signal that asked it to stop, if one has.
    """

    dataset: Dataset
    encoder: Encoder
    loss: WeightedLoss
    probes: dict[str, Probe]
    encode: Wire
    folder: Path
    metrics: dict[str, float]
    probed: dict[str, float]
    shown: dict[str, str]
    stop_signal: int | None

    # -- where it is

    @property
    @abstractmethod
    def step(self) -> int:
        """Optimizer steps done."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Optimizer steps in all."""

    @property
    @abstractmethod
    def epoch(self) -> int:
        """The epoch, counted from 0."""

    @property
    @abstractmethod
    def epochs(self) -> int:
        """Epochs in all."""

    @property
    @abstractmethod
    def batches_done(self) -> int:
        """Batches done since the beginning."""

    @property
    @abstractmethod
    def batches(self) -> int:
        """Batches in all."""

    @property
    @abstractmethod
    def time_to_log(self) -> bool:
        """Whether this step is one of those that are logged."""

    @property
    @abstractmethod
    def first_process(self) -> bool:
        """Whether this process is the one that writes; with several, the others only compute."""

    @property
    @abstractmethod
    def processes(self) -> int:
        """How many train together."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it trains."""

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """Of the optimizer's first group."""

    # -- what can be done

    @abstractmethod
    def tensors(self, batch: Mapping[str, Tensor], phase: Phase) -> Batch:
        """A batch of raw columns -> its columns, transformed, and the encoder's layers, in evaluation mode and without
        gradients."""

    @abstractmethod
    def batches_of(self, split: Split) -> Any:
        """The raw batches of a split, in order, on the device; every process gets all of them."""

    @abstractmethod
    def recent_losses(self) -> dict[str, float]:
        """The mean of the loss and of each term since this was last asked; waits for the device."""

    @abstractmethod
    def epoch_loss(self) -> float:
        """The mean of the weighted sum over this epoch so far; waits for the device."""

    @abstractmethod
    def check_finite(self) -> None:
        """Raises:
        ValueError: a recent loss or a weight is NaN or infinite; waits for the device.
        """

    @abstractmethod
    def say(self, text: str) -> None:
        """Prints a line, once in a sweep."""

    @abstractmethod
    def log(self, values: Mapping[str, float]) -> None:
        """Writes numbers to TensorBoard by tag, at this step."""

    @abstractmethod
    def log_image(self, tag: str, image: Tensor) -> None:
        """Writes an image (C, H, W) in 0..1 to TensorBoard."""

    @abstractmethod
    def log_figure(self, tag: str, figure: Any) -> None:
        """Writes a matplotlib figure to TensorBoard."""

    @abstractmethod
    def save(self, best: bool = False) -> None:
        """Writes a checkpoint, as `last` and, if it is the best so far, as `best`; only at a save point."""

    @abstractmethod
    def stop(self) -> None:
        """Ends the training after this epoch; a resume knows that it had ended."""


class Callback:
    """Something that a run does beside training. Derive your own from this and override the moments that you need.

    Where several processes train, every one of them calls every moment; what is written to TensorBoard is the first's.

    Attributes:
        ended: why it ended the training early, for the lists of runs.
    """

    ended = ""

    def check(self, run: Training) -> None:
        """Before anything: raise a ValueError where it does not fit the run."""

    def on_start(self, run: Training) -> None:
        """Training begins, or goes on."""

    def on_epoch_start(self, run: Training) -> None:
        """An epoch begins."""

    def on_batch_start(self, run: Training) -> None:
        """Before each batch."""

    def on_backward(self, run: Training, terms: Mapping[str, Tensor]) -> None:
        """The losses of a batch are known, unweighted by term; the graph is still there."""

    def on_batch_end(self, run: Training, batch: Mapping[str, Tensor]) -> None:
        """After each batch."""

    def on_validation_start(self, run: Training) -> None:
        """Before a validation, or the test."""

    def on_validated(self, run: Training) -> None:
        """After a validation; `run.metrics` has its figures."""

    def on_epoch_end(self, run: Training) -> None:
        """After an epoch and its validation."""

    def on_save_point(self, run: Training, epoch_ended: bool, validated: bool) -> None:
        """A moment from which a run resumes exactly, at the end of an epoch or within; `validated`: a validation has
        just taken place."""

    def on_tested(self, run: Training) -> None:
        """After the test, on the weights that the artifact keeps."""

    def close(self) -> None:
        """Training has ended, in whatever way."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it: plain containers and tensors."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `state`."""
