"""`embloom recommend`, typed; and the same in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import embloom
from harness import command
from trained import trained

FEW = ("trainer=cpu", "trainer.max_epochs=2", "probe=[]", "callbacks=[checkpoints]")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People and films."""
    folder = tmp_path_factory.mktemp("recommend") / "run"
    trained(folder, "experiment=recommender", *FEW)
    return folder


def said(run: Path, *arguments: str) -> list[tuple[str, float]]:
    """What the command prints, as names and scores."""
    done = command("recommend", str(run), *arguments, cwd=run.parent)
    assert done.returncode == 0, done.stderr
    lines = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()]
    return [(name.strip(), float(score)) for name, score in lines]


def test_somebody_known_and_somebody_new(run: Path) -> None:
    """The best first, without what they had; the command and Python agree."""
    films = embloom.load(run)
    for arguments, found in (
        (("user_017", "--top", "4"), films.recommend("user_017", top=4)),
        (
            ("--items", "Horror 14 (1984)", "Drama 19 (2001)"),
            films.recommend(items=["Horror 14 (1984)", "Drama 19 (2001)"]),
        ),
    ):
        shown = said(run, *arguments)
        assert [name for name, _ in shown] == [name for name, _ in found]
        assert [score for _, score in shown] == pytest.approx([score for _, score in found], abs=1e-4)
        assert sorted((score for _, score in shown), reverse=True) == [score for _, score in shown]
    had = set(films.recommendations.had("user_017"))
    everything = films.recommend("user_017", top=1000)
    assert not had & {name for name, _ in everything}
    assert len(had) + len(everything) == 240
    assert had < {name for name, _ in films.recommend("user_017", top=1000, exclude_seen=False)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("user_9999",), "there is no person 'user_9999'"),
        (("--items", "Horrors 14"), "there is no item 'Horrors 14'"),
        ((), "name somebody"),
        (("user_017", "--items", "Horror 14 (1984)"), "name somebody"),
        (("user_017", "--top", "0"), "--top=0"),
    ],
)
def test_mistakes(run: Path, arguments: tuple[str, ...], message: str) -> None:
    done = command("recommend", str(run), *arguments, cwd=run.parent)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_embedding_of_something_else(tmp_path: Path) -> None:
    trained(tmp_path / "run", "trainer=cpu", "trainer.max_epochs=1", "encoder.layers=1024-8-10", "probe=[]")
    with pytest.raises(ValueError, match="does not recommend"):
        embloom.load(tmp_path / "run").recommend("user_017")


@pytest.mark.parametrize("encoder", ["als", "ease", "graph_filter", "popularity", "svd", "lightgcn", "two_tower"])
def test_every_encoder_recommends_from_its_artifact(tmp_path: Path, encoder: str) -> None:
    """What is computed needs no loss, and comes back from the folder."""
    computed = encoder not in ("lightgcn", "two_tower")
    how = [f"experiment={encoder}"] if computed else ["experiment=recommender", f"encoder={encoder}"]
    trained(tmp_path / "run", *how, *FEW)
    films = embloom.load(tmp_path / "run")
    assert len(films.recommend("user_017", top=3)) == 3
    new = films.recommend(items=["Horror 14 (1984)"], top=3)
    assert "Horror 14 (1984)" not in {name for name, _ in new}


def test_new_items_have_vectors_from_what_is_known_of_them(tmp_path: Path) -> None:
    """Films that training never saw lie beside those of their genre."""
    folder = tmp_path / "run"
    trained(folder, "experiment=recommender", "encoder=two_tower", "trainer=cpu", "trainer.max_epochs=10", "probe=[]")
    films = embloom.load(folder)
    columns = {column["name"]: column for column in films.card["reader"]["columns"]}
    genres = [name for name in columns["genre"]["categories"] if name != "missing"]
    rows = [",".join(["x", *(genre if name == "genre" else "" for name in columns)]) for genre in genres]
    (tmp_path / "new.csv").write_text("\n".join([",".join(["film", *columns]), *rows]) + "\n")
    done = command("encode", str(folder), "new.csv", "--layer", "items", "--output", "new.npy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    new = torch.from_numpy(np.load(tmp_path / "new.npy"))
    table, names = films.table("items"), films.keys["items"]
    nearest = torch.nn.functional.normalize(new, dim=1) @ torch.nn.functional.normalize(table, dim=1).T
    hits = [names[int(row.argmax())].startswith(genre.title()) for genre, row in zip(genres, nearest, strict=True)]
    assert sum(hits) > len(genres) / 2
