"""PPMI-SVD against the dense definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from embloom.encoders import ppmi_svd
from embloom.encoders.ppmi_svd import PPMISVD

WORDS = 30


def pairs() -> dict[str, torch.Tensor]:
    """Counts of pairs, some of which come twice."""
    draw = torch.Generator().manual_seed(1)
    token, context = torch.randint(WORDS, (2, 400), generator=draw)
    return {"token": token, "context_token": context, "count": torch.rand(400, generator=draw) + 0.1}


def dense(shift: float, smoothing: float) -> np.ndarray:
    """The matrix, by its definition."""
    found, counts = pairs(), np.zeros((WORDS, WORDS))
    for word, context, count in zip(*(column.tolist() for column in found.values()), strict=True):
        counts[word, context] += count
    word = counts.sum(1) / counts.sum()
    context = counts.sum(0) ** smoothing / (counts.sum(0) ** smoothing).sum()
    with np.errstate(divide="ignore"):
        return np.maximum(0, np.log(counts / counts.sum() / np.outer(word, context)) - np.log(shift))


@pytest.mark.parametrize(("shift", "smoothing", "exponent"), [(1, 0.75, 0.5), (1.5, 1, 1), (1, 0.5, 0)])
@pytest.mark.parametrize("part", [7, ppmi_svd.PART])
def test_the_vectors_are_those_of_the_dense_matrix(
    shift: float, smoothing: float, exponent: float, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to signs and turns: products of all rows are the same; whatever the batches, and what is sorted together."""
    monkeypatch.setattr(ppmi_svd, "PART", part)
    left, values, _ = np.linalg.svd(dense(shift, smoothing))
    wanted = (left * values**exponent)[:, :6]
    encoder = PPMISVD({"token": WORDS}, 6, shift, smoothing, exponent, iterations=20)
    columns = pairs()
    encoder.fit([{name: column[some] for name, column in columns.items()} for some in (slice(0, 150), slice(150, 400))])
    found = encoder.tables()["embedding"].numpy()
    assert found @ found.T == pytest.approx(wanted @ wanted.T, abs=2e-4)
    assert torch.equal(encoder(torch.tensor([[3, 4]]))["embedding"], encoder.embedding[3:5][None])


def test_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shift that leaves nothing, too little memory, and more dimensions than words."""
    with pytest.raises(ValueError, match=r"encoder\.shift=1e\+06"):
        PPMISVD({"token": WORDS}, 2, shift=1e6).fit([pairs()])
    with pytest.raises(ValueError, match="dim=31: there are only 30 words"):
        PPMISVD({"token": WORDS}, 31)
    monkeypatch.setattr(ppmi_svd, "bytes_available", lambda: 10_000)
    with pytest.raises(ValueError, match="more than 400 pairs of words do not fit"):
        PPMISVD({"token": WORDS}, 2).fit([pairs()])
