"""Texts as bytes: nothing is lost, up to the length."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import embloom
from data.test_labelled_text import reviews, write_csv
from embloom.encoders.bytes import Bytes
from trained import trained

TEXTS = ['A Great film!\nTwo lines, "quoted"\t\0', "", "l'été à Zürich — 映画 🎬", "x" * 300]


def test_what_was_encoded_is_decoded_exactly(tmp_path: Path) -> None:
    rows = reviews(60)
    path = write_csv(tmp_path / "x.csv", rows)
    metrics = trained(
        tmp_path / "run", "experiment=raw_bytes", f"dataset.path={path}", "encoder.length=64", "trainer.accelerator=cpu"
    )
    assert metrics["probe/linear_label"] >= 0
    found = embloom.load(tmp_path / "run")
    vectors = found.encode(TEXTS)
    assert vectors.shape == (4, 64)
    assert float(vectors.min()) == 0.0
    assert float(vectors.max()) <= 1.0
    assert found.decode(vectors) == [*TEXTS[:3], "x" * 64]
    assert found.decode(found.encode(["ab" * 31 + "a🎬"])) == ["ab" * 31 + "a"]  # a character cut in two
    texts = [text for _, text in rows]
    assert found.decode(found.encode(texts)) == [text[:64] for text in texts]


def test_numbers_are_those_of_the_bytes() -> None:
    encoder = Bytes({"token": 256, "length": 1}, length=3)
    found = encoder(torch.tensor([0, 255, 65, 66, 67, 68], dtype=torch.uint8), torch.tensor([2, 0, 4]))["embedding"]
    assert (found * 256).tolist() == [[1, 256, 0], [0, 0, 0], [66, 67, 68]]
    assert encoder.decode(found).tolist() == [[0, 255, -1], [-1, -1, -1], [65, 66, 67]]
    with pytest.raises(ValueError, match="choose dataset=text_bytes"):
        Bytes({"token": 300, "length": 1})
