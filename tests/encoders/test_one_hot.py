"""Bags of words against plain counting."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from embloom.encoders import one_hot
from embloom.encoders.one_hot import OneHot

TEXTS = [[0, 1, 1, 5], [], [2, 5, 5], [1, 0]]
SIZES = {"token": 6, "length": 1}


def batch() -> dict[str, torch.Tensor]:
    return {"token": torch.tensor([w for text in TEXTS for w in text]), "length": torch.tensor([*map(len, TEXTS)])}


def plain(weighting: str, words: int) -> list[list[float]]:
    """As the definition says."""
    bags = [Counter(word for word in text if word < words) for text in TEXTS]
    among = [sum(word in bag for bag in bags) for word in range(words)]
    rows = []
    for bag in bags:
        row = [float(bag[word]) for word in range(words)]
        if weighting == "binary":
            row = [float(count > 0) for count in row]
        if weighting == "tfidf":
            row = [
                (1 + math.log(count)) * math.log(len(TEXTS) / max(1, among[word])) if count else 0.0
                for word, count in enumerate(row)
            ]
            row = [x / max(1e-12, math.hypot(*row)) for x in row]
        rows.append(row)
    return rows


@pytest.mark.parametrize("weighting", one_hot.WEIGHTINGS)
@pytest.mark.parametrize("words", [4, 100])
def test_is_what_counting_says(weighting: str, words: int) -> None:
    encoder = OneHot(SIZES, words, weighting)
    encoder.fit([batch()])
    torch.testing.assert_close(encoder(**batch())["embedding"], torch.tensor(plain(weighting, min(words, 6))))


def test_too_large_and_wrong_datasets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_hot, "MOST", 64)
    with pytest.raises(ValueError, match=r"encoder\.words=6: the vectors .* use encoder\.words=2 or fewer"):
        OneHot(SIZES).fit([batch()])
    with pytest.raises(ValueError, match="choose dataset=labelled_text"):
        OneHot({"features": 4})
