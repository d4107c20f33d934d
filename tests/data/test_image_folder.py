"""The user's own pictures: modes, sizes, splits, streaming, and files that are no pictures."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from embloom.data.base import SPLITS
from embloom.data.image_folder import ImageFolder
from hostile import pickled


def folder(root: Path, **options: Any) -> ImageFolder:
    return ImageFolder(**{"batch_size": 4, "root": str(root), "side": 8, "stream": False, **options})


def write(root: Path, classes: str = "ab", count: int = 10) -> Path:
    """Pictures whose gray level is their own; the names of the classes are letters."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("L", (5 + i, 9), 10 * label + i).save(root / name / f"{i}.png")
    return root


def levels(dataset: ImageFolder, split: Any) -> list[int]:
    return dataset.columns[split]["image"][:, 0].tolist()


def test_any_size_and_mode_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    colors = Image.new("RGB", (30, 20), (200, 100, 0))
    colors.save(tmp_path / "a" / "rgb.png")
    colors.save(tmp_path / "a" / "rgb.JPG", quality=100)
    colors.quantize().save(tmp_path / "a" / "palette.gif")
    colors.convert("CMYK").save(tmp_path / "a" / "cmyk.tiff")
    colors.convert("RGBA").save(tmp_path / "a" / "rgba.webp", lossless=True)
    (tmp_path / "a" / "deeper").mkdir()
    colors.save(tmp_path / "a" / "deeper" / "rgb.bmp")
    (tmp_path / "a" / "notes.txt").write_text("no picture, and not meant as one")
    (tmp_path / "b").mkdir()
    Image.fromarray(np.full((3, 7), 128 * 257, np.uint16)).save(tmp_path / "b" / "16 bit.png")
    Image.new("L", (1, 1), 128).save(tmp_path / "b" / "gray.pgm")
    Image.new("LA", (64, 2), (128, 255)).save(tmp_path / "b" / "la.png")
    dataset = folder(tmp_path, channels="rgb")
    dataset.setup()
    found = {path.name: row for split in SPLITS for (path, _), row in rows(dataset, split)}
    assert len(found) == 9
    for name, row in found.items():
        color = torch.tensor([200, 100, 0] if "rgb" in name or name[0] in "pc" else [128] * 3)
        assert (row.view(3, 64) - color[:, None]).abs().max() <= 3, name


def rows(dataset: ImageFolder, split: Any) -> Any:
    return zip(dataset.samples[split], dataset.columns[split]["image"].int(), strict=True)


def test_splits_are_drawn_once_disjoint_and_labelled(tmp_path: Path) -> None:
    dataset = folder(write(tmp_path), val_fraction=0.2, test_fraction=0.3)
    dataset.setup()
    counts = {split: len(levels(dataset, split)) for split in SPLITS}
    assert counts == {"train": 10, "val": 4, "test": 6} == dataset.fingerprint()["rows"]
    assert sorted(sum((levels(dataset, split) for split in SPLITS), [])) == list(range(20))
    for split in SPLITS:
        assert [level // 10 for level in levels(dataset, split)] == dataset.columns[split]["label"].tolist()
    again, other = folder(tmp_path, seed=5), folder(tmp_path, split_seed=5)
    first = folder(tmp_path)
    assert again.samples == first.samples != other.samples
    assert dataset.names == {"label": ["a", "b"]}
    assert dataset.sizes["label"] == 2


def test_own_splits_are_kept(tmp_path: Path) -> None:
    write(tmp_path / "train", count=10)
    write(tmp_path / "test", count=3)
    dataset = folder(tmp_path, val_fraction=0.1)
    assert {s: len(dataset.samples[s]) for s in SPLITS} == {"train": 18, "val": 2, "test": 3 * 2}
    assert all(path.is_relative_to(tmp_path / "test") for path, _ in dataset.samples["test"])
    write(tmp_path / "val", count=2)
    dataset = folder(tmp_path)
    assert {s: len(dataset.samples[s]) for s in SPLITS} == {"train": 20, "val": 4, "test": 6}


@pytest.mark.parametrize("workers", [0, 2])
def test_streaming_gives_the_batches_that_memory_gives(tmp_path: Path, workers: int) -> None:
    write(tmp_path)
    memory, stream = folder(tmp_path), folder(tmp_path, stream=True, workers=workers)
    for dataset in (memory, stream):
        dataset.setup()
    assert not stream.columns
    for split in SPLITS:
        loaders = [d.loader(split, shuffle=split == "train") for d in (memory, stream)]
        assert len(loaders[0]) == len(loaders[1])
        for epoch in (0, 3):
            for loader in loaders:
                loader.sampler.set_epoch(epoch)
            found = [[{n: c.tolist() for n, c in batch.items()} for batch in loader] for loader in loaders]
            assert found[0] == found[1]


def test_streaming_resumes_inside_an_epoch(tmp_path: Path) -> None:
    dataset = folder(write(tmp_path), stream=True, workers=2)
    whole = [b["image"].tolist() for b in dataset.train_dataloader()]
    loader = dataset.train_dataloader()
    loader.load_state_dict({"batch": 2})
    assert [b["image"].tolist() for b in loader] == whole[2:]
    assert [b["image"].tolist() for b in loader] == whole


def test_streams_by_itself_when_memory_is_short(tmp_path: Path) -> None:
    write(tmp_path)
    assert not folder(tmp_path, stream="auto").streams
    assert folder(tmp_path, stream="auto", side=1 << 20).streams


@pytest.mark.parametrize("stream", [False, True])
def test_a_pickle_named_like_a_picture_is_never_executed(tmp_path: Path, stream: bool) -> None:
    write(tmp_path / "photos")
    for path in (tmp_path / "photos").rglob("*.png"):
        path.write_bytes(pickled(tmp_path / "executed"))
    dataset = folder(tmp_path / "photos", stream=stream, workers=0)
    with pytest.raises(ValueError, match=r"cannot read the image .*\.png"):  # noqa: PT012 (streaming reads late)
        dataset.setup()
        list(dataset.train_dataloader())
    assert not (tmp_path / "executed").exists()


def test_broken_pictures_are_named_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path)
    whole = (tmp_path / "a" / "9.png").read_bytes()
    noise = random.Random(0).randbytes(300)
    for i, content in enumerate([b"", b"garbage", whole[: len(whole) // 2], whole[:20] + noise]):
        (tmp_path / "a" / f"{i}.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a/\d\.png.*skip_unreadable"):
        folder(tmp_path).setup()
    dataset = folder(tmp_path, skip_unreadable=True)
    dataset.setup()
    assert sorted(sum((levels(dataset, s) for s in SPLITS), [])) == list(range(4, 20))
    assert all(len(c["image"]) == len(c["label"]) for c in dataset.columns.values())
    assert "unreadable" in capsys.readouterr().out


def test_refuses_folders_that_are_no_classes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"absent is no folder"):
        folder(tmp_path / "absent")
    write(tmp_path / "one", "a")
    with pytest.raises(ValueError, match=r"1 class folders"):
        folder(tmp_path / "one")
    write(tmp_path / "two")
    (tmp_path / "two" / "empty").mkdir()
    with pytest.raises(ValueError, match=r"two/empty has no images"):
        folder(tmp_path / "two")
    write(tmp_path / "splits" / "train")
    write(tmp_path / "splits" / "test", "abc")
    with pytest.raises(ValueError, match=r"splits/test has a class that the training images do not: c"):
        folder(tmp_path / "splits")
    write(tmp_path / "few", "ab", count=1)
    with pytest.raises(ValueError, match="too few images"):
        folder(tmp_path / "few")


@pytest.mark.parametrize(
    ("option", "value"),
    [("val_fraction", 0), ("test_fraction", 1.0), ("stream", "maybe"), ("workers", -1), ("workers", "two")],
)
def test_refuses_options_it_does_not_know(tmp_path: Path, option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{option}={value}: it must be"):
        folder(write(tmp_path), **{option: value})
