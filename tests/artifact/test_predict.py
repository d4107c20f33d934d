"""`predict`: the classes that the losses of a run were trained to find, by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor, nn

import embloom
from embloom.artifact.readers.columns import ColumnsReader
from embloom.artifact.saving import Head, save
from embloom.encoders.mlp import MLP
from embloom.losses.base import Classifier
from embloom.losses.linear_head import LinearHead
from embloom.training.components import build_components
from trained import SMALL_DIGITS, trained

SHAPES = (
    "experiment=color_shape", "dataset.counts={train: 512, val: 64, test: 64}", "encoder.channels=4-8",
    "trainer.accelerator=cpu", "trainer.max_epochs=2", "probe=[chance]", "callbacks=[checkpoints]",
)  # fmt: skip


def test_cross_entropy_says_the_largest_logit_by_name(tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL_DIGITS)
    digits = embloom.load(tmp_path / "run")
    rows = torch.rand(70, 1024)
    numbers = digits.encode(rows).argmax(1).tolist()
    assert digits.predict(rows) == [str(number) for number in numbers]
    assert digits.predict(rows, batch_size=9) == digits.predict(rows, head="cross_entropy") == digits.predict(rows)
    assert digits.predict(rows[:0]) == []
    with pytest.raises(ValueError, match="head=colour: there is no such head; available: cross_entropy"):
        digits.predict(rows, head="colour")


def test_each_of_several_linear_heads_is_asked_by_name(tmp_path: Path) -> None:
    metrics = trained(tmp_path / "run", *SHAPES, "loss=[color,shape]", "trainer.max_epochs=4")
    loaded = embloom.load(tmp_path / "run")
    with pytest.raises(ValueError, match="several losses classify: name one, head='color' or head='shape'"):
        loaded.predict(torch.rand(2, 3, 32, 32))
    truth, images = scored_split(tmp_path / "run")
    for head in ("color", "shape"):
        names = loaded.card["labels"][head]
        predicted = loaded.predict({"image": images}, head=head)
        right = [names[number] == found for number, found in zip(truth[head].tolist(), predicted, strict=True)]
        assert sum(right) / len(right) == pytest.approx(metrics[f"test/accuracy_{head}"])
        assert not set(names) & {"0", "1"}
    assert metrics["test/accuracy_color"] > 0.5


def scored_split(folder: Path) -> tuple[dict[str, Tensor], Tensor]:
    """The test split that a run was scored on: its columns, and its images as the encoder sees them."""
    dataset = build_components(yaml.safe_load((folder / "config.yaml").read_text())).dataset
    dataset.setup("fit")
    batches = [dataset.transform(batch, "embed") for batch in dataset.loader("test")]
    columns = {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}
    return columns, columns["image"]


def test_a_loss_that_does_not_classify_leaves_nothing_to_predict(tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL_DIGITS, "loss=triplet")
    with pytest.raises(ValueError, match="no loss that classifies was trained with this encoder: use encode"):
        embloom.load(tmp_path / "run").predict(torch.rand(2, 1024))


class Nearest(Classifier):
    """A user's own: the class whose center is the nearest."""

    def __init__(self, sizes: dict[str, int], scale: float) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.randn(sizes["target"], sizes["hidden"]))
        self.scale = scale

    def forward(self, hidden: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.scores(hidden), target)

    def scores(self, hidden: Tensor) -> Tensor:
        return -self.scale * torch.cdist(hidden, self.centers)


def test_a_head_of_the_users_own_on_an_inner_layer(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = MLP({"features": 6}, layers="6-4-3")
    heads = {
        "near": Head(
            Nearest({"hidden": 4, "target": 5}, 2.0),
            {"_target_": f"{__name__}.Nearest", "scale": 2.0, "weight": 0.5, "of": {"hidden": "hidden_0"}},
            {"hidden": 4, "target": 5},
            {"hidden": "hidden_0"},
            "kind",
        ),
        "linear": Head(
            LinearHead({"embedding": 3, "target": 5}),
            {"_target_": "embloom.losses.linear_head.LinearHead"},
            {"embedding": 3, "target": 5},
            {"embedding": "embedding"},
            "kind",
        ),
    }
    names = ["a", "b", "c", "d", "e"]
    save(
        tmp_path,
        encoder=encoder,
        node={"_target_": "embloom.encoders.mlp.MLP", "layers": "6-4-3"},
        supplied={"sizes": {"features": 6}},
        reader=ColumnsReader({"features": {"width": 6, "dtype": "float32"}}),
        about={"labels": {"kind": names}},
        heads=heads,
    )
    rows = torch.rand(40, 6)
    outputs = encoder.eval()(rows)
    loaded = embloom.load(tmp_path)
    linear = heads["linear"].module.scores(outputs["embedding"]).argmax(1).tolist()  # type: ignore[operator]
    assert loaded.predict(rows, head="linear") == [names[number] for number in linear]
    with pytest.raises(ValueError, match=r"the class of head near is not embloom's: load\(path, config_dir="):
        loaded.predict(rows, head="near")
    loaded = embloom.load(tmp_path, parts={"loss": {"near": Nearest}})
    distances = torch.stack([(outputs["hidden_0"] - center).norm(dim=1) for center in heads["near"].module.centers])  # type: ignore[union-attr]
    assert loaded.predict(rows, head="near") == [names[number] for number in distances.argmin(0).tolist()]
