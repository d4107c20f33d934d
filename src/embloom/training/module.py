"""The one LightningModule: dataset -> encoder -> losses, whatever they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from embloom.assembly.wiring import Wire
from embloom.data.base import Batch, Dataset, samples_in
from embloom.encoders.base import Encoder
from embloom.losses.weighted import WeightedLoss
from embloom.optim.schedules import Schedule
from embloom.seeding import seed_step
from embloom.training.growing import MOVED
from embloom.training.init_from import OWN, Start


class NonFiniteError(ValueError):
    """A loss term or a weight is NaN or infinite."""

    def __init__(self, what: str, value: float, step: int, epoch: int) -> None:
        super().__init__(f"{what} became {value} at step {step} (epoch {epoch})")


class EmbeddingModule(LightningModule):
    """Trains an encoder with a weighted sum of losses, by automatic optimisation.

    Nothing in a step waits for the device: the losses of the last steps stay there as tensors, in `recent`,
    until a callback that logs takes them.

    Args:
        dataset: for its `transform`, and the number of steps.
        encoder: named tensors in, a dict of named tensors out.
        loss: the terms.
        of: renames the encoder's inputs.
        make_optimizer: parameters -> optimizer.
        schedule: factor on its learning rate.
        seed: with the epoch and the step, decides everything random.

    Attributes:
        metrics: the last of each `val/...` and `test/...`.
        epoch_sum, epoch_steps: of the losses of this epoch.
        on_terms: is told each batch's unweighted terms, before the backward pass.
    """

    def __init__(
        self,
        dataset: Dataset,
        encoder: Encoder,
        loss: WeightedLoss,
        of: Mapping[str, str] | None,
        make_optimizer: Callable[[Iterable[Any]], Optimizer],
        schedule: Schedule,
        seed: int,
    ) -> None:
        super().__init__()
        self.dataset, self.encoder, self.loss = dataset, encoder, loss
        self.encode = Wire(encoder, of, "encoder")
        self.make_optimizer, self.schedule, self.seed = make_optimizer, schedule, seed
        self.recent: list[Tensor] = []
        self.epoch_sum, self.epoch_steps = torch.zeros(()), 0
        self.sums: dict[str, Tensor] = {}
        self.optimizer_changes: dict[str, Any] = {}
        self.metrics: dict[str, float] = {}
        self.on_terms: Callable[[dict[str, Tensor]], None] | None = None
        self.start = Start(None)
        self.held: list[nn.Module] = []
        self.old_hash = ""  # of the embedding that this one is to be compatible with

    def __setattr__(self, name: str, value: Any) -> None:
        """Lightning notes the name of the hook it is in, twenty times a step; `nn.Module` would look each time
        whether it is a parameter, a buffer or a module."""
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    # -- steps

    def forward(self, batch: Batch) -> Batch:
        """A batch of raw columns -> its columns, transformed, and the encoder's outputs."""
        columns = self.dataset.seen(batch, "train" if self.training else "eval")
        grown = self.start.grown
        moved = {MOVED: grown.moved(self.training and self.encoder.sparse)} if grown and not grown.keep else {}
        return {**columns, **self.encode(columns), **moved}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step's weighted loss, a scalar."""
        seed_step(self.device, self.seed, self.current_epoch, batch_idx, self.global_rank)
        for part in self.held:
            part.eval()
        total, terms = self.loss(self(batch))
        loss = total.detach()
        self.recent.append(torch.stack([loss, *(term.detach() for term in terms.values())]))
        self.epoch_sum = loss if batch_idx == 0 else self.epoch_sum + loss
        self.epoch_steps = self.epoch_steps + 1 if batch_idx else 1
        if self.on_terms is not None:
            self.on_terms(terms)
        return total

    def check_finite(self) -> None:
        """Stops a run that is past saving; waits for the device, so only where it is waited for anyway.

        Raises:
            NonFiniteError: one of the recent losses, or a weight, is NaN or infinite.
        """
        if self.recent:
            losses = torch.stack(self.recent).cpu()
            bad = (~losses.isfinite()).nonzero()
            if len(bad):
                row = int(bad[0, 0])
                # The last of a row's bad terms: the sum comes first and is bad with any of them.
                column = int(bad[bad[:, 0] == row][-1, 1])
                behind = (len(losses) - 1 - row) // self.trainer.accumulate_grad_batches
                name = self.recent_names()[column]
                raise NonFiniteError(name, float(losses[row, column]), self.global_step - behind, self.current_epoch)
        if not all_finite(list(self.parameters())):
            raise NonFiniteError("a weight", math.nan, self.global_step, self.current_epoch)

    def recent_names(self) -> list[str]:
        """What the numbers of an entry of `recent` are: the weighted sum, then each term."""
        return ["loss", *(f"loss_{name}" for name in self.loss.terms)]

    def take_recent(self) -> dict[str, float]:
        """The mean of each of them since this was last called; waits for the device."""
        means = torch.stack(self.recent).double().mean(0).tolist()
        self.recent.clear()
        return dict(zip(self.recent_names(), means, strict=True))

    def epoch_loss(self) -> float:
        """The mean of the losses of this epoch; waits for the device."""
        return float(self.epoch_sum) / max(1, self.epoch_steps)

    def on_validation_epoch_start(self) -> None:
        """Empties the sums."""
        self.sums = {}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Adds a batch to the sums, each sample counted once."""
        # Losses may be random too; validation must neither depend on the step nor change what follows.
        seed_step(self.device, self.seed, -1, batch_idx)
        tensors = self(batch)
        total, terms = self.loss(tensors)
        count = samples_in(self.dataset, batch)
        values = {"loss": total, **{f"loss_{name}": term for name, term in terms.items()}}
        named = self.loss.by_label()
        for name, (scores, target) in self.loss.scored(self.clean(batch, tensors)).items():
            values[f"accuracy_{named[name]}"] = (scores.argmax(1) == target).double().mean()
        for name, value in [*values.items(), ("count", torch.ones_like(total))]:
            self.sums[name] = self.sums.get(name, 0) + value.detach().double() * count

    def clean(self, batch: Batch, tensors: Batch) -> Batch:
        """What is classified: a batch's samples as they are, where the losses see views of them."""
        if self.dataset.views == 1 or not self.loss.scorers:
            return tensors
        columns = self.dataset.seen(batch, "embed")
        return {**columns, **self.encode(columns)}

    def on_validation_epoch_end(self) -> None:
        """Means over the split, of all processes (`val/...`)."""
        self.report("val")

    on_test_epoch_start = on_validation_epoch_start
    test_step = validation_step

    def on_test_epoch_end(self) -> None:
        """Means over the test split (`test/...`)."""
        self.report("test")

    def report(self, split: str) -> None:
        """Turns the sums into means."""
        names = list(self.sums)
        sums = torch.stack([self.sums[name] for name in names])
        if self.trainer.world_size > 1:
            sums = self.trainer.strategy.reduce(sums, reduce_op="sum")
        means = dict(zip(names, (sums / sums[names.index("count")]).tolist(), strict=True))
        del means["count"]
        self.metrics.update({f"{split}/{name}": value for name, value in means.items()})

    # -- optimisation

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule, stepped after each of its steps."""
        optimizer = self.make_optimizer(self.trained())
        if self.start.grown is not None:
            optimizer.register_step_post_hook(self.start.grown.restore)
        steps = self.total_steps()
        scheduler = LambdaLR(optimizer, lambda step: self.schedule(min(1.0, step / steps)))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Kept rows have no gradient."""
        if self.start.grown is not None:
            self.start.grown.mask()

    def trained(self) -> Iterable[Any]:
        """What the optimizer gets. Weights of losses that are learned are no weights of the model: decay would pull
        them towards 1, so they are a group without."""
        learned = list(self.loss.log_variances.parameters())
        rest = [p for p in self.parameters() if p.requires_grad and not any(p is weight for weight in learned)]
        groups = self.start.groups(self.encoder, rest)
        return [*groups, {"params": learned, "weight_decay": 0.0, OWN: ["weight_decay"]}] if learned else groups

    def total_steps(self) -> int:
        """Optimizer steps in the whole training.

        Not `trainer.estimated_stepping_batches`: that makes the loader before a checkpoint is restored, and
        Lightning then does not restore the loader's position.
        """
        trainer = self.trainer
        batches = len(self.dataset.train_dataloader())
        limit = trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        per_epoch = math.ceil(batches / trainer.accumulate_grad_batches)
        ends = [trainer.max_steps] if trainer.max_steps > 0 else []
        if trainer.max_epochs is not None and trainer.max_epochs > 0:
            ends.append(per_epoch * trainer.max_epochs)
        return max(1, min(ends, default=per_epoch))

    def on_train_start(self) -> None:
        """Lets settings that a resume changes win over those in its checkpoint."""
        for optimizer, scheduler in zip(
            self.trainer.optimizers, (c.scheduler for c in self.trainer.lr_scheduler_configs), strict=True
        ):
            for number, group in enumerate(optimizer.param_groups):
                changes = {k: v for k, v in self.optimizer_changes.items() if k not in group.get(OWN, ())}
                group.update(changes)
                if "lr" in changes:
                    group["initial_lr"] = scheduler.base_lrs[number] = changes["lr"]
        self.held = self.start.hold(self.encoder, self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Thaws what `init_from` froze, when its epoch has come."""
        self.held = self.start.hold(self.encoder, self.current_epoch)

    # -- checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds what has been computed but not logged, and the last validation."""
        checkpoint["metrics"] = dict(self.metrics)
        checkpoint["start"] = self.start.state()
        checkpoint["old_hash"] = self.old_hash
        checkpoint["recent_losses"] = torch.stack(self.recent).cpu() if self.recent else None
        checkpoint["epoch_losses"] = (float(self.epoch_sum), self.epoch_steps)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restores it."""
        if checkpoint.get("old_hash", "") != self.old_hash:
            raise ValueError("loss.compatible.to is no longer the embedding that this run began with: put it back")
        self.metrics.update(checkpoint["metrics"])
        self.start.restore(checkpoint["start"], self.encoder, self.loss)
        if self.start.thaw_epoch is None:
            self.start.hold(self.encoder, 0)
        losses = checkpoint["recent_losses"]
        self.recent = [] if losses is None else list(losses.to(self.device))
        total, self.epoch_steps = checkpoint.get("epoch_losses", (0.0, 0))
        self.epoch_sum = torch.tensor(total, device=self.device)


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether every number is finite; one wait for the device."""
    flags = [tensor.detach().abs().amax().isfinite() for tensor in tensors if tensor.numel()]
    return bool(torch.stack(flags).all()) if flags else True
