"""Labelled texts in the cache: the same as read anew, never stale, whole or absent."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from data.test_labelled_text import reviews, write_csv, write_folder
from embloom.artifact.readers.tokenizer import PATTERN
from embloom.data.tokenized_texts import LabelledSource, TokenizedTexts

OPTIONS: dict[str, Any] = {
    "text": "text",
    "label": "label",
    "classes": None,
    "options": {"pattern": PATTERN, "lowercase": True, "tokenizer": None},
    "min_count": 1,
    "max_vocab": None,
    "max_share": 1.0,
}


def source(place: Path, **options: Any) -> LabelledSource:
    return LabelledSource({"train": place}, **{**OPTIONS, **options})


def texts(found: TokenizedTexts, split: str = "train") -> list[tuple[str, str]]:
    columns = found.columns[split]
    parts = columns["token"].split(columns["length"].tolist())
    return [
        (found.classes[label], " ".join(found.vocabulary[i] for i in part.tolist()))
        for label, part in zip(columns["label"].tolist(), parts, strict=True)
    ]


def entries(cache: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in cache.iterdir() if p.is_dir()}


@pytest.mark.parametrize("kind", ["table", "folder"])
def test_an_entry_is_used_and_never_stale(kind: str, tmp_path: Path) -> None:
    rows, cache = reviews(), tmp_path / "cache"
    place = tmp_path / ("reviews.csv" if kind == "table" else "folder")
    write = write_csv if kind == "table" else write_folder
    write(place, rows)
    assert sorted(texts(source(place).opened(cache))) == sorted(rows)
    before = entries(cache)
    assert sorted(texts(source(place).opened(cache))) == sorted(rows)
    assert entries(cache) == before
    changed = place if kind == "table" else place / "neg" / "000.txt"
    stamp = changed.stat()
    rows[0] = ("neg", rows[0][1][::-1])
    write(place, rows)
    os.utime(changed, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # the same size and time, another content
    assert sorted(texts(source(place).opened(cache))) == sorted(rows)
    assert len(entries(cache)) == 2
    if kind == "folder":  # the same text, of another class
        changed.rename(place / "pos" / "000.txt")
        rows[0] = ("pos", rows[0][1])
        assert sorted(texts(source(place).opened(cache))) == sorted(rows)


def test_every_option_has_an_entry_of_its_own(tmp_path: Path) -> None:
    place = write_csv(tmp_path / "reviews.csv", reviews())
    test = write_csv(tmp_path / "test.csv", reviews(20, seed=1))
    others: list[dict[str, Any]] = [
        {"min_count": 2},
        {"max_vocab": 5},
        {"max_share": 0.1},
        {"classes": ["pos", "neg"]},
        {"text": "label", "label": "text"},
        *({"options": {**OPTIONS["options"], **other}} for other in ({"pattern": r"\w"}, {"lowercase": False})),
    ]
    keys = [source(place).key(), *(source(place, **other).key() for other in others)]
    keys += [LabelledSource({"train": place, "test": test}, **OPTIONS).key(), source(test).key()]
    assert len(set(keys)) == len(keys)
    moved = tmp_path / "elsewhere.csv"
    moved.write_bytes(place.read_bytes())
    assert source(moved).key() == keys[0]
    assert source(place, classes=[1, 2]).key() == source(place, classes=["1", "2"]).key()


def test_many_at_once_build_it_once(tmp_path: Path) -> None:
    place = write_csv(tmp_path / "reviews.csv", reviews(400))
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(source(place).opened, tmp_path / "cache") for _ in range(8)]
    first = jobs[0].result()
    assert all(torch.equal(job.result().columns["train"]["token"], first.columns["train"]["token"]) for job in jobs)
    assert [p.suffix for p in sorted((tmp_path / "cache").iterdir())] == ["", ".lock"]


class Killed(LabelledSource):
    """Dies when it has written, before the entry is in its place."""

    def key(self) -> str:
        return LabelledSource(**vars(self)).key()

    def build(self, folder: Path) -> None:
        super().build(folder)
        os.kill(os.getpid(), signal.SIGKILL)


def test_killed_build_leaves_nothing_that_counts(tmp_path: Path) -> None:
    place, cache = write_csv(tmp_path / "reviews.csv", reviews()), tmp_path / "cache"
    process = get_context("fork").Process(target=Killed({"train": place}, **OPTIONS).opened, args=(cache,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(cache.glob("*.building"))
    assert texts(source(place).opened(cache)) == reviews()
    assert not list(cache.glob("*.building"))


def test_a_damaged_entry_is_built_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place, cache = write_csv(tmp_path / "reviews.csv", reviews()), tmp_path / "cache"
    source(place).opened(cache)
    (cache / f"texts-{source(place).key()}" / "train_label.npy").write_bytes(b"nothing")
    assert texts(source(place).opened(cache)) == reviews()
    assert "train_label.npy is not what was written" in capsys.readouterr().err
