"""Words answer as gensim's `KeyedVectors` does, to the digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from embloom.artifact.word_vectors import WordVectors

WORDS = [f"w{i}" for i in range(300)]
ROWS = torch.randn(300, 20, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 301)[:, None] ** 0.5


def both() -> tuple[WordVectors, Any]:
    gensim = pytest.importorskip("gensim", reason="gensim is not installed: pip install 'embloom[benchmark]'")
    theirs = gensim.models.KeyedVectors(vector_size=20)
    theirs.add_vectors(WORDS, ROWS.numpy())
    return WordVectors(WORDS, ROWS), theirs


@pytest.mark.parametrize(
    "asked",
    [
        {"positive": "w3"},
        {"positive": ["w3"], "topn": 3},
        {"positive": ["w3", "w8"], "negative": ["w2"]},
        {"negative": ["w2", "w9"]},
        {"positive": [("w3", 2.5), "w4"], "negative": [("w5", 0.5)]},
        {"positive": ["w1", ROWS[5].numpy()]},
        {"positive": ["w3", "w3"], "topn": 5},
        {"positive": ["w3"], "topn": 0},
    ],
    ids=str,
)
def test_most_similar(asked: dict[str, Any]) -> None:
    ours, theirs = both()
    expected = theirs.most_similar(**asked)
    found = ours.most_similar(**asked)
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert [value for _, value in found] == pytest.approx([value for _, value in expected], abs=1e-5)


def test_the_rest_of_it() -> None:
    ours, theirs = both()
    assert torch.equal(ours["w7"], torch.from_numpy(theirs["w7"].copy()))
    assert np.array_equal(ours[["w7", "w1"]], theirs[["w7", "w1"]])
    assert len(ours) == len(theirs)
    assert list(ours) == theirs.index_to_key
    assert "w7" in ours
    assert "film" not in ours
    assert ours.similarity("w1", "w2") == pytest.approx(float(theirs.similarity("w1", "w2")), abs=1e-6)
    lists = (["w1", "w2", "w3"], ["w250", "w5"])
    assert ours.n_similarity(*lists) == pytest.approx(float(theirs.n_similarity(*lists)), abs=1e-6)
    for start in range(0, 290, 7):
        some = WORDS[start : start + 5]
        assert ours.doesnt_match(some) == theirs.doesnt_match(some)
    with pytest.warns(UserWarning, match="left out: film"):
        assert ours.doesnt_match(["w1", "w2", "film", "w3"]) == theirs.doesnt_match(["w1", "w2", "film", "w3"])
    for model in (ours, theirs):
        with pytest.raises(KeyError):
            model["film"]
        with pytest.raises(KeyError):
            model.most_similar("film")
        with pytest.raises(ValueError, match=r"\w"):
            model.doesnt_match(["film"])


def test_messages_and_spelling() -> None:
    words = WordVectors(["film", "movie", "film"], torch.tensor([[1.0, 0], [1, 1], [0, 1]]))
    assert "Film" in words
    assert words["FILM"].tolist() == [1, 0]  # the first of two
    assert repr(words) == "3 words, 2 numbers each: film, movie, film"
    with pytest.raises(ValueError, match=r"^'filn' is not in the vocabulary of 3; the nearest .* film"):
        words["filn"]
    with pytest.raises(ValueError, match="positive="):
        words.most_similar()
    with pytest.raises(ValueError, match="at least one word"):
        words.n_similarity([], ["film"])
