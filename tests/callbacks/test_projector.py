"""TensorBoard's projector reads what a run wrote."""

from __future__ import annotations

from pathlib import Path

import torch
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
from tensorboard.plugins.projector.projector_plugin import _read_tensor_tsv_file

import embloom
from embloom.data.samples import sampled
from embloom.training.components import build_components
from trained import SMALL_DIGITS, configuration, trained


def test_vectors_labels_and_thumbnails_belong_together(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    settings = (*SMALL_DIGITS, "callbacks.projector.count=50", "callbacks.projector.layers=[embedding,hidden_0]")
    trained(folder, *settings)
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    assert [entry.tensor_name for entry in config.embeddings] == ["embedding", "hidden_0"]
    components, loaded = build_components(configuration(*settings)), embloom.load(folder)
    dataset = components.dataset
    dataset.setup("fit")
    samples = sampled(dataset, loaded.wire, ["embedding", "hidden_0"], 50, torch.device("cpu"))
    for entry in config.embeddings:
        rows = torch.tensor(_read_tensor_tsv_file(str(folder / entry.tensor_path)))
        assert torch.allclose(rows, samples.vectors[entry.tensor_name], rtol=1e-3, atol=1e-4)
        names = (folder / entry.metadata_path).read_text().splitlines()
        assert names == [str(number) for number in samples.labels[0].values.tolist()]
        with Image.open(folder / entry.sprite.image_path) as sprite:
            assert sprite.size == (8 * 32, 7 * 32)
        assert list(entry.sprite.single_image_dim) == [32, 32]


def test_a_mistake_is_told(tmp_path: Path) -> None:
    import pytest

    with pytest.raises(ValueError, match=r"callbacks\.projector\.count=0"):
        build_components(configuration("callbacks.projector.count=0"))
