"""Every yaml of every group builds, and every experiment takes two steps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

import embloom
from embloom.assembly.build import build, locate
from embloom.assembly.checks import problems
from embloom.assembly.compose import composed, plain
from embloom.assembly.groups import CONFIGS, GROUPS
from embloom.data.base import Dataset
from embloom.training.components import build_components
from idx import write_mnist
from pretrained import bert, vit
from trained import configuration, trained

EXPERIMENTS = sorted(path.stem for path in (CONFIGS / "experiment").glob("*.yaml"))
OPTIONS = [
    (group, path.stem) for group in GROUPS if group != "experiment" for path in sorted((CONFIGS / group).glob("*.yaml"))
]
TWO_STEPS = (
    "trainer.accelerator=cpu", "trainer.max_epochs=1", "trainer.max_steps=2", "+trainer.limit_val_batches=1",
    "+trainer.limit_test_batches=1", "trainer.log_every_n_steps=1",
)  # fmt: skip


def stand_in(config: dict[str, Any], folder: Path) -> list[str]:
    """Overrides that give a dataset small files of its format, where it cannot do without files."""
    if "compatible" in (config["loss"] or {}):
        if not (folder / "v1").exists():
            trained(folder / "v1", *TWO_STEPS, "probe=[]")
        return [f"loss.compatible.to={folder / 'v1'}"]
    target = str(config["dataset"]["_target_"])
    if target.endswith(".MNIST"):
        variant = config["dataset"]["variant"]
        if not (folder / variant).exists():
            write_mnist(folder, variant=variant)
        return [f"dataset.root={folder}", "dataset.val_size=30", "dataset.download=false"]
    if target.endswith(".ImageFolder"):
        for name in "abcdefghij":
            (folder / "photos" / name).mkdir(parents=True, exist_ok=True)
            for i in range(2):
                Image.new("L", (8, 8), i).save(folder / "photos" / name / f"{i}.png")
        return [f"dataset.root={folder / 'photos'}"]
    if target.endswith((".LabelledText", ".TextBytes")):
        lines = [f"{'ab'[i % 2]},a few words about {['good', 'bad'][i % 2]} things" for i in range(60)]
        (folder / "texts.csv").write_text("\n".join(["label,text", *lines]))
        (folder / "vectors.txt").write_text("1 100\nwords " + " ".join(["0.1"] * 100))
        vectors = [f"init_from={folder / 'vectors.txt'}"] if config["init_from"]["lr"] is not None else []
        frequent = ["dataset.max_share=1"] if target.endswith(".LabelledText") else []
        if str(config["encoder"]["_target_"]).endswith(".LSA"):
            frequent += ["encoder.max_share=0.9"]
        if config["encoder"].get("ngrams", 1) > 1 and "buckets" in config["encoder"]:
            frequent += ["encoder.buckets=1024"]
        return [f"dataset.path={folder / 'texts.csv'}", *frequent, *vectors]
    if str(config["encoder"]["_target_"]).endswith(".HuggingFace"):
        texts = target.endswith(".LabelledLike")
        if not (folder / "model").exists():
            (bert if texts else vit)(folder / "model")
        (folder / "texts.csv").write_text("label,text\n" + "a,good words\nb,bad words\n" * 30)
        return [f"encoder.name={folder / 'model'}", *([f"dataset.path={folder / 'texts.csv'}"] if texts else [])]
    if target.endswith(".LabelledLike"):
        lines = [f"{'ab'[i % 2]},the {['king', 'cat'][i % 2]} was there" for i in range(60)]
        (folder / "texts.csv").write_text("\n".join(["label,text", *lines]))
        if not (folder / "pretrained").exists():
            trained(folder / "pretrained", "experiment=transformer", "dataset.pieces=200", "callbacks=[]", *TWO_STEPS)
        return [f"dataset.path={folder / 'texts.csv'}", f"init_from={folder / 'pretrained'}"]
    if "word_similarity" in (config["probe"] or {}):
        (folder / "pairs.txt").write_text("king queen 8\nking kitten 1\n")
        return [f"probe.word_similarity.path={folder / 'pairs.txt'}"]
    return []


def candidates(group: str, option: str) -> Iterator[list[str]]:
    """What an option may be used with: the default, else an experiment that it belongs to."""
    text = f"[{option}]" if group in ("loss", "callbacks", "probe", "logger") else option
    for experiment in [[], *([f"experiment={name}"] for name in EXPERIMENTS)]:
        yield [*experiment, f"{group}={text}"]


def completed(overrides: list[str], folder: Path) -> dict[str, Any]:
    """The configuration, with files where the dataset needs some."""
    unresolved = composed(overrides, [])
    return plain(composed([*overrides, *stand_in(unresolved, folder)], []))  # type: ignore[arg-type]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_yaml_of_every_group_builds(group: str, option: str, tmp_path: Path) -> None:
    errors = []
    for overrides in candidates(group, option):
        try:
            config = completed(overrides, tmp_path)
            parts = build_components(config)
        except ValueError as error:
            errors.append(f"{overrides}: {error}")
            continue
        assert parts.module.loss.terms or parts.encoder.computed or config["init_from"]["freeze"]
        break
    else:
        pytest.fail("\n".join(errors))


def test_what_is_trained_needs_a_loss(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no loss: choose one"):
        build_components(completed(["loss=[]"], tmp_path))


@pytest.mark.parametrize("option", [option for group, option in OPTIONS if group == "dataset"])
def test_every_dataset_has_the_columns_that_it_announces(option: str, tmp_path: Path) -> None:
    config = completed([f"dataset={option}"], tmp_path)
    dataset = build(config["dataset"], Dataset, where="dataset", supplied={"seed": 0})
    dataset.setup()
    batch = next(iter(dataset.train_dataloader()))
    columns = dataset.transform(batch, "train")
    assert set(columns) <= set(dataset.sizes) | set(batch)
    for name in dataset.labels:
        assert columns[name].dtype == torch.int64
        assert int(columns[name].max()) < dataset.sizes[name]
        assert len(dataset.names[name]) == dataset.sizes[name]
    if shape := dataset.supplies.get("image_shape"):
        assert columns["image"].shape[1] == dataset.sizes["image"] == torch.Size(shape).numel()
        assert torch.equal(columns["features"], columns["image"])
    assert json.loads(json.dumps(dataset.fingerprint()))["rows"].keys() == {"train", "val", "test"}


@pytest.mark.parametrize("option", [option for group, option in OPTIONS if group == "trainer"])
def test_every_trainer_is_checked(option: str, tmp_path: Path) -> None:
    found = problems(configuration(f"trainer={option}"), tmp_path)
    if option == "gpu" and not torch.cuda.is_available():
        assert len(found) == 1
        assert "torch sees no GPU here" in found[0]
    else:
        assert found == []


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_yaml_is_plain_and_names_what_is_there(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    targets = [content.get("_target_"), *(n.get("_target_") for n in content.values() if isinstance(n, dict))]
    for target in filter(None, targets):
        locate(target, object, path.stem)
    if path.parent.name in ("loss", "probe", "callbacks", "logger") and path.parent.parent == CONFIGS:
        named = [key for key in content if key != "defaults"]
        assert all(isinstance(content[key], dict) for key in named)


@pytest.mark.parametrize("experiment", EXPERIMENTS or [None])
def test_every_experiment_takes_two_steps(experiment: str | None, tmp_path: Path) -> None:
    overrides = [f"experiment={experiment}"] if experiment else []
    files = stand_in(composed(overrides, []), tmp_path)  # type: ignore[arg-type]
    metrics = trained(tmp_path / "run", *overrides, *files, *TWO_STEPS)
    assert metrics
    assert all(value == value for value in metrics.values())
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["state"] == "finished"
    assert state["step"] <= 2
    assert embloom.load(tmp_path / "run").card["metrics"] == metrics
