"""N-grams by hashing, and the scores of classes from them, against plain loops."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import embloom
from data.test_labelled_text import write_csv
from embloom.encoders.bag_of_embeddings import BagOfEmbeddings
from embloom.encoders.ngrams import RATE, NaiveBayesScores, ngrams_of
from trained import trained

TOKEN, LENGTH = torch.tensor([3, 1, 4, 1, 5, 9, 2, 6, 3, 1, 4, 1]), torch.tensor([4, 0, 4, 1, 3])


def plain(most: int) -> list[list[tuple[int, ...]]]:
    """The n-grams of each text."""
    texts = [part.tolist() for part in TOKEN.split(LENGTH.tolist())]
    return [[tuple(t[i : i + n]) for n in range(1, most + 1) for i in range(len(t) - n + 1)] for t in texts]


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_ngrams_are_those_of_a_plain_loop_and_do_not_leave_their_text(most: int) -> None:
    texts, numbers = ngrams_of(TOKEN, LENGTH, most, 10, 1 << 30)
    number: dict[tuple[int, ...], int] = {}
    for text, grams in enumerate(plain(most)):
        found = numbers[texts == text].tolist()
        assert len(found) == len(grams)
        for size in range(1, most + 1):
            those = [gram for gram in grams if len(gram) == size]
            start = sum(1 for gram in grams if len(gram) < size)
            for gram, value in zip(those, found[start : start + len(those)], strict=True):
                assert number.setdefault(gram, value) == value
    assert len(set(number.values())) == len(number)  # 2^30 buckets are enough for these
    assert all(number[gram] == gram[0] for gram in number if len(gram) == 1)
    few = ngrams_of(TOKEN, LENGTH, most, 10, 7)[1]
    assert int(few.max()) < 17


def fitted(dtype: torch.dtype = torch.float64) -> NaiveBayesScores:
    scores = NaiveBayesScores(10, 3, 2, 1 << 10, smoothing=0.5).to(dtype)
    labels = torch.tensor([0, 1, 2, -1, 1])
    half = int(LENGTH[:3].sum())
    scores.fit(
        [
            {"token": TOKEN[:half], "length": LENGTH[:3], "stars": labels[:3]},
            {"token": TOKEN[half:], "length": LENGTH[3:], "stars": labels[3:]},
        ],
        "stars",
    )
    return scores


def test_ratios_and_scores_are_those_of_plain_loops() -> None:
    scores = fitted()
    torch.nn.init.normal_(scores.weight)
    texts, numbers = ngrams_of(TOKEN, LENGTH, 2, 10, 1 << 10)
    sets = [set(numbers[texts == text].tolist()) for text in range(5)]
    labels = {0: 0, 1: 1, 2: 2, 4: 1}
    rows = 10 + (1 << 10)

    def ratio(f: int, c: int) -> float:
        def share(mine: list[int]) -> float:
            counts = [sum(g in sets[t] for t in mine) + 0.5 for g in (f,)]
            return counts[0] / (sum(len(sets[t]) for t in mine) + 0.5 * rows)

        own, others = [t for t in labels if labels[t] == c], [t for t in labels if labels[t] != c]
        return math.log(share(own) / share(others))

    found = scores(TOKEN, LENGTH).detach()
    for text in range(5):
        for c in range(3):
            size = math.sqrt(sum(ratio(f, c) ** 2 for f in sets[text]))
            total = sum(ratio(f, c) * float(scores.weight.detach()[f, c]) for f in sets[text])
            assert float(found[text, c]) == pytest.approx(RATE * total / size if sets[text] else 0.0, rel=1e-6)
    assert torch.autograd.gradcheck(lambda w: torch.func.functional_call(scores, {"weight": w}, (TOKEN, LENGTH)),
                                    scores.weight)  # fmt: skip


def test_what_has_no_class_or_too_many_words_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no label has 4: end encoder.layers with the number of classes"):
        BagOfEmbeddings({"token": 10}, layers="8-4", ngrams=2, labels={"label": 2})
    with pytest.raises(ValueError, match="ngrams=9: at most 5 words"):
        BagOfEmbeddings({"token": 10}, layers="8-2", ngrams=9, labels={"label": 2})
    with pytest.raises(ValueError, match="buckets=0"):
        BagOfEmbeddings({"token": 10}, layers="8-2", ngrams=2, buckets=0, labels={"label": 2})


def order_matters(count: int) -> list[tuple[str, str]]:
    """Each word is as frequent in either class; only which stands first tells them apart."""
    return [("ab"[i % 2], f"w{i % 7} {('not good', 'good not')[i % 2]} w{i % 5}") for i in range(count)]


def test_ngrams_find_what_words_cannot_and_the_artifact_knows_them(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "texts.csv", order_matters(200))
    common = ("experiment=bag_of_ngrams", f"dataset.path={path}", "encoder.layers=8-2", "trainer.accelerator=cpu",
              "encoder.buckets=1024", "probe=[chance]", "trainer.max_epochs=1", "trainer.min_batches=30")  # fmt: skip
    assert trained(tmp_path / "run", *common)["test/accuracy_label"] == 1.0
    assert trained(tmp_path / "words", *common, "encoder.ngrams=1")["test/accuracy_label"] < 0.9
    loaded = embloom.load(tmp_path / "run")
    assert loaded.predict(["not good", "good not", "this is NOT good!"]) == ["a", "b", "a"]
    assert loaded.encode("not good", layer="ngrams").shape == (1, 2)
