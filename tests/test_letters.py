"""Letters of any script, in names and in data, in a locale that knows ASCII alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from embloom.assembly.compose import spelled
from harness import command

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0"}
SHORT = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=2")


def typed(folder: Path, *arguments: str) -> str:
    """Runs the real command in the locale C; what it prints, which is no traceback."""
    run = command(*arguments, cwd=folder, env=ASCII)
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    return run.stdout


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table with such letters everywhere."""
    monkeypatch.delenv("PYTHONIOENCODING", raising=False)
    rows = [f'"café 東京 film {number % 5}",{("négatif", "東京")[number % 2]}' for number in range(60)]
    path = tmp_path / "critiques-é.csv"
    path.write_text("\n".join(["texte,étiquette", *rows]) + "\n", encoding="utf-8")
    return path


def test_letters_in_the_locale_c(reviews: Path) -> None:
    folder = reviews.parent
    data = ("dataset=labelled_text", f"dataset.path={reviews.name}", "dataset.text=texte", "dataset.label=étiquette")
    small = ("dataset.min_count=1", "encoder=bag_of_embeddings", "encoder.layers=8-auto", "hydra.run.dir=revue-é")
    assert "done: revue-é" in typed(folder, "train", *data, *small, *SHORT)
    assert "done: revue-é" in typed(folder, "resume", "revue-é", "trainer.max_epochs=2")
    text = (folder / "revue-é" / "embeddings" / "card.json").read_text(encoding="utf-8")
    assert json.loads(text)["labels"] == {"label": ["négatif", "東京"]}
    assert '"café"' in text
    assert "revue-é" in typed(folder, "runs", ".")
    assert "revue-é" in typed(folder, "compare", "revue-é")
    assert "東京" in typed(folder, "card", "revue-é")
    assert "été.csv" in typed(folder, "encode", "revue-é", reviews.name, "--column", "texte", "-o", "été.csv")


def test_a_mistake_in_the_locale_c_is_named_as_it_was_typed(tmp_path: Path) -> None:
    run = command("train", "dataset=table", "dataset.path=café.csv", cwd=tmp_path, env=ASCII)
    assert run.returncode == 2
    assert run.stderr.startswith("error: dataset.path=café.csv is no file")


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("dataset.path=café.csv", "dataset.path='café.csv'"),
        ("dataset.path=a/é: b c.csv", "dataset.path='a/é: b c.csv'"),
        ("probe.knn.layers=[é,b,'ü x']", "probe.knn.layers=['é',b,'ü x']"),
        ("dataset.path=é,ü", "dataset.path='é','ü'"),
        ("a={é: [ü, b]}", "a={'é': ['ü', b]}"),
        ('a="é"', 'a="é"'),
        ("seed=3", "seed=3"),
        ("--config-dir=é", "--config-dir=é"),
    ],
)
def test_letters_are_quoted_for_hydra(override: str, read: str) -> None:
    assert spelled(override) == read
