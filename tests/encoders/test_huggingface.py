"""Pretrained models of the transformers library: tiny ones that it builds, saved and read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import embloom
from embloom.encoders.huggingface import HuggingFace
from embloom.training.init_from import begin
from pretrained import WORDS, bert, vit
from trained import trained

PICTURE = (1, 32, 32)
SMALL = (
    "dataset.val_size=10", "dataset.test_size=10", "trainer.accelerator=cpu", "trainer.max_epochs=1",
    "trainer.limit_train_batches=2", "dataset.batch_size=16", "probe=[chance]",
)  # fmt: skip


def started(**options: Any) -> HuggingFace:
    """An encoder with its pretrained weights, in evaluation mode."""
    encoder = HuggingFace(**options)
    begin(encoder, None, {})
    return encoder.eval()


@pytest.mark.parametrize("resample", [2, 3])
def test_an_image_gives_what_the_library_gives(resample: int, tmp_path: Path) -> None:
    folder = vit(tmp_path, resample=resample)
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    encoder = started(sizes={}, image_shape=(3, 40, 40), name=str(folder))
    with torch.no_grad():
        found = encoder(torch.from_numpy(image).permute(2, 0, 1).reshape(1, -1).float() / 255)
        model = transformers.AutoModel.from_pretrained(folder).eval()
        inputs = transformers.AutoImageProcessor.from_pretrained(folder)(Image.fromarray(image), return_tensors="pt")
        wanted = model(**inputs, output_hidden_states=True).hidden_states
    assert encoder.sizes == {"hidden_0": 16, "hidden_1": 16, "hidden_2": 16, "embedding": 16}
    for number, state in enumerate(wanted):
        torch.testing.assert_close(found[f"hidden_{number}"], state.mean(1), atol=0.02, rtol=0.02)  # rounded to bytes
    torch.testing.assert_close(found["embedding"], found["hidden_2"])


def test_texts_give_what_the_library_gives_alone(tmp_path: Path) -> None:
    folder = bert(tmp_path)
    texts = [torch.tensor([2, 5, 9]), torch.tensor([7]), torch.tensor([], dtype=torch.long), torch.arange(20)]
    model = transformers.AutoModel.from_pretrained(folder).eval()
    token, length = torch.cat(texts), torch.tensor([len(text) for text in texts])
    mean, first = (started(sizes={"token": 60, "length": 1}, name=str(folder), pooling=p) for p in ("mean", "first"))
    with torch.no_grad():
        found, firsts = mean(token=token, length=length), first(token=token, length=length)
        for row, text in enumerate(texts):
            if not len(text):
                assert not found["embedding"][row].any()
                continue
            for number, state in enumerate(model(text[None], output_hidden_states=True).hidden_states):
                torch.testing.assert_close(found[f"hidden_{number}"][row], state[0].mean(0), atol=1e-5, rtol=1e-4)
                torch.testing.assert_close(firsts[f"hidden_{number}"][row], state[0, 0], atol=1e-5, rtol=1e-4)


def test_the_last_states_are_averaged_and_convolutions_are_read_too(tmp_path: Path) -> None:
    encoder = started(sizes={}, image_shape=PICTURE, name=str(vit(tmp_path)), last=2, embedding=3)
    found = encoder(torch.rand(2, 1024))
    assert found["embedding"].shape == (2, 3)
    assert encoder.linear is not None
    torch.testing.assert_close(
        found["embedding"], encoder.linear((found["hidden_1"] + found["hidden_2"]) / 2), atol=1e-5, rtol=1e-5
    )
    folder = tmp_path / "resnet"
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    transformers.ViTImageProcessor(do_resize=False).save_pretrained(folder)
    resnet = started(sizes={}, image_shape=PICTURE, name=str(folder))
    assert resnet.sizes == {"hidden_0": 8, "hidden_1": 8, "hidden_2": 16, "embedding": 16}
    assert resnet(torch.rand(2, 1024))["hidden_2"].shape == (2, 16)
    with pytest.raises(ValueError, match="have no mean"):
        HuggingFace({}, PICTURE, str(folder), last=2)


def test_frozen_keeps_no_gradients_and_fine_tuned_learns(tmp_path: Path) -> None:
    folder = str(vit(tmp_path))
    frozen = HuggingFace({}, PICTURE, folder, embedding=2).train()
    frozen(torch.rand(2, 1024))["embedding"].sum().backward()
    assert not any(p.grad is not None for p in frozen.model.parameters())
    assert not frozen.model.training
    tuned = HuggingFace({}, PICTURE, folder, frozen=False).train()
    tuned(torch.rand(2, 1024))["embedding"].square().sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in tuned.model.parameters())


def test_a_run_and_an_artifact_that_needs_no_folder(tmp_path: Path) -> None:
    folder = vit(tmp_path / "model")
    run = tmp_path / "run"
    trained(run, "encoder=huggingface", f"encoder.name={folder}", "encoder.embedding=10", *SMALL)
    inputs = torch.rand(3, 1024)
    before = embloom.load(run).encode(inputs, layer="hidden_1")
    for file in folder.iterdir():
        file.unlink()
    after = embloom.load(run)
    assert torch.equal(after.encode(inputs, layer="hidden_1"), before)
    assert str(folder) not in json.dumps(after.card["encoder"])
    assert after.predict(inputs)


def test_code_beside_a_model_is_never_executed(tmp_path: Path) -> None:
    folder = vit(tmp_path)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nclass Evil: ...\n")
    config = json.loads((folder / "config.json").read_text())
    code = {"auto_map": {"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps({**config, **code}))
    started(sizes={}, image_shape=PICTURE, name=str(folder))
    (folder / "config.json").write_text(json.dumps({**config, **code, "model_type": "evil"}))
    with pytest.raises(ValueError, match="code that comes with a model is never executed"):
        HuggingFace({}, PICTURE, str(folder))
    (folder / "config.json").write_text(json.dumps(config))
    torch.save({"weights": torch.ones(2)}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="no weights in safetensors, and no others are read"):
        started(sizes={}, image_shape=PICTURE, name=str(folder))
    assert not (tmp_path / "executed").exists()


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"encoder\.name is missing"):
        HuggingFace({})
    with pytest.raises(ValueError, match="cannot be read"):
        HuggingFace({}, PICTURE, str(tmp_path / "nothing"))
    with pytest.raises(ValueError, match="reads texts: choose dataset=labelled_like"):
        HuggingFace({"image": 4}, PICTURE, str(bert(tmp_path / "bert")))
    with pytest.raises(ValueError, match="knows 60 tokens, and the dataset has 61"):
        HuggingFace({"token": 61, "length": 1}, None, str(tmp_path / "bert"))
    with pytest.raises(ValueError, match="reads images"):
        HuggingFace({"token": 5, "length": 1}, None, str(vit(tmp_path / "vit")))
    with pytest.raises(ValueError, match="3 hidden states"):
        HuggingFace({}, PICTURE, str(tmp_path / "vit"), last=4)


def test_texts_are_cut_as_the_model_cuts_them(tmp_path: Path) -> None:
    folder, run, table = bert(tmp_path / "model", words=len(WORDS)), tmp_path / "run", tmp_path / "texts.csv"
    lines = [f"{'ab'[i % 2]},a few words about {['good', 'bad'][i % 2]} things" for i in range(40)]
    table.write_text("\n".join(["label,text", *lines]))
    trained(
        run, "experiment=huggingface", f"encoder.name={folder}", f"dataset.path={table}", "trainer.accelerator=cpu",
        "trainer.max_epochs=1",
    )  # fmt: skip
    model = transformers.AutoModel.from_pretrained(folder).eval()
    for file in folder.iterdir():
        file.unlink()
    embedding = embloom.load(run)
    texts = ["Good kings", "few unheard things"]
    found = embedding.encode(texts, layer="hidden_2")
    for row, ids in zip(found, ([2, 4, 11, 12, 3], [2, 7, 1, 10, 3]), strict=True):
        with torch.no_grad():
            state = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[2]
        torch.testing.assert_close(row, state[0].mean(0), atol=1e-5, rtol=1e-4)
    assert set(embedding.predict(texts)) <= {"a", "b"}
    long = embedding.reader(["good " * 100])
    assert long["length"].tolist() == [32]
