"""`dataset.features`: vectors of a frozen embedding as a column, in training and of raw inputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import embloom
from embloom.artifact.lineage import Parent, described, parents_of
from embloom.artifact.readers.upstream import covers
from trained import SMALL_DIGITS, configuration, trained


def test_downstream_encodes_raw_images_through_upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBLOOM_CACHE", str(tmp_path / "cache"))
    trained(tmp_path / "up", *SMALL_DIGITS, "encoder.layers=1024-16-10")
    on = f"++dataset.features=[{{path: {tmp_path / 'up'}, layer: hidden_0}}]"
    trained(tmp_path / "down", *SMALL_DIGITS, on, "encoder.layers=auto-10")
    up, down = embloom.load(tmp_path / "up"), embloom.load(tmp_path / "down")
    images = torch.randint(0, 256, (5, 32, 32), dtype=torch.uint8)
    expected = down.encode({"features": up.encode(images, layer="hidden_0")})
    assert torch.equal(down.encode(images), expected)
    assert [(one.how, one.content_hash) for one in parents_of(down.card)] == [("built on", up.content_hash)]
    (entry,) = [place for place in (tmp_path / "cache").iterdir() if place.is_dir()]
    stamp = (entry / "train.npy").stat().st_mtime_ns
    trained(tmp_path / "again", *SMALL_DIGITS, on, "encoder.layers=auto-10")
    assert (entry / "train.npy").stat().st_mtime_ns == stamp
    assert embloom.load(tmp_path / "again").content_hash == down.content_hash
    shutil.move(tmp_path / "up", tmp_path / "moved")
    with pytest.raises(ValueError, match="was not found"):
        embloom.load(tmp_path / "down")
    monkeypatch.setenv("EMBLOOM_UPSTREAM", str(tmp_path / "moved"))
    assert torch.equal(embloom.load(tmp_path / "down").encode(images), expected)
    shutil.rmtree(tmp_path / "moved")
    trained(tmp_path / "up", *SMALL_DIGITS, "encoder.layers=1024-16-10", "seed=1")
    with pytest.raises(ValueError, match="was built on"):
        embloom.load(tmp_path / "down")


def test_a_replacement_must_say_so() -> None:
    assert covers({"content_hash": "b", "lineage": described([Parent("a", "x", "aligned to")])}, "a")
    assert not covers({"content_hash": "b", "lineage": described([Parent("a", "x", "trained from")])}, "a")


def test_running_text_takes_none(tmp_path: Path) -> None:
    trained(tmp_path / "up", *SMALL_DIGITS, "encoder.layers=1024-16-10")
    from embloom.training.components import build_dataset

    with pytest.raises(ValueError, match="does not hold its columns in memory"):
        build_dataset(configuration("experiment=skipgram", f"++dataset.features=[{tmp_path / 'up'}]"))


def test_what_nothing_reads_is_refused(tmp_path: Path) -> None:
    trained(tmp_path / "up", *SMALL_DIGITS, "encoder.layers=1024-16-10")
    from embloom.training.components import build_components

    on = (*SMALL_DIGITS, "encoder=conv", f"++dataset.features=[{tmp_path / 'up'}]")
    with pytest.raises(ValueError, match="nothing reads features, as Conv takes other columns"):
        build_components(configuration(*on))
