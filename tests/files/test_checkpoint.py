"""Checkpoint files: whole or not at all, never executed, and what is resumed from when one is damaged."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from embloom.files.atomic import write_whole
from embloom.files.checkpoint import (
    BEST,
    FORMAT_VERSION,
    LAST,
    PREVIOUS,
    link,
    newest_good,
    read_checkpoint,
    replace_last,
)
from embloom.training.lightning_internals import AtomicCheckpointIO
from hostile import pickled, runs


def content(step: int, **more: Any) -> dict[str, Any]:
    weights = {"layer": torch.arange(600.0) + step}
    return {"embloom_format": FORMAT_VERSION, "global_step": step, "state_dict": weights, **more}


def save(path: Path, step: int, **more: Any) -> Path:
    AtomicCheckpointIO().save_checkpoint(content(step, **more), path)
    return path


def damage(path: Path, how: str, mark: Path) -> None:
    whole = path.read_bytes()
    if how == "flipped byte":
        middle = whole.index(torch.arange(600.0).numpy().tobytes()[400:800])
        path.write_bytes(whole[:middle] + b"\xff" + whole[middle + 1 :])
    elif how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "garbage":
        path.write_bytes(b"\x00garbage" * 500)
    elif how == "pickle":
        path.write_bytes(pickled(mark))
    elif how == "pickle inside":
        torch.save(content(9, extra=runs(mark)), path)
        with zipfile.ZipFile(path) as archive:  # it is a well-formed file of torch's
            assert archive.testzip() is None
    elif how == "another program's":
        torch.save({"state_dict": {}, "global_step": 9}, path)
    elif how == "no mapping":
        torch.save([1, 2, 3], path)
    elif how == "other zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello.txt", "hello")
    elif how in ("newer", "older"):
        torch.save(content(9) | {"embloom_format": FORMAT_VERSION + (1 if how == "newer" else -1)}, path)


DAMAGES = {
    "truncated": "cannot be read", "empty": "cannot be read", "garbage": "cannot be read",
    "flipped byte": "damaged", "pickle": "cannot be read", "pickle inside": "cannot be read: .* could execute code",
    "another program's": "not written by embloom", "no mapping": "not written by embloom",
    "other zip": "cannot be read", "newer": f"format {FORMAT_VERSION + 1}, newer than .* upgrade",
    "older": f"format {FORMAT_VERSION - 1}, from before embloom's first release: train it again",
}  # fmt: skip


def test_what_is_saved_is_what_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / LAST, 3, nested={"a": [1, None, "x", (2.5, True)]})
    found = AtomicCheckpointIO().load_checkpoint(path, weights_only=False)
    assert torch.equal(found["state_dict"]["layer"], content(3)["state_dict"]["layer"])
    assert found["nested"] == {"a": [1, None, "x", (2.5, True)]}
    assert [p.name for p in tmp_path.iterdir()] == [LAST]
    AtomicCheckpointIO().remove_checkpoint(path)
    AtomicCheckpointIO().remove_checkpoint(path)
    with pytest.raises(ValueError, match="there is no file"):
        read_checkpoint(path)


def test_the_hostile_file_does_execute_in_a_reader_that_trusts(tmp_path: Path) -> None:
    damage(save(tmp_path / LAST, 9), "pickle inside", tmp_path / "executed")
    torch.load(tmp_path / LAST, weights_only=False)
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_files_are_refused_and_never_executed(tmp_path: Path, how: str) -> None:
    path = save(tmp_path / LAST, 9)
    damage(path, how, tmp_path / "executed")
    with pytest.raises(ValueError, match=DAMAGES[how]) as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("how", DAMAGES)
def test_falls_back_to_the_newest_sound_one_and_says_so(tmp_path: Path, how: str) -> None:
    save(tmp_path / BEST, 4)
    save(tmp_path / PREVIOUS, 8)
    save(tmp_path / LAST, 9)
    damage(tmp_path / LAST, how, tmp_path / "executed")
    found, complaints = newest_good(tmp_path)
    assert found == tmp_path / PREVIOUS
    assert len(complaints) == 1
    assert LAST in complaints[0]
    damage(tmp_path / PREVIOUS, how, tmp_path / "executed")
    found, complaints = newest_good(tmp_path)
    assert found == tmp_path / BEST
    assert len(complaints) == 2
    damage(tmp_path / BEST, how, tmp_path / "executed")
    found, complaints = newest_good(tmp_path)
    assert found is None
    assert len(complaints) == 3
    assert not (tmp_path / "executed").exists()


def test_a_sound_last_one_is_taken_whatever_else_there_is(tmp_path: Path) -> None:
    save(tmp_path / BEST, 20)
    save(tmp_path / LAST, 9)
    (tmp_path / PREVIOUS).write_bytes(b"garbage")
    assert newest_good(tmp_path) == (tmp_path / LAST, [])
    (tmp_path / LAST).unlink()
    found, complaints = newest_good(tmp_path)
    assert found == tmp_path / BEST
    assert len(complaints) == 1
    assert newest_good(tmp_path / "absent") == (None, [])


def test_replacing_the_last_keeps_the_one_before(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        replace_last(tmp_path, save(tmp_path / "next.ckpt", step))
    assert read_checkpoint(tmp_path / LAST)["global_step"] == 3
    assert read_checkpoint(tmp_path / PREVIOUS)["global_step"] == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == [LAST, PREVIOUS]


def test_best_stays_what_it_was_when_last_goes_on(tmp_path: Path) -> None:
    fresh = save(tmp_path / "next.ckpt", 1)
    link(fresh, tmp_path / BEST)
    replace_last(tmp_path, fresh)
    replace_last(tmp_path, save(tmp_path / "next.ckpt", 2))
    assert read_checkpoint(tmp_path / BEST)["global_step"] == 1
    link(tmp_path / LAST, tmp_path / BEST)
    assert read_checkpoint(tmp_path / BEST)["global_step"] == 2


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = save(tmp_path / LAST, 1)
    before = path.read_bytes()
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save(path, 2, unsavable=lambda: 0)
    assert path.read_bytes() == before
    with pytest.raises(OSError, match="half"):
        write_whole(path, half_written)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [LAST]


def half_written(file: Any) -> None:
    file.write(b"half")
    raise OSError("half of it")


FULL_DISK = """
import resource, sys
from pathlib import Path
from embloom.files.atomic import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(Path(sys.argv[1]), lambda file: file.write(bytes(100_000)))
except OSError as error:
    print(error.strerror)
"""


def test_a_file_that_the_system_does_not_let_grow_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / LAST
    path.write_bytes(b"old")
    said = subprocess.check_output([sys.executable, "-c", FULL_DISK, str(path)], text=True)
    assert said.strip() == "File too large"
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [LAST]
