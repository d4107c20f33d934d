"""LSA against a dense singular value decomposition, from labelled and unlabelled texts."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

import embloom
from data.test_labelled_text import reviews, write_csv
from embloom.encoders.lsa import LSA
from trained import trained


def texts(count: int, words: int = 12) -> list[list[int]]:
    draw = torch.Generator().manual_seed(1)
    return [torch.randint(words, (3 + i % 6,), generator=draw).tolist() for i in range(count)]


def batch(found: list[list[int]]) -> dict[str, torch.Tensor]:
    return {"token": torch.tensor(sum(found, [])), "length": torch.tensor([len(text) for text in found])}


def dense(found: list[list[int]], least: int, share: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """X in the plainest way."""
    grams = [set([(w,) for w in text] + list(pairwise(text))) for text in found]
    df = Counter(gram for text in grams for gram in text)
    kept = [gram for gram in df if least <= df[gram] <= share * len(found)]
    x = np.array([[math.log(len(found) / df[g]) if g in text else 0 for g in kept]
                  for text in grams])  # fmt: skip
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def test_vectors_are_those_of_a_dense_decomposition() -> None:
    found = texts(80)
    torch.manual_seed(0)
    encoder = LSA({"token": 12, "length": 1}, dim=6, min_texts=3, max_share=0.4, features=500, iterations=12)
    encoder.fit([batch(found[:50]), batch(found[50:])])
    x = dense(found, 3, 0.4)
    _, _, v = np.linalg.svd(x, full_matrices=False)
    y = x @ v[:6].T
    y = (y - y.mean(0)) / math.sqrt(y.var(0, ddof=1).mean())
    embedding = encoder(**batch(found))["embedding"].numpy()
    # Signs of singular vectors are arbitrary.
    np.testing.assert_allclose(embedding @ embedding.T, y @ y.T, atol=2e-3)
    empty = encoder(torch.zeros(0, dtype=torch.int64), torch.tensor([0]))["embedding"]
    assert empty.isfinite().all()


def test_too_little_text_and_odd_options_are_refused() -> None:
    with pytest.raises(ValueError, match=r"encoder.min_texts=20, encoder.max_share=0.1: no word stands in so many of"):
        LSA({"token": 12, "length": 1}, features=50).fit([batch(texts(30))])
    with pytest.raises(ValueError, match="reads texts: choose dataset=labelled_text"):
        LSA({"features": 3})
    with pytest.raises(ValueError, match="max_share=2"):
        LSA({"token": 12, "length": 1}, max_share=2.0)


def test_unlabelled_texts_teach_what_few_labels_cannot(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "x.csv", reviews(400))
    more = tmp_path / "more.txt"
    more.write_text("\n".join(text for _, text in reviews(600, seed=2)))
    metrics = trained(
        tmp_path / "run", "experiment=lsa", f"dataset.path={path}", f"dataset.unlabelled={more}",
        "dataset.train_size=12", "dataset.min_count=1", "encoder.dim=4", "encoder.max_share=0.6",
        "encoder.features=512", "trainer.accelerator=cpu", "probe=[chance]",
    )  # fmt: skip
    assert metrics["test/accuracy_label"] > 0.95
    loaded = embloom.load(tmp_path / "run")
    assert loaded.predict(["a GREAT, lovely film", "awful and poor"]) == ["pos", "neg"]
    assert loaded.encode(["fine"]).shape == (1, 4)
