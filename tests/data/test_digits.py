"""The bundled digits and how they are split."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits

from embloom.data.base import SPLITS
from embloom.data.digits import COUNT, Digits


def digits(**options: Any) -> Digits:
    dataset = Digits(64, **options)
    dataset.setup()
    return dataset


def rows(dataset: Digits) -> dict[str, set[tuple[int, ...]]]:
    return {split: {tuple(row) for row in dataset.columns[split]["image"].tolist()} for split in SPLITS}


def test_splits_are_disjoint_and_complete() -> None:
    dataset = digits()
    counts = [len(dataset.columns[split]["image"]) for split in SPLITS]
    assert counts == [COUNT - 540, 180, 360]
    assert dataset.fingerprint()["rows"] == dict(zip(SPLITS, counts, strict=True))
    everything = torch.cat([dataset.columns[split]["image"] for split in SPLITS])
    bundle = torch.from_numpy(load_digits().images * (255 / 16)).round().to(torch.uint8)
    assert sorted(everything.tolist()) == sorted(dataset.pixels.rows(bundle).tolist())
    found = rows(dataset)
    assert not found["test"] & found["train"]
    assert not found["val"] & (found["train"] | found["test"])


def test_labels_belong_to_their_pictures() -> None:
    bundle = load_digits()
    dataset = digits(side=8)
    known = {
        tuple((row * (255 / 16)).round().int().tolist()): int(label)
        for row, label in zip(torch.from_numpy(bundle.data), bundle.target, strict=True)
    }
    for split in SPLITS:
        columns = dataset.columns[split]
        assert [known[tuple(row)] for row in columns["image"].tolist()] == columns["label"].tolist()


def test_splits_depend_on_split_seed_alone() -> None:
    first = rows(digits())
    assert rows(digits(seed=5)) == first
    assert rows(digits(split_seed=1)) != first


def test_batches_are_bytes_until_they_are_transformed() -> None:
    dataset = digits(channels="rgb", side=16)
    assert dataset.sizes["image"] == 3 * 16 * 16
    assert dataset.sizes["label"] == 10
    assert dataset.supplies["image_shape"] == (3, 16, 16)
    batch = next(iter(dataset.train_dataloader()))
    assert batch["image"].dtype == torch.uint8
    image = dataset.transform(batch, "embed")["image"]
    assert image.shape == (64, 768)
    torch.testing.assert_close(image, batch["image"].float() / 255)
    assert float(image.max()) == 1.0


def test_loaders_shuffle_the_training_split_alone() -> None:
    dataset = digits()
    first, second = (torch.cat([b["label"] for b in dataset.train_dataloader()]) for _ in range(2))
    assert torch.equal(first, second)  # the same epoch
    assert not torch.equal(first, dataset.columns["train"]["label"])
    for split in ("val", "test"):
        loader = getattr(dataset, f"{split}_dataloader")()
        assert torch.equal(torch.cat([b["label"] for b in loader]), dataset.columns[split]["label"])


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("val_size", 0), ("val_size", 1437), ("test_size", 1797), ("test_size", -1), ("test_size", 0.1),
        ("batch_size", 0), ("batch_size", True), ("batch_size", 2.5), ("resident", "maybe"),
    ],
)  # fmt: skip
def test_refuses_sizes_that_leave_nothing(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{option}={value}: it must be"):
        Digits(**{"batch_size": 64, option: value})
