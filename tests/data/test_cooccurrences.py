"""Counts of pairs of words against a plain double loop, with little memory and with much."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from embloom.data.base import Split
from embloom.data.cooccurrences import WEIGHTINGS, Cooccurrences


def texts() -> list[list[str]]:
    """Documents of 0 to 300 words, some frequent."""
    draws = np.random.default_rng(3)
    return [[f"w{int(40 * x**3)}" for x in draws.random(draws.integers(0, 300))] for _ in range(60)]


def plain(dataset: Cooccurrences, split: int, weighting: str) -> Counter[tuple[int, int]]:
    """Both directions, as their definition says."""
    assert dataset.corpus is not None
    weight = {
        "harmonic": lambda d: 1 / d,
        "linear": lambda d: (dataset.window + 1 - d) / dataset.window,
        "flat": lambda d: 1.0,
    }[weighting]
    counts: Counter[tuple[int, int]] = Counter()
    tokens, offsets = dataset.corpus.tokens.tolist(), dataset.offsets.tolist()
    for number, used in enumerate((dataset.split_of == split).tolist()):
        passage = tokens[offsets[number] : offsets[number + 1]] if used else []
        for here, word in enumerate(passage):
            for there, other in enumerate(passage):
                if 1 <= abs(here - there) <= dataset.window:
                    counts[word, other] += weight(abs(here - there))
    return counts


def counted(dataset: Cooccurrences, split: Split) -> Counter[tuple[int, int]]:
    """What the batches of a split hold."""
    counts: Counter[tuple[int, int]] = Counter()
    for batch in dataset.loader(split):
        columns = dataset.transform(batch, "embed")
        for word, other, count in zip(*(columns[n].tolist() for n in ("token", "context_token", "count")), strict=True):
            counts[word, other] += count
    return counts


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("window", [1, 3, 8])
def test_the_counts_are_those_of_a_double_loop(weighting: str, window: int, tmp_path: Path) -> None:
    """Also at the ends of documents, for a word beside itself, and where a document is shorter than the window."""
    dataset = Cooccurrences(
        64, documents=texts(), window=window, weighting=weighting, min_count=1, val_fraction=0.1, test_fraction=0.1,
        cache=str(tmp_path),
    )  # fmt: skip
    dataset.setup()
    for number, split in enumerate(("train", "val", "test")):
        wanted, found = plain(dataset, number, weighting), counted(dataset, split)  # type: ignore[arg-type]
        assert wanted.keys() == found.keys()
        assert [found[pair] for pair in wanted] == pytest.approx(list(wanted.values()), rel=1e-5)


def test_little_memory_gives_the_same(tmp_path: Path) -> None:
    """Many parts, merged a range at a time; and what was counted once is not counted again."""
    from embloom.data.pair_counts import Counting

    dataset = Cooccurrences(64, documents=texts() * 20, window=4, min_count=1, cache=str(tmp_path / "cache"))
    dataset.setup()
    assert dataset.corpus is not None
    for folder in ("little", "much"):
        (tmp_path / folder).mkdir()
    little = Counting(len(dataset.corpus.words), dataset.weights(), memory=1, workers=3)
    assert sum(1 for _ in little.counted(dataset.passages("train"), tmp_path / "little")) > 6
    little.write(dataset.passages("train"), tmp_path / "little")
    pairs, counts = (np.load(tmp_path / "little" / f"{name}.npy") for name in ("pairs", "counts"))
    assert np.array_equal(pairs, dataset.pairs["train"]["pair"].numpy())
    assert np.allclose(counts, dataset.pairs["train"]["count"].numpy(), rtol=1e-6)
    assert sorted(path.name for path in (tmp_path / "little").iterdir()) == ["counts.npy", "pairs.npy"]
    again = Cooccurrences(64, documents=texts() * 20, window=4, min_count=1, cache=str(tmp_path / "cache"))
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "cache").rglob("*.npy"))
    again.setup()
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "cache").rglob("*.npy")) == before
    assert torch.equal(again.pairs["train"]["count"], dataset.pairs["train"]["count"])


def test_words_that_stand_alone(tmp_path: Path) -> None:
    """There is nothing to count."""
    with pytest.raises(ValueError, match="no two words stand together"):
        Cooccurrences(64, documents=[["a"], ["b"], ["a"], ["b"]] * 5, min_count=1, cache=str(tmp_path)).setup()
