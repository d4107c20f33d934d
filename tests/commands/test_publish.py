"""Published folders: every kind of artifact comes back to the bit, the card is what the hub reads, nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

import embloom
from data.test_labelled_text import reviews, write_csv
from documents import ROOT, write_files
from embloom import cli
from embloom.artifact.lineage import Parent, described, parents_of
from embloom.artifact.saving import content_hash
from embloom.artifact.weights import read_source
from embloom.files.run_folder import locked
from embloom.files.run_state import read_state
from embloom.files.seal import sealed
from harness import command, finish, fork
from trained import SMALL_DIGITS, trained

FEW = ("trainer.accelerator=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3")
KINDS = {
    "digits": ("encoder.layers=1024-16-10", *SMALL_DIGITS),
    "autoencoder": ("experiment=autoencoder", *SMALL_DIGITS, "probe=[knn]"),
    "words": ("experiment=skipgram", "encoder.dim=8", *FEW),
    "texts": ("experiment=bag_of_embeddings", "dataset.path=reviews.csv", "dataset.min_count=1", *FEW),
    "table": ("dataset=table", "dataset.path=flowers.csv", "dataset.label=species", *FEW),
    "films": ("experiment=recommender", *FEW),
    "computed": ("experiment=ease", *FEW),
}
SECRET = "/home/somebody"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the runs are trained on."""
    folder = tmp_path_factory.mktemp("published")
    write_csv(folder / "reviews.csv", reviews())
    rows = [f"{i % 7},{['north', 'south'][i % 2]},{'abc'[i % 3]}" for i in range(150)]
    (folder / "flowers.csv").write_text("\n".join(["sepal_length,garden,species", *rows]))
    for name in ("one.png", "two.png"):
        Image.new("L", (9, 12), 90).save(folder / name)
    return folder


def run_of(kind: str, place: Path) -> Path:
    """A run of a kind, trained once."""
    if not (place / kind).exists():
        with contextlib.chdir(place):
            trained(place / kind, *KINDS[kind])
    return place / kind


def publish(*arguments: str) -> None:
    """The command, in this process."""
    cli.COMMANDS["publish"](list(arguments))


def metadata(folder: Path) -> dict[str, Any]:
    """The front matter of the README."""
    _, head, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert text.startswith("\n# ")
    return yaml.safe_load(head)


def check_metadata(folder: Path, measured: dict[str, float]) -> None:
    """The front matter has what the hub asks for."""
    head = metadata(folder)
    assert (head["license"], head["library_name"]) == ("cc-by-4.0", "embloom")
    assert all(isinstance(tag, str) and re.fullmatch(r"[\w.-]+", tag) for tag in head["tags"])
    (model,) = head["model-index"]
    (result,) = model["results"]
    assert result["task"]["type"]
    assert result["dataset"].keys() >= {"name", "type"}
    assert result["metrics"]
    for metric in result["metrics"]:
        group, _, name = metric["name"].partition(" ")
        assert metric["value"] == pytest.approx(measured[f"{group}/{name}"], abs=1e-6)
        assert metric["type"] in head["metrics"]
    # What the hub's own programs parse, strictly.
    assert not set(head) - {"license", "library_name", "tags", "pipeline_tag", "metrics", "model-index"}
    json.loads((folder / "config.json").read_text(), parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_to_the_bit_and_its_readme_works(
    kind: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "given away" / kind
    publish(str(run_of(kind, place)), str(folder), "--license", "cc-by-4.0")
    assert {path.name for path in folder.iterdir()} == {"README.md", "config.json", "model.safetensors"}
    mine, theirs = embloom.load(run_of(kind, place)), embloom.load(folder)
    assert theirs.content_hash == mine.content_hash
    assert (folder / "model.safetensors").read_bytes() == (
        place / kind / "embeddings" / "layers.safetensors"
    ).read_bytes()
    ours, others = mine.encoder.state_dict(), theirs.encoder.state_dict()
    assert ours.keys() == others.keys()
    assert all(torch.equal(ours[name], others[name]) for name in ours)
    assert theirs.keys == mine.keys
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert mine.content_hash in text
    for title in ("Use", "Layers", "Data", "Training", "How it was measured", "Limits", "Files"):
        assert text.count(f"\n## {title}\n") == 1, title
    check_metadata(folder, mine.card["metrics"])
    for name in ("one.png", "two.png"):
        shutil.copy(place / name, folder.parent)
    monkeypatch.chdir(folder.parent)
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    exec(code, {})
    assert ("encode(" in code) == bool(mine.layers)
    assert ("recommend(" in code) == (kind in ("films", "computed"))


def test_commands_read_a_published_folder(place: Path, tmp_path: Path) -> None:
    publish(str(run_of("words", place)), str(tmp_path / "words"))
    for arguments in (
        ("card", "words"),
        ("neighbors", "words", "king", "--top", "3"),
        ("export", "words", "--to", "word2vec"),
        ("publish", "words", "again"),
    ):
        said = command(*arguments, cwd=tmp_path)
        assert said.returncode == 0, said.stderr
    assert embloom.load(tmp_path / "again").content_hash == embloom.load(place / "words").content_hash
    assert read_source(tmp_path / "words").keys.keys() == read_source(place / "words").keys.keys()


def test_nothing_is_overwritten_and_nothing_half_written(place: Path, tmp_path: Path) -> None:
    run = str(run_of("digits", place))
    (tmp_path / "empty").mkdir()
    publish(run, str(tmp_path / "empty"))
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    for name in ("empty", "file", "full", "link"):
        with pytest.raises(ValueError, match="nothing is overwritten"):
            publish(run, str(tmp_path / name))
    with pytest.raises(ValueError, match="--license My own"):
        publish(run, str(tmp_path / "new"), "--license", "My own")
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "shut").mkdir(mode=0o500)
    if not os.access(tmp_path / "shut", os.W_OK):
        with pytest.raises(OSError, match="denied"):
            publish(run, str(tmp_path / "shut" / "new"))


def test_what_is_damaged_or_unfinished_is_refused(place: Path, tmp_path: Path) -> None:
    run, new = tmp_path / "run", tmp_path / "new"
    shutil.copytree(run_of("digits", place), run)
    with locked(run), pytest.raises(ValueError, match="in use"):
        publish(str(run), str(new))
    state = read_state(run)
    for word, said in (("running", "was killed"), ("stopped", "was stopped"), ("failed", "failed")):
        state.state = word
        state.write(run)
        for place_of_it in (run, run / "embeddings"):
            with pytest.raises(ValueError, match=rf"{said} and has not finished: embloom resume"):
                publish(str(place_of_it), str(new))
    state.state = "finished"
    state.write(run)
    weights = run / "embeddings" / "layers.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="damaged"):
        publish(str(run), str(new))
    shutil.rmtree(run / "embeddings")
    with pytest.raises(ValueError, match="holds no embedding"):
        publish(str(run), str(new))
    assert not new.exists()
    assert not list(tmp_path.glob(".new*"))


def test_a_damaged_published_folder_is_noticed(place: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("config.json", "model.safetensors")):
        folder = tmp_path / str(number)
        publish(str(run_of("digits", place)), str(folder))
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
        with pytest.raises(ValueError, match=rf"{name}|damaged"):
            embloom.load(folder)
        (folder / name).unlink()
        with pytest.raises(ValueError, match="holds no embedding"):
            embloom.load(folder)


def test_the_owners_folders_are_not_given_away(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run_of("films", place), tmp_path / "run")
    at = tmp_path / "run" / "embeddings" / "card.json"
    card = json.loads(at.read_text())
    card["config"] |= {
        "dataset": {"path": f"{SECRET}/likes.csv", "url": "https://example.org/a/b.csv"},
        "logger": {"wandb": {"entity": "somebody's team"}},
    }
    card["data"]["content"] = f"InteractionFiles(path='{SECRET}/my data/likes.csv', other=~/x/y.csv)"
    card["lineage"] = described([Parent("sha256:0", f"{SECRET}/outputs/old/embeddings", "trained from")])
    card["metrics"]["probe/x"] = float("nan")
    weights = (at.parent / "layers.safetensors").read_bytes()
    assert content_hash(weights, card) == card["content_hash"]
    at.write_text(json.dumps(sealed(card)))
    publish(str(tmp_path / "run"), str(tmp_path / "new"))
    for name in ("README.md", "config.json"):
        text = (tmp_path / "new" / name).read_text()
        for word in ("somebody", "NaN", "~/x"):
            assert word not in text, (name, word)
    found = embloom.load(tmp_path / "new").card
    assert found["config"]["dataset"] == {"path": "likes.csv", "url": "https://example.org/a/b.csv"}
    assert [parent.path for parent in parents_of(found)] == ["old"]
    # Its rows are named after people, and it keeps what they had: that is said.
    said = capsys.readouterr().out
    assert "names of 900 people and what they had" in said
    assert "what each of them had" in (tmp_path / "new" / "README.md").read_text()


def test_own_parts_have_to_be_named_and_the_readme_says_so(tmp_path: Path) -> None:
    write_files(ROOT / "docs" / "own_parts.md", tmp_path)
    mine = ("--config-dir", "mine", "dataset=rings", "encoder=two", "loss=cosine")
    finish(fork("train", *mine, "trainer.max_epochs=1", "hydra.run.dir=run", cwd=tmp_path), tmp_path)
    refused = command("publish", "run", "new", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--config-dir mine" in refused.stderr
    assert not (tmp_path / "new").exists()
    done = command("publish", "run", "new", "--config-dir", "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "new" / "README.md").read_text()
    assert "parts that are not embloom's" in text
    assert "config_dir='mine'" in text
    assert not [path for path in (tmp_path / "new").rglob("*") if path.suffix == ".py"]
    theirs = embloom.load(tmp_path / "new", config_dir=tmp_path / "mine")
    assert theirs.encode([[1.0, 0.0]]).shape[0] == 1


def test_names_from_data_do_not_become_markup_or_metadata(place: Path, tmp_path: Path) -> None:
    shutil.copytree(run_of("digits", place), tmp_path / "run")
    at = tmp_path / "run" / "embeddings" / "card.json"
    card = json.loads(at.read_text())
    card["names"] = {"dataset": "x\n---\nlicense: mit\x1b[2J", "encoder": "a|b", "loss": "<script>"}
    card["labels"]["label"][0] = "</td><script>\x1b[31m"
    at.write_text(json.dumps(sealed(card)))
    publish(str(tmp_path / "run"), str(tmp_path / "new"))
    text = (tmp_path / "new" / "README.md").read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", text.split("\n---\n", 1)[1])
    assert metadata(tmp_path / "new")["license"] == "unknown"
