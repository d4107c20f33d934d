"""A card says where an embedding comes from; the walk follows it as far as the parents are there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import embloom
from embloom.artifact.ancestry import walked
from embloom.artifact.lineage import HOW, Parent, described, is_lineage, parents_of
from embloom.artifact.saving import read_card
from embloom.commands.card import main as card
from embloom.files.seal import sealed
from trained import SMALL_DIGITS, trained

SMALL = (*SMALL_DIGITS, "encoder.layers=1024-8-10")


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs, each trained from the one before."""
    folder = tmp_path_factory.mktemp("family") / "outputs"
    trained(folder / "a" / "one", *SMALL)
    trained(folder / "a" / "two", *SMALL, f"init_from={folder / 'a' / 'one'}", "init_from.lr=0.01", "seed=1")
    trained(folder / "b" / "three", *SMALL, f"init_from={folder / 'a' / 'two'}", "seed=2")
    return folder


def artifact(run: Path) -> Path:
    return run / "embeddings"


def change(run: Path, **fields: Any) -> None:
    """Another card with a right seal."""
    at = artifact(run) / "card.json"
    at.write_text(json.dumps(sealed({**json.loads(at.read_text()), **fields})))


def told(run: Path) -> list[tuple[int, str, str, str]]:
    return [(depth, one.how, one.content_hash, one.note) for depth, one in walked(artifact(run))]


def test_a_card_names_its_parent_and_how(family: Path) -> None:
    one, two = (read_card(artifact(family / "a" / name)) for name in ("one", "two"))
    assert one["lineage"] is None
    assert parents_of(two) == [Parent(one["content_hash"], str(artifact(family / "a" / "one")), "trained from")]
    assert two["lineage"]["settings"] == {"lr": 0.01}
    assert embloom.load(family / "a" / "two").content_hash == two["content_hash"]


def test_the_walk_goes_to_the_end(family: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hashes = [read_card(artifact(family / run))["content_hash"] for run in ("b/three", "a/two", "a/one")]
    steps = ["", "trained from", "trained from"]
    assert told(family / "b" / "three") == [(i, steps[i], hashes[i], "") for i in range(3)]
    card([str(family / "b" / "three"), "--lineage"])
    lines = capsys.readouterr().out.splitlines()
    assert (lines[0][:12], lines[1]) == ("# Lineage of", "")
    assert lines[0].isascii()
    assert [line.index("-") for line in lines if line.lstrip().startswith("-")] == [0, 2, 4]
    assert "trained from scratch" in lines[-1]
    assert hashes[2][7:19] in lines[-1]


def test_parents_are_found_where_they_went(family: Path, tmp_path: Path) -> None:
    shutil.copytree(family, tmp_path / "outputs")
    here = tmp_path / "outputs"
    (here / "a" / "two").rename(here / "c")
    for run in ("b/three", "c"):
        lineage = read_card(artifact(here / run))["lineage"]
        lineage["parents"][0]["path"] = str(here / "a" / "two")  # nothing is there
        change(here / run, lineage=lineage)
    assert [note for _, _, _, note in told(here / "b" / "three")] == ["", "found by its hash", "found by its hash"]
    shutil.copytree(here / "a" / "one", here / "a" / "two")  # another one is there
    notes = [note for _, _, _, note in told(here / "b" / "three")]
    assert notes[1].startswith("another embedding (")
    assert notes[1].endswith("found by its hash")
    shutil.rmtree(here / "c")
    found = told(here / "b" / "three")
    assert len(found) == 2
    assert found[1][3].startswith("another embedding (")
    shutil.rmtree(here / "a")
    assert told(here / "b" / "three")[1][3] == "not found"


def test_a_circle_ends_and_a_shared_parent_is_followed_once(family: Path, tmp_path: Path) -> None:
    shutil.copytree(family, tmp_path / "outputs")
    one, two, three = (tmp_path / "outputs" / name for name in ("a/one", "a/two", "b/three"))
    parents = {
        run: Parent(read_card(artifact(run))["content_hash"], str(artifact(run)), "built on")
        for run in (one, two, three)
    }
    change(one, lineage=described([parents[three]]))
    change(two, lineage=described([parents[one]]))
    change(three, lineage=described([parents[two], parents[two]], {"kept": 0.5}))
    found = told(three)
    assert [depth for depth, *_ in found] == [0, 1, 2, 3, 1]
    assert "circle" in found[3][3]
    assert "stands above" in found[4][3]


@pytest.mark.parametrize("path", ["", "/", "~nobody/x", "\0", "x" * 5000, "/dev/zero", "//host/share", "."])
def test_a_path_of_nowhere_is_not_found(path: str, family: Path, tmp_path: Path) -> None:
    shutil.copytree(family / "a" / "one", tmp_path / "run")
    change(tmp_path / "run", lineage=described([Parent("sha256:0", path, "aligned to")]))
    assert told(tmp_path / "run")[1][1:3] == ("aligned to", "sha256:0")
    assert all(one.folder is None for depth, one in walked(artifact(tmp_path / "run")) if depth)


def test_what_is_no_lineage_is_no_card(family: Path, tmp_path: Path) -> None:
    sound = described([Parent("sha256:0", "x", HOW[0])], {"kept": 0.5}, {"k": 10})
    assert is_lineage(sound)
    wrong: list[Any] = [
        1, [], {}, {**sound, "parents": "x"}, {**sound, "parents": [1]}, {**sound, "parents": [{"how": "x"}]},
        {**sound, "promise": {"kept": "x"}}, {**sound, "promise": {"kept": True}}, {**sound, "settings": 1},
        {**sound, "at": 1},
    ]  # fmt: skip
    shutil.copytree(family / "a" / "one", tmp_path / "run")
    for value in wrong:
        assert not is_lineage(value)
    change(tmp_path / "run", lineage=wrong[-1])
    with pytest.raises(ValueError, match="lineage holds something else"):
        embloom.load(tmp_path / "run")
    later = {**sound, "parents": [{**sound["parents"][0], "how": "dreamed from"}]}
    change(tmp_path / "run", lineage=later)
    assert parents_of(embloom.load(tmp_path / "run").card) == []
