"""What embloom's `lightning_internals` takes for granted of Lightning, asked of Lightning itself; each failure names
what another version of it has changed."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning.pytorch
import pytest
import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint
from lightning.pytorch.profilers import PassThroughProfiler
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR

from embloom.data.batches import Batches, Order
from embloom.training.lightning_internals import AtomicCheckpointIO, Moments, NoProfiler, quiet_lightning, set_counters

ROOT = Path(__file__).parents[2]
BATCHES = 4


class Plain(LightningModule):
    """A module as Lightning's own examples have it; keeps what it was asked to do: (what, epoch, step, numbers)."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.seen: list[tuple[str, int, int, list[float]]] = []

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        self.seen.append(("train", self.current_epoch, self.global_step, batch["x"].flatten().tolist()))
        loss: Tensor = self.layer(batch["x"]).square().mean()
        return loss

    def on_validation_start(self) -> None:
        self.seen.append(("validate", self.current_epoch, self.global_step, []))

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None: ...

    def configure_optimizers(self) -> Any:
        optimizer = SGD(self.parameters(), 0.01)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": LambdaLR(optimizer, lambda _: 1.0), "interval": "step"},
        }


def fitted(
    *callbacks: lightning.pytorch.Callback, epochs: int = 3, checkpoint: Path | None = None, **options: Any
) -> Plain:
    """Trains with Lightning's trainer, with embloom's loaders and nothing else of embloom's."""
    quiet_lightning()
    columns = {"x": torch.arange(2.0 * BATCHES)[:, None]}
    trainer = Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, callbacks=list(callbacks), enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0,
        enable_checkpointing=any(isinstance(c, Checkpoint) for c in callbacks), **options,
    )  # fmt: skip
    model = Plain()
    train, val = Batches(columns, Order(2 * BATCHES, 2, seed=0)), Batches(columns, Order(2 * BATCHES, 2))
    trainer.fit(model, train, val, ckpt_path=checkpoint, weights_only=True)
    return model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Lightning itself writes within the second epoch."""
    folder = tmp_path_factory.mktemp("lightning")
    fitted(ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=BATCHES + 2), epochs=2)
    (path,) = folder.glob(f"step={BATCHES + 2}.ckpt")
    found: dict[str, Any] = torch.load(path, weights_only=True)
    return found


# -- the version


def test_the_version_is_one_that_this_holds_for() -> None:
    found = version("lightning")
    assert found.split(".")[:2] == ["2", "6"], (
        f"lightning {found} is installed, and lightning_internals.py is known to hold for 2.6: "
        "see what else fails here, then move the range in pyproject.toml"
    )


def test_the_dependency_states_the_range() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [d for d in declared if d.startswith("lightning")] == ["lightning>=2.6,<2.7"]


# -- checkpoints


@pytest.mark.parametrize(
    "path",
    [
        "epoch_progress/total/ready", "epoch_progress/total/started", "epoch_progress/total/processed",
        "epoch_progress/total/completed", "epoch_progress/current/ready", "epoch_progress/current/started",
        "epoch_progress/current/processed", "epoch_progress/current/completed",
        "epoch_loop.batch_progress/total/ready", "epoch_loop.batch_progress/total/started",
        "epoch_loop.batch_progress/total/processed", "epoch_loop.batch_progress/total/completed",
        "epoch_loop.batch_progress/current/ready", "epoch_loop.batch_progress/current/started",
        "epoch_loop.batch_progress/current/processed", "epoch_loop.batch_progress/current/completed",
        "epoch_loop.batch_progress/is_last_batch", "epoch_loop.state_dict/_batches_that_stepped",
        "state_dict/combined_loader",
        "epoch_loop.automatic_optimization.optim_progress/optimizer/step/total/ready",
        "epoch_loop.automatic_optimization.optim_progress/optimizer/step/total/completed",
    ],
)  # fmt: skip
def test_a_counter_that_embloom_sets_is_one_that_lightning_writes(checkpoint: dict[str, Any], path: str) -> None:
    node = checkpoint["loops"]["fit_loop"]
    for key in path.split("/"):
        assert key in node, (
            f"Lightning's checkpoints have no loops/fit_loop/{path} any more (no '{key}'): see set_counters"
        )
        node = node[key]


def keys(node: Any) -> Any:
    """The shape of nested mappings."""
    return {key: keys(value) for key, value in node.items()} if isinstance(node, dict) else None


def test_setting_the_counters_adds_none_and_forgets_none(checkpoint: dict[str, Any]) -> None:
    loops = deepcopy(checkpoint["loops"]["fit_loop"])
    set_counters(loops, 1, 2, BATCHES, BATCHES + 2)
    assert keys(loops) == keys(checkpoint["loops"]["fit_loop"]), "Lightning keeps other counters now: see set_counters"
    assert loops["state_dict"]["combined_loader"] == [{"batch": 2}]


def test_lightning_writes_what_a_checkpoint_of_embloom_reads(checkpoint: dict[str, Any]) -> None:
    missing = {"global_step", "state_dict", "loops", "optimizer_states", "lr_schedulers", "callbacks"} - set(checkpoint)
    assert not missing, f"Lightning's checkpoints have no {', '.join(missing)} any more"
    assert checkpoint["global_step"] == BATCHES + 2


@pytest.mark.parametrize(("epoch", "batch"), [(1, 1), (1, 2), (1, 3), (1, 0), (2, 0), (2, 3)])
def test_lightning_goes_on_where_the_counters_say(
    checkpoint: dict[str, Any], tmp_path: Path, epoch: int, batch: int
) -> None:
    # Set from a checkpoint of another moment, so that every number must come from `set_counters`.
    changed, step = deepcopy(checkpoint), BATCHES * epoch + batch
    set_counters(changed["loops"]["fit_loop"], epoch, batch, BATCHES, step)
    torch.save({**changed, "global_step": step}, tmp_path / "set.ckpt")
    whole = fitted(val_check_interval=2).seen
    # A checkpoint that falls together with a validation is written after it.
    rest = next(i for i, event in enumerate(whole) if event[0] == "train" and event[2] == step)
    assert fitted(checkpoint=tmp_path / "set.ckpt", val_check_interval=2).seen == whole[rest:], (
        f"Lightning does not go on at epoch {epoch}, batch {batch}, with these counters: see set_counters"
    )


# -- hooks

HOOKS = [
    name
    for name, value in vars(Moments).items()
    if callable(value) and (name.startswith("on_") or name in ("setup", "state_dict", "load_state_dict"))
]


@pytest.mark.parametrize("hook", [*HOOKS, "state_key", "on_train_batch_start"])
def test_a_hook_that_moments_uses_is_lightnings(hook: str) -> None:
    assert hasattr(Checkpoint, hook), f"Lightning's callbacks have no {hook} any more: see Moments"
    ours: Any = getattr(Moments, "batch_start" if hook == "on_train_batch_start" else hook)
    if callable(ours):
        theirs = inspect.signature(getattr(lightning.pytorch.Callback, hook)).parameters
        assert list(inspect.signature(ours).parameters) == list(theirs), (
            f"Lightning calls {hook} with other arguments now"
        )


class Recorder(lightning.pytorch.Callback):
    """Writes down which hooks Lightning calls, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in HOOKS and name.startswith("on_") and "checkpoint" not in name:
            object.__getattribute__(self, "calls").append(name)
        return super().__getattribute__(name)


def test_lightning_validates_before_an_epoch_ends_and_after_a_batch_has() -> None:
    recorder = Recorder()
    fitted(recorder, epochs=1, limit_train_batches=2, val_check_interval=1)
    expected = [
        "on_train_start", "on_train_epoch_start",
        "on_train_batch_end", "on_validation_start", "on_validation_end",
        "on_train_batch_end", "on_validation_start", "on_validation_end",
        "on_train_epoch_end", "on_train_end",
    ]  # fmt: skip
    assert recorder.calls == expected, "Lightning calls its hooks in another order now: see Moments"


class Failing(lightning.pytorch.Callback):
    def __init__(self) -> None:
        self.heard: list[BaseException] = []

    def on_train_batch_end(self, *_: Any) -> None:
        raise KeyboardInterrupt

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.heard.append(exception)


def test_lightning_tells_of_what_ended_a_training() -> None:
    callback = Failing()
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fitted(callback)
    assert [type(error) for error in callback.heard] == [KeyboardInterrupt]


# -- loops and trainer

USED: dict[str, Callable[[Any], Any]] = {
    "fit_loop.epoch_loop.batch_progress.total.ready": lambda t: t.fit_loop.epoch_loop.batch_progress.total.ready + 0,
    "fit_loop.epoch_loop.batch_idx": lambda t: t.fit_loop.epoch_loop.batch_idx + 0,
    "fit_loop.epoch_loop._should_accumulate()": lambda t: t.fit_loop.epoch_loop._should_accumulate(),
    "fit_loop._should_accumulate()": lambda t: t.fit_loop._should_accumulate(),
    "fit_loop.epoch_loop._num_ready_batches_reached()": lambda t: t.fit_loop.epoch_loop._num_ready_batches_reached(),
    "fit_loop.epoch_loop._should_check_val_fx(fit_loop._data_fetcher)": lambda t: (
        t.fit_loop.epoch_loop._should_check_val_fx(t.fit_loop._data_fetcher)
    ),
    "num_training_batches": lambda t: int(t.num_training_batches),
    "state.fn": lambda t: {"fit": 0}[t.state.fn],
    "should_stop": lambda t: bool(t.should_stop),
    "strategy.root_device": lambda t: torch.zeros(1, device=t.strategy.root_device),
    "strategy.reduce": lambda t: int(t.strategy.reduce(torch.tensor(3), reduce_op="max")),
    "strategy.barrier": lambda t: t.strategy.barrier("here"),
    "lr_scheduler_configs": lambda t: t.lr_scheduler_configs[0].scheduler.base_lrs[0],
    "optimizers": lambda t: t.optimizers[0].param_groups[0]["lr"],
    "limit_train_batches": lambda t: t.limit_train_batches * 1,
    "accumulate_grad_batches": lambda t: t.accumulate_grad_batches + 0,
    "log_every_n_steps": lambda t: t.log_every_n_steps + 0,
}


class Asking(lightning.pytorch.Callback):
    """Asks one thing after each batch."""

    def __init__(self, question: Callable[[Any], Any]) -> None:
        self.question, self.answers = question, list[Any]()

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.answers.append(self.question(trainer))


@pytest.mark.parametrize("name", USED)
def test_what_embloom_asks_the_trainer_is_there(name: str) -> None:
    try:
        fitted(Asking(USED[name]), epochs=1)
    except (AttributeError, TypeError, KeyError, IndexError) as error:
        pytest.fail(f"Lightning's trainer.{name} is not what it was ({error}): see Moments and LightningTraining")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Epochs of four batches, of which two are accumulated, with a validation after each two.
        ("fit_loop.epoch_loop._should_accumulate()", [True, False, True, False] * 2),
        ("fit_loop._should_accumulate()", [True, False, True, False] * 2),
        ("fit_loop.epoch_loop._num_ready_batches_reached()", [False, False, False, True] * 2),
        ("fit_loop.epoch_loop._should_check_val_fx(fit_loop._data_fetcher)", [False, True, False, True] * 2),
        ("fit_loop.epoch_loop.batch_progress.total.ready", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("fit_loop.epoch_loop.batch_idx", [0, 1, 2, 3] * 2),
        ("num_training_batches", [4] * 8),
    ],
)
def test_what_embloom_asks_the_loops_means_what_it_did(name: str, expected: list[Any]) -> None:
    asking = Asking(USED[name])
    fitted(asking, epochs=2, accumulate_grad_batches=2, val_check_interval=2)
    assert asking.answers == expected, f"trainer.{name} means something else now: see Moments"


@pytest.mark.parametrize(
    "option",
    [
        "logger", "callbacks", "profiler", "default_root_dir", "plugins", "enable_progress_bar", "enable_model_summary",
        "enable_checkpointing", "num_sanity_val_steps", "use_distributed_sampler", "enable_autolog_hparams",
    ],
)  # fmt: skip
def test_an_option_that_embloom_gives_the_trainer_is_known(option: str) -> None:
    assert option in inspect.signature(Trainer).parameters, f"Lightning's Trainer has no {option} any more"


def test_fit_can_be_told_to_trust_no_pickle() -> None:
    assert {"ckpt_path", "weights_only", "datamodule"} <= set(inspect.signature(Trainer.fit).parameters)


def test_an_option_that_lightning_refuses_is_told_from_a_bug_by_the_name_of_its_error() -> None:
    with pytest.raises(MisconfigurationException):  # `make_trainer` looks for this name
        Trainer(accelerator="cpu", limit_train_batches=-1, logger=False)


def test_the_module_notes_the_hook_it_is_in_under_the_name_that_is_made_cheap() -> None:
    names: set[str] = set()

    class Watched(Plain):
        def __setattr__(self, name: str, value: Any) -> None:
            names.add(name)
            super().__setattr__(name, value)

    trainer = Trainer(
        max_steps=1, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        enable_checkpointing=False,
    )  # fmt: skip
    trainer.fit(Watched(), Batches({"x": torch.zeros(2, 1)}, Order(2, 2)))
    assert "_current_fx_name" in names, "Lightning notes its hooks elsewhere: EmbeddingModule.__setattr__ saves nothing"


# -- what is replaced


def test_the_profiler_and_the_checkpoint_door_replace_all_there_is() -> None:
    assert not getattr(AtomicCheckpointIO, "__abstractmethods__", None)
    assert {"save_checkpoint", "load_checkpoint", "remove_checkpoint"} == set(CheckpointIO.__abstractmethods__)
    for name in ("profile", "start", "stop"):
        assert hasattr(PassThroughProfiler, name), f"Lightning's profilers have no {name} any more: see NoProfiler"
        assert name in vars(NoProfiler)


def test_a_profiler_that_does_nothing_changes_nothing() -> None:
    torch.manual_seed(0)
    plain = fitted(epochs=1)
    torch.manual_seed(0)
    quiet = fitted(epochs=1, profiler=NoProfiler())
    assert quiet.seen == plain.seen
    assert torch.equal(quiet.layer.weight, plain.layer.weight)


def test_lightning_sets_the_epoch_of_embloom_loaders() -> None:
    seen = fitted(epochs=3).seen
    orders = [[x for _, epoch, _, rows in seen if epoch == number for x in rows] for number in range(3)]
    expected = []
    for number in range(3):
        order = Order(2 * BATCHES, 2, seed=0)
        order.set_epoch(number)
        expected.append(torch.cat(list(order)).float().tolist())
    assert orders == expected, "Lightning no longer calls set_epoch on a loader's sampler before each epoch"
