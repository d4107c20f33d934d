"""MNIST's files, as torchvision reads them, with a held-out validation split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from embloom.data.base import SPLITS
from embloom.data.mnist import CLASSES, MNIST
from idx import write_mnist


def mnist(root: Path, **options: Any) -> MNIST:
    dataset = MNIST(**{"batch_size": 16, "root": str(root), "download": False, "val_size": 30, **options})
    dataset.setup()
    return dataset


def numbers(dataset: MNIST, split: Any) -> list[int]:
    """Which pictures a split holds."""
    middle = dataset.columns[split]["image"].view(-1, 32, 32)[:, 2:30, 2:30]
    return (middle[:, 0, 0].int() * 256 + middle[:, 0, 1].int()).tolist()


def test_pictures_are_padded_and_keep_their_labels(tmp_path: Path) -> None:
    written = write_mnist(tmp_path)
    dataset = mnist(tmp_path)
    assert dataset.sizes["image"] == 1024
    for split in SPLITS:
        images = dataset.columns[split]["image"].view(-1, 32, 32)
        source = written["t10k" if split == "test" else "train"]
        assert torch.equal(images[:, 2:30, 2:30], source[numbers(dataset, split)])
        border = images.clone()
        border[:, 2:30, 2:30] = 0
        assert not border.any()
        assert torch.equal(dataset.columns[split]["label"], images[:, 2, 4].long())


def test_validation_is_held_out_of_training_and_the_test_set_is_whole(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    dataset = mnist(tmp_path)
    train, val = numbers(dataset, "train"), numbers(dataset, "val")
    assert (len(train), len(val)) == (60, 30)
    assert sorted(train + val) == list(range(90))
    assert numbers(dataset, "test") == list(range(20))


def test_the_held_out_part_is_drawn_by_split_seed_alone(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    val = numbers(mnist(tmp_path), "val")
    assert numbers(mnist(tmp_path, seed=9), "val") == val
    assert numbers(mnist(tmp_path, split_seed=9), "val") != val
    assert val != sorted(val)


def test_fashion_has_names(tmp_path: Path) -> None:
    write_mnist(tmp_path, variant="FashionMNIST")
    dataset = mnist(tmp_path, variant="FashionMNIST")
    assert dataset.names == {"label": CLASSES["FashionMNIST"]}
    assert dataset.sizes["label"] == 10


def test_refuses_a_held_out_part_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^val_size=60000"):
        MNIST(16, str(tmp_path), val_size=60_000)
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match=r"^dataset\.val_size=90: .*1 and 89"):
        mnist(tmp_path, val_size=90)


def test_refuses_a_variant_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^variant=KMNIST"):
        MNIST(16, str(tmp_path), variant="KMNIST")


@pytest.mark.parametrize("damage", ["absent", "truncated", "garbage", "empty"])
def test_damaged_files_are_named(tmp_path: Path, damage: str) -> None:
    write_mnist(tmp_path)
    path = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    if damage == "absent":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes({"truncated": content[:5000], "garbage": b"garbage" * 99, "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"MNIST is not complete under .*raw.*dataset\.root="):
        mnist(tmp_path)
