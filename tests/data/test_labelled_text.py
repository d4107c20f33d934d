"""Labelled texts: from CSV and folders, batched by slicing, any part of the labels, seeded; and the bag of words."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

import embloom
from embloom.data.labelled_text import LabelledText
from embloom.encoders.bag_of_embeddings import BagOfEmbeddings
from trained import trained

GOOD, BAD, NEUTRAL = "great fine lovely", "awful poor dull", "the film was a thing of it"


def reviews(count: int = 60, seed: int = 0) -> list[tuple[str, str]]:
    draw = torch.Generator().manual_seed(seed)
    rows = []
    for i in range(count):
        words = (GOOD if i % 2 else BAD).split() * 2 + NEUTRAL.split()
        order = torch.randperm(len(words), generator=draw)[: 5 + i % 9].tolist()
        rows.append(("pos" if i % 2 else "neg", " ".join(words[j] for j in order)))
    return rows


def write_csv(path: Path, rows: list[tuple[str, str]], names: tuple[str, str] = ("label", "text")) -> Path:
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    return path


def write_folder(path: Path, rows: list[tuple[str, str]]) -> Path:
    for i, (label, text) in enumerate(rows):
        (path / label).mkdir(parents=True, exist_ok=True)
        (path / label / f"{i:03}.txt").write_text(text)
    return path


def made(path: Path, **options: Any) -> LabelledText:
    dataset = LabelledText(batch_size=8, path=str(path), min_count=1, **options)
    dataset.measure()
    dataset.setup("fit")
    return dataset


def texts(dataset: LabelledText, split: Any) -> list[tuple[str, str]]:
    """(label, text) of a split, read back from its batches."""
    found = []
    for batch in dataset.loader(split):
        parts = batch["token"].split(batch["length"].tolist())
        for label, part in zip(batch["label"].tolist(), parts, strict=True):
            found.append((dataset.names["label"][label], " ".join(dataset.vocabulary[i] for i in part.tolist())))
    return found


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "folder"])
def test_every_form_holds_the_same_texts(kind: str, tmp_path: Path) -> None:
    rows, other = reviews(), reviews(20, seed=1)
    for name, part in (("train", rows), ("test", other)):
        write_folder(tmp_path / name, part) if kind == "folder" else write_csv(tmp_path / f"{name}.{kind}", part)
    dataset = made(tmp_path)
    assert Counter(texts(dataset, "train") + texts(dataset, "val")) == Counter(rows)
    assert Counter(texts(dataset, "test")) == Counter(other)
    assert dataset.sizes["token"] == len({word for _, text in rows for word in text.split()})


def test_cells_with_line_ends_and_quotes_are_one_text(tmp_path: Path) -> None:
    rows = [("a", 'one\ntwo, "three"\r\nfour'), ("b", ""), *[("ab"[i % 2], f"w{i}") for i in range(20)]]
    dataset = made(write_csv(tmp_path / "x.csv", rows))
    found = [text for split in ("train", "val", "test") for _, text in texts(dataset, split)]
    assert len(found) == len(rows)
    assert "one two three four" in found or "one two three four" not in " ".join(dataset.vocabulary)


def test_labels_are_used_in_part_balanced_and_seeded(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", reviews(200))
    few = made(path, train_size=20, split_seed=3)
    train, val = texts(few, "train"), texts(few, "val")
    assert (len(train), len(val)) == (18, 2)
    assert Counter(label for label, _ in train) == {"pos": 9, "neg": 9}
    assert texts(made(path, train_size=20, split_seed=3), "train") == train
    assert texts(made(path, train_size=20, split_seed=4), "train") != train
    assert made(path, split_seed=3).vocabulary == few.vocabulary
    assert texts(made(path, split_seed=3), "test") == texts(few, "test")
    with pytest.raises(ValueError, match=r"train_size=1000.*only"):
        made(path, train_size=1000)


def test_shuffled_batches_hold_each_text_once_and_follow_seed_and_epoch(tmp_path: Path) -> None:
    dataset = made(write_csv(tmp_path / "x.csv", reviews(100)))

    def order(epoch: int) -> list[tuple[list[int], list[int]]]:
        loader = dataset.loader("train", shuffle=True)
        loader.sampler.set_epoch(epoch)
        return [(b["label"].tolist(), b["token"].tolist()) for b in loader]

    assert order(1) == order(1)
    assert order(1) != order(2)
    whole = texts(dataset, "train")
    assert sum(len(labels) for labels, _ in order(1)) == len(whole)
    assert sorted(t for _, ts in order(1) for t in ts) == sorted(
        t for b in dataset.loader("train") for t in b["token"].tolist()
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"text": "review"}, "no column 'review' but label, text: name it, dataset.text"),
        ({"val_fraction": 1.5}, "val_fraction=1.5"),
        ({"min_count": 0}, "min_count=0"),
        ({"classes": ["pos", "other"]}, None),
        ({"test_path": "absent"}, "test_path=absent is not there"),
        ({"pattern": "("}, "not a regular expression"),
    ],
)
def test_mistakes_say_what_to_do(options: dict[str, Any], says: str | None, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", reviews())
    arguments: dict[str, Any] = {"min_count": 1, **options}
    if says is None:
        LabelledText(batch_size=8, path=str(path), **arguments).measure()
        return
    with pytest.raises(ValueError, match=says):
        LabelledText(batch_size=8, path=str(path), **arguments).measure()


def test_average_is_that_of_a_plain_loop() -> None:
    torch.manual_seed(0)
    encoder = BagOfEmbeddings({"token": 30}, layers="6-4-3", word_dropout=0.5).double().eval()
    token, length = torch.randint(30, (11,)), torch.tensor([4, 0, 7])
    mean = encoder(token, length)["mean"]
    for row, part in zip(mean, token.split(length.tolist()), strict=True):
        expected = sum((encoder.words.weight[i] for i in part.tolist()), torch.zeros(6).double()) / max(1, len(part))
        torch.testing.assert_close(row, expected)
    # Dropped words neither count nor add up.
    encoder.train()
    encoder.words.weight.data.fill_(1.0)
    mean = torch.cat([encoder(token, length)["mean"] for _ in range(20)])
    assert set(mean.flatten().tolist()) <= {0.0, 1.0} or torch.allclose(mean[mean > 0], torch.ones(1).double())


def test_classifier_learns_and_its_artifact_reads_new_texts(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "reviews.csv", reviews(300), ("stars", "review"))
    metrics = trained(
        tmp_path / "run", "experiment=bag_of_embeddings", f"dataset.path={path}", "dataset.text=review",
        "dataset.label=stars", "dataset.min_count=1", "encoder.layers=8-4-2", "trainer.accelerator=cpu",
        "optimizer.lr=0.03", "probe=[chance]",
    )  # fmt: skip
    assert metrics["test/accuracy_label"] > 0.95
    loaded = embloom.load(tmp_path / "run")
    logits = loaded.encode(["A GREAT, lovely film!", "awful and poor", "", "xyzzy"])
    assert logits.argmax(1)[:2].tolist() == [1, 0]
    torch.testing.assert_close(logits[2], logits[3])
    assert loaded.keys["words"] == list(loaded.keys["words"])
    assert loaded.table("words").shape == (len(loaded.keys["words"]), 8)
    assert loaded.encode("fine", layer="hidden_0").shape == (1, 4)


def test_what_is_not_used_is_there_without_a_label_for_what_is_computed(tmp_path: Path) -> None:
    path, more = write_csv(tmp_path / "x.csv", reviews(100)), tmp_path / "more.txt"
    more.write_text("a text of its own\nand another one\n")
    dataset = made(path, train_size=20, unlabelled=str(more))
    batches = list(dataset.fit_loader())
    labels = torch.cat([batch["label"] for batch in batches])
    held = len(texts(dataset, "test")) + len(texts(dataset, "val"))
    assert (int((labels >= 0).sum()), int((labels < 0).sum())) == (18, 100 - 18 - held + 2)
    assert "own" in dataset.vocabulary
    assert sum(len(batch["token"]) for batch in batches) == sum(int(batch["length"].sum()) for batch in batches)
    alone = made(path, train_size=20)
    assert alone.digest() != dataset.digest()
    with pytest.raises(ValueError, match=r"set dataset.unlabelled=FILE"):
        made(path, unlabelled=str(tmp_path / "absent"))
