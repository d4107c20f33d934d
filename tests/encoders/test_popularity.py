"""Popularity is a count."""

from __future__ import annotations

import numpy as np
import torch

from embloom.encoders.popularity import Popularity
from people import ragged, small


def test_scores_are_counts_for_everybody() -> None:
    matrix, sizes, history, offsets = small(12, 9)
    encoder = Popularity(sizes, history, offsets)
    encoder.fit([])
    expected = np.tile(matrix.sum(0), (3, 1))
    assert np.array_equal(encoder.scores(torch.tensor([0, 4, 11])), expected)
    assert np.array_equal(encoder(torch.tensor([0, 4, 11]))["scores"], expected)
    items, ends = ragged(np.eye(9)[:3])
    assert np.array_equal(encoder.fold_in(items.long(), ends), expected)


def test_the_counts_are_what_is_kept() -> None:
    _, sizes, history, offsets = small(12, 9)
    encoder = Popularity(sizes, history, offsets)
    encoder.fit([])
    again = Popularity(sizes, history, offsets)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again.scores(torch.arange(2)), encoder.scores(torch.arange(2)))
    assert list(encoder.state_dict()) == ["counts"]
