"""Words from character n-grams: the mean by a plain loop, its gradient, and words that were never seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import embloom
from embloom.encoders.subword_skipgram import SubwordSkipGram, spelling_of
from embloom.files.character_ngrams import character_ngrams
from trained import trained

WORDS = ["king", "kings", "queen", "über", "a"]


def encoder(**options: object) -> SubwordSkipGram:
    torch.manual_seed(0)
    sizes = {"token": len(WORDS)}
    return SubwordSkipGram(sizes, dim=4, buckets=30, spelling=spelling_of(WORDS), **options)  # type: ignore[arg-type]


def by_hand(made: SubwordSkipGram, word: str) -> Tensor:
    parts, _ = character_ngrams([word.encode()], 3, 6, 30)
    rows = [made.inputs[len(WORDS) + n] for n in parts.tolist()]
    own = [made.inputs[WORDS.index(word)]] if word in WORDS else []
    return torch.stack([*own, *rows]).mean(0)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("threads", [1, 2])
def test_is_the_mean_of_a_word_and_its_ngrams(sparse: bool, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embloom.encoders.spelled_words.LEAST_WORDS", 1)
    made, token = encoder(sparse=sparse, dtype="float32"), torch.tensor([[0, 1, 1], [3, 4, 0]])
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    weight = torch.randn(2, 3, 4)
    found = made(token)["embedding"]
    (found * weight).sum().backward()
    torch.set_num_threads(before)
    gradient, made.inputs.grad = made.inputs.grad, None
    wanted = torch.stack([torch.stack([by_hand(made, WORDS[n]) for n in row]) for row in token.tolist()])
    (wanted * weight).sum().backward()
    torch.testing.assert_close(found, wanted)
    assert gradient is not None
    assert made.inputs.grad is not None
    assert gradient.is_sparse is sparse
    torch.testing.assert_close(gradient.to_dense() if sparse else gradient, made.inputs.grad)
    torch.testing.assert_close(made.tables()["embedding"], torch.stack([by_hand(made, word) for word in WORDS]))


def test_words_never_seen() -> None:
    made = encoder()
    torch.testing.assert_close(
        made.spelled(["kingly", "übe"]), torch.stack([by_hand(made, w) for w in ("kingly", "übe")])
    )
    assert not made.spelled([""]).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shortest": 4, "longest": 3}, "longest=3"),
        ({"buckets": 0}, "buckets=0"),
        ({"spelling": None}, "choose dataset"),
    ],
)
def test_refuses(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SubwordSkipGram({"token": 5}, **({"spelling": spelling_of(WORDS)} | options))  # type: ignore[arg-type]


def test_a_run_spells_out_what_it_never_saw(tmp_path: Path) -> None:
    (tmp_path / "pairs.txt").write_text("king queen 8\nking kitten 1\nkingly queenly 8\n")
    metrics = trained(
        tmp_path / "run", "experiment=subword_skipgram", "trainer=cpu", "callbacks=[checkpoints,metrics]",
        f"dataset.cache={tmp_path / 'cache'}", "encoder.buckets=500", "trainer.max_epochs=1",
        "probe=[word_similarity]", f"probe.word_similarity.path={tmp_path / 'pairs.txt'}",
    )  # fmt: skip
    assert metrics["probe/word_similarity_coverage"] == 1
    assert metrics["probe/word_similarity_spelled"] == pytest.approx(2 / 5)
    found = embloom.load(tmp_path / "run")
    words = found.words
    assert "kinglike" not in words
    assert words["kinglike"].shape == (100,)
    assert torch.equal(words["kinglike"], found.encoder.spelled(["kinglike"])[0])
    assert len(words.neighbors("kinglike", 5)) == 5
    assert words.similarity("kinglike", "kinglike") == pytest.approx(1)
    assert found.encode({"token": [[0], [1]]}).shape == (2, 100)
    both, king, new, none = found.encode(["king kinglike, kinglike", "king", "kinglike", ""])
    assert torch.allclose(both, (king + 2 * new) / 3)
    assert torch.allclose(king, found.table("embedding")[words.names.index("king")])
    assert torch.allclose(new, words["kinglike"])
    assert not none.any()
