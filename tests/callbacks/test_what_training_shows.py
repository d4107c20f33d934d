"""Callbacks that look into a training, against plain code; each in a small run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from embloom.callbacks.gradient_cosine import flat_gradient, measured
from embloom.callbacks.latent_grid import grid_points
from embloom.callbacks.loss_weights import LossWeights
from embloom.training.preparing import prepared
from trained import SMALL_DIGITS, configuration, trained

SMALL_SHAPES = (
    "experiment=color_shape", "dataset.counts={train: 192, val: 32, test: 32}", "dataset.batch_size=32",
    "encoder.channels=4-8", "trainer.accelerator=cpu", "trainer.max_epochs=2", "trainer.log_every_n_steps=1",
    "trainer.min_batches=1", "probe=[chance]",
)  # fmt: skip


def board(folder: Path) -> Any:
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def test_cosines_are_those_of_two_backward_passes() -> None:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    unused = torch.ones(2, requires_grad=True)
    gradients = {"a": flat_gradient(x.square().sum(), [x, unused]), "b": flat_gradient(-x.sum(), [x, unused])}
    values = measured(gradients)
    assert torch.equal(gradients["a"], torch.tensor([2.0, 4.0, 6.0, 0.0, 0.0]))
    assert values["train/gradient_a"] == pytest.approx(56**0.5)
    assert values["train/cosine_a_b"] == pytest.approx(-12 / (56**0.5 * 3**0.5))


def test_gradient_cosine_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    with_it = trained(tmp_path / "a", *SMALL_SHAPES, "callbacks.gradient_cosine.every_n_steps=5")
    without = trained(tmp_path / "b", *SMALL_SHAPES, "callbacks=[default]")
    assert with_it == without
    cosines = board(tmp_path / "a").Scalars("train/cosine_color_shape")
    assert [event.step for event in cosines] == [0, 5, 10]
    assert all(-1 <= event.value <= 1 for event in cosines)
    assert "train/samples" in board(tmp_path / "a").Tags()["images"]
    assert (tmp_path / "a" / "images" / "samples.png").exists()


def test_warm_up_rises_to_the_full_weight_and_validation_uses_that(tmp_path: Path) -> None:
    overrides = ("callbacks=[default,loss_weights]", "callbacks.loss_weights.warmup={shape: 0.5}")
    trained(tmp_path / "run", *SMALL_SHAPES, *overrides, "loss.shape.weight=0.8")
    events = board(tmp_path / "run")
    weights = {event.step: event.value for event in events.Scalars("train/weight_shape")}
    # Twelve steps, of which the weight rises over six.
    expected = {step: 0.8 * min(1, step / 6) for step in range(1, 13)}
    assert weights == pytest.approx(expected, abs=1e-6)
    for total, color, shape in zip(
        *(events.Scalars(tag) for tag in ("val/loss", "val/loss_color", "val/loss_shape")), strict=True
    ):
        assert total.value == pytest.approx(color.value + 0.8 * shape.value, rel=1e-5)


def test_learned_weights_are_shown_and_learned(tmp_path: Path) -> None:
    learned = ("loss.color.weight=learned", "loss.shape.weight=learned")
    trained(tmp_path / "run", *SMALL_SHAPES, *learned)
    weights = [event.value for event in board(tmp_path / "run").Scalars("train/weight_color")]
    assert weights[0] != weights[-1]


def test_learned_weights_are_not_decayed(tmp_path: Path) -> None:
    learned = ("loss.color.weight=learned", "loss.shape.weight=learned", "optimizer.weight_decay=0.5")
    module = prepared(configuration(*SMALL_SHAPES, *learned)).module
    decays = {
        id(p): g["weight_decay"] for g in module.make_optimizer(module.trained()).param_groups for p in g["params"]
    }
    assert len(decays) == len(list(module.parameters()))
    found = {name: decays[id(p)] for name, p in module.named_parameters()}
    assert {name for name, decay in found.items() if decay != 0.5} == {
        "loss.log_variances.color",
        "loss.log_variances.shape",
    }


def test_a_warm_up_that_does_not_end_leaves_the_test_its_full_weight(tmp_path: Path) -> None:
    overrides = ("callbacks=[default,loss_weights]", "callbacks.loss_weights.warmup={shape: 1.0}")
    metrics = trained(tmp_path / "run", *SMALL_SHAPES, *overrides, "+trainer.limit_val_batches=0", "evaluate=last")
    assert metrics["test/loss"] == pytest.approx(metrics["test/loss_color"] + metrics["test/loss_shape"], rel=1e-5)


def test_warm_up_of_no_such_term_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"callbacks.loss_weights.warmup.kl: .*color, shape"):
        trained(tmp_path / "run", *SMALL_SHAPES, "callbacks=[default,kl_warmup]")
    with pytest.raises(ValueError, match=r"warmup.kl=2"):
        LossWeights({"kl": 2})


def test_grid_lies_in_the_widest_plane() -> None:
    widths = torch.tensor([0.1, 3.0, 2.0, 0.01])
    embedding = torch.randn(5000, 4) * widths + 5
    points = grid_points(embedding, side=5, reach=0.9)
    assert points.shape == (25, 4)
    torch.testing.assert_close(points.mean(0), embedding.mean(0), rtol=0, atol=1e-4)
    spread = points.std(0)
    assert spread[1] > spread[2] > 1
    assert max(spread[0], spread[3]) < 0.3
    # The middle 90 % of a normal distribution lies within 1.645 standard deviations.
    assert float(points[:, 1].max() - 5) == pytest.approx(3 * 1.645, rel=0.1)


def test_a_line_of_codes_makes_a_grid_too() -> None:
    points = grid_points(torch.randn(100, 1), side=3, reach=0.5)
    assert torch.equal(points[:3], points[3:6])


def test_vae_draws_its_images(tmp_path: Path) -> None:
    trained(tmp_path / "run", "experiment=vae", "encoder.layers=1024-32-4", *SMALL_DIGITS, "dataset.noise=0.2")
    images = board(tmp_path / "run").Tags()["images"]
    assert {"test/reconstructions", "test/latent_grid"} <= set(images)
    for name in ("reconstructions", "latent_grid"):
        assert (tmp_path / "run" / "images" / f"{name}.png").stat().st_size > 1000


@pytest.mark.parametrize("callback", ["reconstructions", "latent_grid"])
def test_images_need_a_decoder(callback: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"callbacks.{callback}: "):
        trained(tmp_path / "run", f"callbacks=[default,{callback}]", *SMALL_DIGITS)
