"""What a run says: lines of an epoch, a warning only where validation shows overfitting, and what to do next."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from embloom.callbacks.metrics import Metrics
from embloom.training.closing import another, overfitted
from harness import finish, fork, scalars
from trained import SMALL_DIGITS, trained

TINY = ("trainer=cpu", "trainer.limit_train_batches=3", "trainer.min_batches=3", "trainer.max_epochs=2", "probe=[]")


def said(best: tuple[int, float] | None, last: tuple[float, float] | None) -> str:
    metrics = Metrics()
    metrics.best, metrics.last = best, last
    return overfitted({"metrics": metrics})


def test_overfitting_is_said_where_validation_shows_it_only() -> None:
    assert said(None, None) == said((10, 0.35), (0.35, 0.3)) == said((9, 0.35), (0.36, 0.01)) == ""
    assert said((1, 0.5), (0.9, 0.8)) == ""  # both losses rose: it diverged
    assert said((3, 0.2), (0.5, 0.01)).startswith("it overfits: val/loss was 0.2000 after epoch 3 and is 0.5000 now")
    assert overfitted({}) == ""


def test_a_run_ends_with_commands_that_can_be_typed(tmp_path: Path) -> None:
    for overrides in ([], ["loss=triplet", "optimizer.lr=0.003"]):
        finish(fork("train", *overrides, *TINY, cwd=tmp_path), tmp_path)
    text = (tmp_path / "output.txt").read_text()
    assert "warning" not in text
    assert text.count("training examples, 0.0024 a parameter") == 2
    first, second = re.findall(r"^done: (\S+)$", text, re.M)
    assert re.fullmatch(r"outputs/triplet_lr=0.003_\S+/mlp-digits-\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", second)
    assert text.splitlines()[-4:] == [
        "next:",
        f"  embloom map {second}",
        f"  embloom encode {second} photo.png -o vectors.npy",
        f"  embloom compare {second} {first}",
    ]
    finish(fork("train", f"init_from={second}", *TINY, cwd=tmp_path), tmp_path)
    assert "/mlp-digits-" in (tmp_path / "output.txt").read_text().splitlines()[-1]


def test_other_runs_are_those_on_the_same_dataset(tmp_path: Path) -> None:
    for name in (
        "a/mlp-digits-2026-11-21_10-30-00",
        "b/conv-digits-2026-11-21_10-30-00-2",
        "c/mlp-mnist-2026-11-21_10-30-00",
    ):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").touch()
    found = another(tmp_path / "a/mlp-digits-2026-11-21_10-30-00", "digits")
    assert found == tmp_path / "b/conv-digits-2026-11-21_10-30-00-2"
    assert another(tmp_path / "c/mlp-mnist-2026-11-21_10-30-00", "mnist") is None
    assert another(tmp_path / "mine", "digits") is None


def test_the_line_of_an_epoch_has_the_mean_of_that_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    overrides = (*SMALL_DIGITS, "trainer.max_epochs=3", "trainer.log_every_n_steps=1")
    trained(tmp_path / "every", *overrides)
    lines = re.findall(r"epoch (\d)/3  loss ([\d.]+)  [\d,]+ examples/s", capsys.readouterr().out)
    assert [number for number, _ in lines] == ["1", "2", "3"]
    steps = [value for _, value in scalars(tmp_path / "every")["train/loss"]]
    assert len(steps) == 9
    for (_, shown), first in zip(lines, (0, 3, 6), strict=True):
        assert float(shown) == pytest.approx(sum(steps[first : first + 3]) / 3, abs=1e-4)
    # Epochs that nothing is logged in have a line of their own too.
    trained(tmp_path / "never", *overrides, "trainer.log_every_n_steps=1000")
    assert re.findall(r"epoch (\d)/3  loss ([\d.]+)", capsys.readouterr().out) == lines


def test_short_epochs_log_each_step(tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL_DIGITS)
    assert [step for step, _ in scalars(tmp_path / "run")["train/loss"]] == [1, 2, 3]


def test_a_layer_too_wide_is_refused_with_the_one_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"10 classes, .* has 12.*encoder.layers=1024-512-10 or 1024-512-auto"):
        trained(Path("never"), "encoder.layers=1024-512-12")


def test_auto_alone_ends_in_the_number_of_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained(tmp_path / "run", *SMALL_DIGITS, "encoder.layers=auto")
    assert re.search(r"hidden_0 +512\s+embedding +10 ", capsys.readouterr().out)
