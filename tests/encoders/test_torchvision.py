"""Torchvision models as encoders: any layer, averaged, frozen or fine-tuned; weights from a file, none needed after."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.models import resnet18

import embloom
from embloom.encoders.torchvision import MEAN, STD, TorchVision
from embloom.training.init_from import begin
from trained import trained

PICTURE = (1, 32, 32)
SMALL = (
    "encoder=torchvision", "dataset.val_size=10", "dataset.test_size=10", "trainer.accelerator=cpu",
    "trainer.max_epochs=1", "trainer.limit_train_batches=2", "dataset.batch_size=16", "probe=[chance]",
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole resnet18, classifier and all, as torch.save writes it."""
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(resnet18().state_dict(), path)
    return path


def test_layers_are_those_of_the_model_averaged_over_places(weights: Path, capsys: Any) -> None:
    encoder = TorchVision(PICTURE, layers=["layer2", "layer4"], weights=str(weights)).eval()
    begin(encoder, None, {})
    assert "skipped, after the last layer: fc" in capsys.readouterr().out
    model = resnet18().eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    image = torch.rand(2, 1024)
    with torch.no_grad():
        x = (image.view(2, 1, 32, 32).expand(-1, 3, -1, -1) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(
            STD
        ).view(3, 1, 1)
        x = model.layer1(model.maxpool(model.relu(model.bn1(model.conv1(x)))))
        two = model.layer2(x)
        four = model.layer4(model.layer3(two))
        outputs = encoder(image)
    torch.testing.assert_close(outputs["layer2"], two.mean((2, 3)))
    torch.testing.assert_close(outputs["layer4"], four.mean((2, 3)))
    assert torch.equal(outputs["embedding"], outputs["layer4"])
    assert encoder.sizes == {"layer2": 128, "layer4": 512, "embedding": 512}


def test_transformers_average_over_tokens_and_channels_last_is_known() -> None:
    layers = {"swin_t": ("features.1", 96), "vit_b_16": ("encoder.layers.encoder_layer_0", 768)}
    for name, (layer, width) in layers.items():
        assert TorchVision((3, 16, 16), name=name, layers=layer, side=224).sizes["embedding"] == width


def test_frozen_model_stays_and_the_artifact_needs_no_weights_file(weights: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pth"
    mine.write_bytes(weights.read_bytes())
    trained(tmp_path / "run", *SMALL, f"encoder.weights={mine}", "encoder.frozen=true", "encoder.embedding=10")
    mine.unlink()
    loaded = embloom.load(tmp_path / "run")
    state = torch.load(weights, weights_only=True)
    kept = {name.removeprefix("model."): t for name, t in loaded.encoder.state_dict().items() if "model." in name}
    assert all(torch.equal(state[name], tensor) for name, tensor in kept.items())
    assert loaded.encode(torch.rand(3, 1024)).shape == (3, 10)


def test_fine_tuning_moves_the_model(weights: Path, tmp_path: Path) -> None:
    trained(tmp_path / "run", *SMALL, f"encoder.weights={weights}", "encoder.embedding=10")
    moved = embloom.load(tmp_path / "run").encoder.state_dict()["model.conv1.weight"]
    assert not torch.equal(moved, torch.load(weights, weights_only=True)["conv1.weight"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "resnet81"}, "encoder.name=resnet81.*did you mean resnet18"),
        ({"layers": "layer9"}, "encoder.layers=layer9.*did you mean layer"),
        ({"name": "vit_b_16"}, "encoder.side=224"),
        ({"side": 0}, "^side=0: it must be a positive integer"),
    ],
)
def test_mistakes_say_what_to_do(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TorchVision(PICTURE, **options)


def test_weights_of_another_model_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is not of resnet34: .* is missing"):
        TorchVision(PICTURE, name="resnet34", weights=str(weights)).start()
    with pytest.raises(ValueError, match="is no file"):
        TorchVision(PICTURE, weights=str(tmp_path / "absent")).start()
