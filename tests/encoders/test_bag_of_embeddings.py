"""Averages of word vectors against plain means."""

from __future__ import annotations

import pytest
import torch

from embloom.encoders.bag_of_embeddings import BagOfEmbeddings


@pytest.mark.parametrize("layers", [5, "5", [5]])
def test_one_size_is_the_average_alone(layers: str | int | list[int | str]) -> None:
    encoder = BagOfEmbeddings({"token": 7}, layers).eval()
    assert encoder.sizes == {"mean": 5, "embedding": 5}
    found = encoder(torch.tensor([1, 2, 2, 6]), torch.tensor([3, 1]))
    table = encoder.words.weight
    assert torch.allclose(found["embedding"], torch.stack([table[[1, 2, 2]].mean(0), table[6]]))


@pytest.mark.parametrize("layers", [0, "-5", "5-x"])
def test_refuses(layers: str | int) -> None:
    with pytest.raises(ValueError, match=f"layers={layers}: write two or more sizes"):
        BagOfEmbeddings({"token": 7}, layers)
