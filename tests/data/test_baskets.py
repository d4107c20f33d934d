"""Baskets as sentences: who had what together, and nothing else, are neighbors."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

import embloom
from embloom.data.baskets import Baskets

# Even orders have red items only, odd ones blue ones.
ORDERS = {
    f"order{i}": [f"Item {j}, {('red', 'blue')[i % 2]}" for j in range(i % 7, i % 7 + 2 + i % 4)] for i in range(200)
}


def written(folder: Path) -> str:
    """The orders as a CSV file, rows of several orders mixed."""
    rows = [(order, item) for order, items in ORDERS.items() for item in items]
    rows.sort(key=lambda row: row[1])
    lines = ["order_id,product", *(f'{order},"{item}"' for order, item in rows)]
    path = folder / "orders.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def made(tmp_path: Path, **options: Any) -> Baskets:
    """The orders as a dataset, ready."""
    dataset = Baskets(
        64, written(tmp_path), "order_id", "product", block=16, subsample=0, cache=str(tmp_path / "cache"), **options
    )
    dataset.setup()
    return dataset


def test_sentences_are_the_baskets(tmp_path: Path) -> None:
    dataset = made(tmp_path)
    corpus = dataset.corpus
    assert corpus is not None
    parts = torch.from_numpy(corpus.tokens).tensor_split(torch.from_numpy(corpus.offsets[1:-1]))
    found = sorted(sorted(corpus.words[token] for token in part.tolist()) for part in parts)
    assert found == sorted(sorted(items) for items in ORDERS.values())
    assert corpus.counts.tolist() == sorted(corpus.counts.tolist(), reverse=True)
    assert corpus.counts.sum() == len(corpus.tokens)


def test_neighbors_are_those_of_one_basket(tmp_path: Path) -> None:
    """Every pair of a basket that is not cut counts once each way, and no other."""
    dataset = made(tmp_path, window=16, val_fraction=0.02, test_fraction=0.02)
    words, together = dataset.keys()["token"], set()
    for batch in dataset.loader("train", shuffle=True):
        columns = dataset.transform(batch, "train")
        for block, row, column in columns["positives"].nonzero().tolist():
            together.add(frozenset((words[columns["token"][block, row]], words[columns["token"][block, column]])))
    allowed = {frozenset(pair) for items in ORDERS.values() for pair in itertools.combinations(items, 2)}
    assert together <= allowed
    assert len(together) > 0.8 * len(allowed)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"title": "name"}, "title=name: it is a column of a table of items"), ({"format": "xml"}, "format=xml")],
)
def test_mistakes_are_told(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(tmp_path, **options)


def test_items_that_are_bought_together_are_neighbors(tmp_path: Path) -> None:
    """From a file to the nearest item by its name, as a user goes."""
    overrides = [
        "dataset.user=order_id",
        "dataset.item=product",
        "dataset.batch_size=64",
        "dataset.block=16",
        "dataset.subsample=0",
    ]
    run = embloom.train(
        "experiment=item2vec",
        f"dataset.path={written(tmp_path)}",
        *overrides,
        f"dataset.cache={tmp_path / 'cache'}",
        "trainer.max_epochs=10",
        "probe=[]",
        folder=tmp_path / "run",
    )
    nearest = {name for name, _ in run.embedding.words.neighbors("Item 5, red", top=3)}
    assert all(name.endswith("red") for name in nearest)
