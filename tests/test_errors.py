"""Typical mistakes: one short message that says what to do, exit status 2, no traceback, nothing left behind."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

import embloom
from harness import command, fork
from trained import SMALL_DIGITS

Setup = Callable[[Path], None]


def images(folder: Path, classes: str = "ab", count: int = 6) -> None:
    for name in classes:
        (folder / "photos" / name).mkdir(parents=True)
        for i in range(count):
            Image.new("L", (8, 8), i * 9).save(folder / "photos" / name / f"{i}.png")


def empty_class(folder: Path) -> None:
    images(folder)
    (folder / "photos" / "c").mkdir()


def unreadable(folder: Path) -> None:
    images(folder)
    (folder / "photos" / "a" / "0.png").write_bytes(b"no image")


def one_class(folder: Path) -> None:
    images(folder, "a")


def a_file(folder: Path) -> None:
    (folder / "file").write_text("")


def no_config(folder: Path) -> None:
    (folder / "run").mkdir()


def occupied(folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text("")


def foreign_loss(folder: Path) -> None:
    group = folder / "mine" / "loss"
    group.mkdir(parents=True)
    (group / "evil.yaml").write_text("evil:\n  _target_: os.system\n  command: touch executed\n")
    (group / "absent.yaml").write_text("absent:\n  _target_: no.such.Loss\n")
    (group / "bare.yaml").write_text("bare:\n  weight: 1.0\n")


PHOTOS = ("dataset=image_folder", "dataset.root=photos", "encoder.layers=1024-2")

# what is typed, what the message must say, what is there before
# ruff: noqa: E501
MISTAKES: dict[str, tuple[tuple[str, ...], str, Setup | None]] = {
    "command": (("trian",), "no command 'trian'.*did you mean train", None),
    "group option": (("train", "dataset=mnits"), r"dataset=mnits.*did you mean dataset=mnist\?", None),
    "loss option": (("train", "loss=cross_entropi"), "did you mean loss=cross_entropy", None),
    "key": (("train", "encoder.layer=1024-10"), "encoder.layer: there is no such setting; did you mean encoder.layers", None),
    "top-level key": (("train", "sed=3"), "sed: there is no such setting; did you mean seed", None),
    "added key": (("train", "+encoder.drpout=0.1"), "encoder.drpout.*did you mean", None),
    "syntax": (("train", "encoder.layers=[1024"), r"cannot read the override encoder.layers=\[1024: .*quote", None),
    "layers too narrow": (("train", "encoder.layers=784-512-10"), "encoder.layers=1024-512-10", None),
    "layers too few classes": (("train", "encoder.layers=1024-512-5"), "encoder.layers=1024-512-10 or 1024-512-auto", None),
    "layers no numbers": (("train", "encoder.layers=big"), "encoder.layers=1024-512-10", None),
    "channels change the features": (("train", "dataset.channels=rgb", "encoder.layers=1024-512-10"), "encoder.layers=3072-512-10", None),
    "channels": (("train", "dataset.channels=purple"), "dataset.channels=purple.*gray, rgb", None),
    "activation": (("train", "encoder.activation=rellu"), "encoder.activation=rellu.*relu", None),
    "dropout": (("train", "encoder.dropout=1.5"), "encoder.dropout=1.5", None),
    "missing tensor": (("train", "loss.cross_entropy.of.target=color"), "loss.cross_entropy needs the tensor 'color'", None),
    "missing layer": (("train", "loss.cross_entropy.of.input=hidden_7"), "needs the tensor 'hidden_7'.*hidden_0", None),
    "weight": (("train", "loss.cross_entropy.weight=-1"), "loss.cross_entropy.weight=-1", None),
    "loss parameter": (("train", "loss=triplet", "loss.triplet.margin=-1"), "loss.triplet.margin=-1", None),
    "batch size": (("train", "dataset.batch_size=0"), "dataset.batch_size=0", None),
    "held-out part": (("train", "dataset.val_size=5000"), "dataset.val_size=5000.*between 1 and", None),
    "epochs": (("train", "trainer.max_epochs=0"), "trainer.max_epochs=0", None),
    "precision": (("train", "trainer.precision=8"), "trainer.precision=8", None),
    "half precision on the CPU": (("train", "trainer=cpu", "trainer.precision=16-mixed"), "bf16-mixed", None),
    "clipping": (
        ("train", "trainer.precision=bf16-mixed", "trainer.gradient_clip_val=1"), "optimizer.fused=false", None,
    ),
    "no GPU": (("train", "trainer=gpu"), "trainer=cpu or trainer=auto", None),
    "trainer key": (("train", "+trainer.max_epoch=3"), "trainer.*max_epoch", None),
    "learning rate": (("train", "optimizer.lr=-1"), "optimizer.lr=-1", None),
    "optimizer key": (("train", "+optimizer.momentum=0.9"), "optimizer.momentum: AdamW has no such parameter", None),
    "schedule": (("train", "scheduler.warmup=2"), "scheduler.warmup=2", None),
    "seed": (("train", "seed=-1"), "seed=-1", None),
    "evaluate": (("train", "evaluate=bset"), "evaluate=bset.*best or last", None),
    "several at once": (("train", "seed=-1", "trainer.max_epochs=0"), "seed=-1(.|\n)*trainer.max_epochs=0", None),
    "monitor": (("train", "callbacks.checkpoints.monitor=val/acc", "trainer.max_epochs=1"), "monitor=val/acc.*val/loss", None),
    "probe layer": (("train", "probe.knn.layers=hidden_3"), "probe.knn.layers=hidden_3: there is no layer 'hidden_3'.*hidden_0", None),
    "no folder given": (("train", "dataset=image_folder"), "dataset.root must be given", None),
    "missing folder": (("train", *PHOTOS), "dataset.root=photos is no folder", None),
    "empty class": (("train", *PHOTOS), "photos/c has no images", empty_class),
    "one class": (("train", *PHOTOS), "1 class folders", one_class),
    "unreadable image": (("train", *PHOTOS), "photos/a/0.png", unreadable),
    "no network": (("train", "dataset=mnist", "dataset.root=nowhere"), "MNIST.*dataset.root=", None),
    "config dir": (("train", "--config-dir", "absent"), "--config-dir absent: there is no such folder", None),
    "target that is no loss": (("train", "--config-dir", "mine", "loss=evil"), "os.system is not a Module", foreign_loss),
    "target that is absent": (("train", "--config-dir", "mine", "loss=absent"), "no.such.Loss cannot be imported", foreign_loss),
    "no target": (("train", "--config-dir", "mine", "loss=bare"), "loss.bare", foreign_loss),
    "pickle": (("train", "--experimental-rerun", "x.pickle"), "could execute code", None),
    "folder under a file": (("train", "hydra.run.dir=file/run"), "hydra.run.dir|file", a_file),
    "folder that cannot be written": (("train", "hydra.run.dir=/proc/run"), "/proc/run|hydra.run.dir", None),
    "folder in use": (("train", "hydra.run.dir=run"), "embloom resume", occupied),
    "resume of nothing": (("resume", "absent"), "absent is no run folder", None),
    "resume of a folder that is no run": (("resume", "run"), "run is no run folder", no_config),
    "runs of nothing": (("runs", "absent"), "no folder absent", None),
    "completion": (("completion", "tcsh"), "name the shell", None),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_gets_a_message_that_helps(name: str, tmp_path: Path) -> None:
    arguments, says, setup = MISTAKES[name]
    if name == "no GPU" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    if setup:
        setup(tmp_path)
    before = set(tmp_path.rglob("*"))
    process = fork(*arguments, cwd=tmp_path)
    process.join(120)
    output = (tmp_path / "output.txt").read_text()
    assert process.exitcode == 2, output
    assert "Traceback" not in output
    assert "Error executing job" not in output
    message = "\n".join(line for line in output.splitlines() if line.startswith(("error: ", "there is")))
    assert re.search(says, message), output
    assert len(message) < 700
    if name not in ("monitor", "unreadable image", "no network"):
        # These three need the data or a training; the others leave nothing.
        assert set(tmp_path.rglob("*")) - before == {tmp_path / "output.txt"}


@pytest.mark.parametrize("folder", [None, "run", "some/run"])
def test_python_says_the_same_and_leaves_no_run(
    folder: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake that only Lightning finds, once the folder is there."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"trainer.*max_epoch"):
        embloom.train("+trainer.max_epoch=3", folder=folder)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() or path.name == "run"]
    assert embloom.train(*SMALL_DIGITS, folder=folder or "run").state == "finished"


def test_full_error_shows_the_traceback(tmp_path: Path) -> None:
    found = command("train", "encoder.layers=big", cwd=tmp_path, env={"HYDRA_FULL_ERROR": "1"})
    assert found.returncode != 0
    assert "Traceback" in found.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_full_disk_says_so_and_the_run_resumes(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=14m tmpfs {disk} 2>/dev/null"):
        pytest.skip("cannot mount here")
    try:
        run = f"hydra.run.dir={disk}/run"
        filler = disk / "filler"
        filler.write_bytes(bytes(1 << 20))
        process = fork("train", run, "trainer.max_epochs=2", "callbacks.checkpoints.every_n_steps=1", cwd=tmp_path)
        process.join(120)
        output = (tmp_path / "output.txt").read_text()
        assert process.exitcode == 2, output
        assert "disk is full" in output
        assert "Traceback" not in output
        os.system(f"mount -o remount,size=64m {disk}")
        process = fork("resume", f"{disk}/run", cwd=tmp_path)
        process.join(120)
        assert process.exitcode == 0, (tmp_path / "output.txt").read_text()
    finally:
        os.system(f"umount {disk}")
