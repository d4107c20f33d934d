"""Files of vectors beside runs: compared, measured by the same questions, mapped; and scores that are none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import embloom
from embloom import cli
from embloom.comparison.best import best
from embloom.comparison.collect import read
from embloom.comparison.table import Comparison
from embloom.files.coverage import barely_known, well_known
from embloom.files.run_folder import best_probe, row_of
from embloom.files.run_state import read_state
from trained import trained


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of words, and its vectors as other programs would have them."""
    folder = tmp_path_factory.mktemp("files")
    trained(
        folder / "run", "experiment=skipgram", "trainer=cpu", "trainer.max_epochs=1", "encoder.dim=8",
        f"dataset.cache={folder / 'cache'}",
    )  # fmt: skip
    words = embloom.load(folder / "run").words
    lines = [" ".join([w, *map(str, r)]) for w, r in zip(words.names, words.vectors.tolist(), strict=True)]
    (folder / "glove.txt").write_text("\n".join(lines))
    np.save(folder / "other.npy", words.vectors.numpy())
    (folder / "words.txt").write_text("\n".join(words.names))
    (folder / "kinds.csv").write_text("\n".join(["word,kind", *(f"{w},{len(w) % 2}" for w in words.names)]))
    return folder


def run(place: Path, *arguments: str) -> None:
    """The command, in this process."""
    before = Path.cwd()
    os.chdir(place)
    try:
        cli.COMMANDS[arguments[0]](list(arguments[1:]))
    finally:
        os.chdir(before)


def test_files_are_measured_as_the_run_was(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("run", "glove.txt", "other.npy", "--names", "words.txt", "--labels", "kinds.csv")
    run(place, "compare", *files, "--json", "--html", "c.html", "--maps", "pca")
    found = {row["name"]: row["metrics"] for row in json.loads(capsys.readouterr().out)["rows"]}
    assert set(found) == {"d, e", "glove.txt", "other.npy"}
    scores = {metrics["probe/analogies"]["mean"] for metrics in found.values()}
    assert len(scores) == 1
    assert "probe/linear_kind" in found["glove.txt"]
    assert "glove.txt" in (place / "c.html").read_text()
    run(place, "map", "other.npy", "--names", "words.txt", "--maps", "pca")
    assert (place / "other.map.html").is_file()


def test_what_is_asked_for_measures_all_of_them(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "pairs.txt").write_text("king queen 8\nman woman 7\nking kitten 1\nman puppy 2\n")
    asked = ("probe=[word_similarity]", "probe.word_similarity.path=pairs.txt")
    run(place, "compare", "run", "glove.txt", *asked, "--csv")
    head, *rows = capsys.readouterr().out.splitlines()
    place_of = head.split(",").index("probe/word_similarity")
    assert len({row.split(",")[place_of] for row in rows}) == 1
    with pytest.raises(ValueError, match="probe knn needs the samples of a dataset"):
        run(place, "compare", "glove.txt", "probe=[knn]")
    with pytest.raises(ValueError, match="2 files of names for 1 files without names"):
        run(place, "compare", "glove.txt", "other.npy", "--names", "words.txt", "--names", "words.txt")


def test_words_and_export_of_a_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(place, "neighbors", "run", "king")
    expected = capsys.readouterr().out
    for more in (["glove.txt"], ["other.npy", "--names", "words.txt"]):
        run(place, "neighbors", more[0], "king", *more[1:])
        assert capsys.readouterr().out == expected
    run(place, "export", "glove.txt", "--to", "word2vec", "-o", "x.bin")
    run(place, "neighbors", "x.bin", "king")
    assert capsys.readouterr().out.endswith(expected)
    with pytest.raises(ValueError, match="without an encoder"):
        run(place, "export", "glove.txt", "--to", "onnx")


BARELY = {
    "probe/analogies": 0.0, "probe/analogies_3cosmul": 0.0, "probe/analogies_coverage": 0.35,
    "probe/word_similarity_men": 0.4, "probe/word_similarity_coverage_men": 0.9, "probe/word_similarity_rg": 0.9,
    "probe/word_similarity_coverage_rg": 0.1, "probe/word_similarity": 0.65, "probe/word_similarity_coverage": 0.5,
    "probe/knn_label": 0.3, "val/loss": 1.0,
}  # fmt: skip


def test_few_known_questions_are_no_score() -> None:
    assert barely_known(BARELY) == {
        "probe/analogies": 0.35, "probe/analogies_3cosmul": 0.35, "probe/word_similarity_rg": 0.1
    }  # fmt: skip
    assert BARELY.keys() - well_known(BARELY).keys() == barely_known(BARELY).keys()
    assert best_probe(BARELY) == ("word_similarity", 0.65)
    assert best_probe({"probe/analogies": 0.9, "probe/analogies_coverage": 0.35}) is None


def test_a_run_that_barely_knows_the_questions(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = read_state(place / "run")
    state.metrics = {**state.metrics, "probe/analogies": 0.0, "probe/analogies_coverage": 0.35}
    state.write(place / "run")
    assert row_of(place / "run")["best_probe"] == ""
    run(place, "compare", "run")
    assert "not a score: run knows the words of too few questions (analogies 35 % of them)" in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"by='analogies'(.|\n)*not a score: run knows"):
        best(Comparison([read(place / "run")]), "analogies")
