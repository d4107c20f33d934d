"""The parts of a run fit together: what an encoder's `of` renames, what sizes say, and all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

import embloom
from embloom.data.base import Split
from embloom.data.in_memory import InMemoryDataset
from embloom.encoders.base import Encoder
from embloom.training.components import build_components
from trained import configuration

QUICK = ("trainer=cpu", "trainer.max_epochs=1", "trainer.min_batches=1", "probe=[chance]", "callbacks=[checkpoints]")


class TwoViews(InMemoryDataset):
    """Two columns of different widths, and a label that only the second knows."""

    labels = ("kind",)
    locations: ClassVar[tuple[str, ...]] = ()

    def __init__(self, batch_size: int, seed: int = 0) -> None:
        super().__init__(batch_size, False, seed)
        self.sizes = {"features": 3, "other": 5, "kind": 4}
        self.names = {"kind": ["a", "b", "c", "d"]}
        self.supplies["temperature"] = 2.0

    def load(self) -> dict[Split, dict[str, Tensor]]:
        draw = torch.Generator().manual_seed(0)
        counts: dict[Split, int] = {"train": 200, "val": 40, "test": 40}
        found: dict[Split, dict[str, Tensor]] = {}
        for split, count in counts.items():
            kind = torch.arange(count) % 4
            other = torch.eye(5)[kind] + 0.1 * torch.randn(count, 5, generator=draw)
            found[split] = {"features": torch.randn(count, 3, generator=draw), "other": other, "kind": kind}
        return found


class Scaled(Encoder):
    """A linear layer that takes its size, under the names of its own parameters, and a value of the dataset's."""

    def __init__(self, sizes: Mapping[str, int], temperature: float) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(sizes["left"], 4), nn.Linear(sizes["right"], 4)
        self.temperature = temperature
        self.sizes = {"embedding": 4}

    def forward(self, left: Tensor, right: Tensor) -> dict[str, Tensor]:
        return {"embedding": (self.left(left) + self.right(right)) / self.temperature}


def test_of_renames_sizes_as_well_as_tensors(tmp_path: Path) -> None:
    run = embloom.train(
        *QUICK, "+encoder.of.features=other", "encoder.layers=auto-6-auto", "loss.cross_entropy.of.target=kind",
        "optimizer.lr=0.05", "dataset.batch_size=10", "trainer.max_epochs=4",
        parts={"dataset": TwoViews}, folder=tmp_path / "run",
    )  # fmt: skip
    # Of the column `other`: five wide, and the only one from which the label can be told.
    assert run.embedding.encoder.linears[0].in_features == 5  # type: ignore[index, union-attr]
    assert run.metrics["test/accuracy_kind"] > 0.9
    rows = torch.eye(5)[:4]
    assert run.embedding.encode({"other": rows}).argmax(1).tolist() == [0, 1, 2, 3]
    assert run.embedding.predict({"other": rows}) == ["a", "b", "c", "d"]
    assert torch.equal(run.embedding.encode(rows), run.embedding.encode({"other": rows}))


def test_of_may_swap_two_inputs_of_different_sizes(tmp_path: Path) -> None:
    given = ("encoder.of={left: other, right: features}", "loss.cross_entropy.of.target=kind")
    parts = {"dataset": TwoViews, "encoder": Scaled}
    run = embloom.train(*QUICK, *given, parts=parts, folder=tmp_path / "run")
    encoder = run.embedding.encoder
    assert (encoder.left.in_features, encoder.right.in_features) == (5, 3)  # type: ignore[union-attr]
    columns = {"other": torch.randn(2, 5), "features": torch.randn(2, 3)}
    expected = (encoder.left(columns["other"]) + encoder.right(columns["features"])) / 2  # type: ignore[operator]
    torch.testing.assert_close(run.embedding.encode(columns), expected.detach())


def test_of_names_a_tensor_that_is_not_there() -> None:
    says = r"^encoder needs the tensor 'nothing' and nobody provides it; available: clean, features, image, label\."
    with pytest.raises(ValueError, match=says):
        build_components(configuration("+encoder.of.features=nothing", "encoder.layers=1024-10"))
    with pytest.raises(ValueError, match=r"^encoder\.of\.feature: it takes no such tensor; it takes: features"):
        build_components(configuration("+encoder.of.feature=image"))


def test_logits_that_are_not_the_classes_are_refused() -> None:
    small = ("experiment=color_shape", "dataset.counts={train: 8, val: 8, test: 8}", "dataset.shapes=[circle,star,car]")
    learns = ("encoder=mlp", "loss=cross_entropy", "loss.cross_entropy.of.target=shape")
    with pytest.raises(
        ValueError, match=r"a logit for each of 3 classes, and its input has 10: .*layers=auto-3 or auto-auto"
    ):
        build_components(configuration(*small, *learns, "encoder.layers=auto-10"))
    assert build_components(configuration(*small, *learns, "encoder.layers=auto-3")).encoder.sizes["embedding"] == 3


def test_all_mistakes_are_said_together() -> None:
    mistakes = ["optimizer.lr=-1", "probe.knn.k=0", "callbacks.checkpoints.mode=least", "dataset.side=0"]
    with pytest.raises(ValueError, match="must be") as caught:
        build_components(configuration(*mistakes))
    assert sorted(line.split(":")[0] for line in str(caught.value).splitlines()) == sorted(mistakes)
    mistakes = ["optimizer.lr=-1", "encoder.dropout=2"]  # with a dataset there can be an encoder
    with pytest.raises(ValueError, match="must be") as caught:
        build_components(configuration(*mistakes))
    assert sorted(line.split(":")[0] for line in str(caught.value).splitlines()) == sorted(mistakes)
