"""Probes while a run trains: on a sample that is always the same, within their time, and without any effect on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from embloom.callbacks.probing import Probing
from embloom.comparison.curves import curves
from embloom.probes.sample import Rows
from embloom.training.loggers.tensorboard import layout
from embloom.training.preparing import prepared
from harness import assert_same
from trained import configuration, trained

QUICK = (
    "trainer.accelerator=cpu", "trainer.max_epochs=4", "encoder.layers=auto-16-auto", "trainer.min_batches=4",
    "trainer.limit_train_batches=4",
)  # fmt: skip


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def test_probes_after_every_epoch_change_neither_the_weights_nor_the_last_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    always = trained(tmp_path / "a", *QUICK, "callbacks.probing.share=1", "callbacks.probing.samples=100")
    said = capsys.readouterr().out
    never = trained(tmp_path / "b", *QUICK, "callbacks.probing.every_n_epochs=0")
    assert always == never
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert said.count("probes while it trains, on a sample, within 100 % of the time: knn every ") == 1
    assert "probes while" not in capsys.readouterr().out
    steps, values = curves(tmp_path / "a", most=None)["probe/knn_label"]
    assert (steps[0], steps[-1]) == (4, 16)
    assert values[-1] == pytest.approx(always["probe/knn_label"])  # of all rows
    assert curves(tmp_path / "b", most=None)["probe/knn_label"][0] == [16]


def test_what_takes_longer_than_its_share_is_tried_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path / "run", *QUICK, "callbacks.probing.share=0.000001", "probe=[knn]")
    assert "within 0.0001 % of the time: knn only at the end" in capsys.readouterr().out
    assert curves(tmp_path / "run", most=None)["probe/knn_label"][0] == [4, 16]


def test_the_sample_is_always_the_same_and_read_once() -> None:
    dataset = prepared(configuration(*QUICK)).dataset
    dataset.setup("fit")
    one, other = (Rows(dataset, "train", 100) for _ in range(2))
    rows = [torch.cat([batch["label"] for batch in part]) for part in (one, one, other)]
    assert len(rows[0]) == 100
    assert len(rows[0].unique()) == 10
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], rows[2])
    assert sum(len(batch["label"]) for batch in Rows(dataset, "val", 10**9)) == dataset.rows()["val"]


def test_a_number_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="every_n_epochs=often"):
        Probing("often")
    with pytest.raises(ValueError, match="share=2"):
        Probing(share=2)


def test_custom_scalars_show_probes_first_and_speed_last(tmp_path: Path) -> None:
    found = layout(configuration("loss=[cross_entropy,triplet]"))
    assert list(found) == ["probes", "validation", "terms", "speed"]
    assert list(found["probes"]) == ["knn", "linear"]
    assert found["terms"]["triplet"] == ["Multiline", ["^(train|val)/loss_triplet$"]]
