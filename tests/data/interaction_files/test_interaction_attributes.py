"""Attributes of items and people: each row has its own, whatever the order of the table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from embloom.artifact.readers.attributes import AttributesReader
from embloom.data.interaction_files.attributes import Attribute, read_attributes
from embloom.data.interaction_files.features import features_of, reader_of

MOVIES = """movieId,title,genres,year
3,Heat,Action|Crime,1995
9,Unseen,Western,1970
1,"Toys, again",Animation,
2,Heat,(none)|Action,2000.5
"""
NAMES = ["1", "2", "3", "4"]


def read(folder: Path, text: str, column: str | None = None) -> tuple[dict[str, Attribute], list[str]]:
    (folder / "a.csv").write_text(text)
    found, _, said = read_attributes(folder / "a.csv", NAMES, "item", column)
    return found, said


def labels(found: Attribute) -> list[str]:
    assert found.codes is not None
    return [found.names[code] for code in found.codes.tolist()]


def test_rows_follow_the_names(tmp_path: Path) -> None:
    found, said = read(tmp_path, MOVIES)
    assert list(found) == ["title", "genres", "year"]
    assert labels(found["title"]) == ["Toys, again", "Heat", "Heat", "missing"]
    assert labels(found["genres"]) == ["Animation", "(none)", "Action", "missing"]
    assert found["genres"].names == ["(none)", "Action", "Animation", "Crime", "missing"]
    assert found["genres"].multi_hot().tolist() == [
        [0, 0, 1, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 1],
    ]  # fmt: skip
    assert found["title"].multi_hot().sum(1).tolist() == [1, 1, 1, 1]
    assert found["year"].numbers is not None
    assert np.array_equal(found["year"].numbers, np.array([np.nan, 2000.5, 1995, np.nan], np.float32), equal_nan=True)
    assert said == [
        "dataset.items: 1 of 4 rows are of items without interactions: left out",
        "dataset.items: 1 of 4 items have no row: their attributes are 'missing'",
    ]


def test_a_bar_in_a_few_titles_stands_between_nothing(tmp_path: Path) -> None:
    rows = "".join(f"{n},title {n}\n" for n in range(1, 50))
    found, _ = read(tmp_path, "id,title\n0,one | two\n" + rows)
    assert found["title"].offsets is None


def test_parquet_and_ids_that_pandas_made_floats(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for number, ids in enumerate(([4, 3, 2, 1], [4.0, 3.0, 2.0, 1.0], ["4", "3", "2", " 1"])):
        path = tmp_path / f"{number}.parquet"
        parquet.write_table(arrow.table({"item": ids, "age": [40, 30, 20, 10]}), path)
        found, _, said = read_attributes(path, NAMES, "item")
        assert found["age"].numbers is not None
        assert found["age"].numbers.tolist() == [10, 20, 30, 40]
        assert said == []


def test_the_last_row_of_an_id_stays(tmp_path: Path) -> None:
    found, _ = read(tmp_path, "item,kind\n1,a\n2,b\n3,b\n4,b\n1,b\n")
    assert found["kind"].names == ["b"]


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", None, r"dataset\.items=.*a\.csv is empty"),
        ("name,age\n1,2\n", None, r"which one has the ids\? Name it, dataset\.items_id=NAME"),
        ("name,age\n1,2\n", "key", r"dataset\.items_id=key: .*a\.csv has no such column but name, age"),
        ("item\n1\n", None, r"has the column 'item' only: it takes attributes beside it"),
        ("item,age\n7,2\n", None, r"no 'item' is the id of one with interactions; there it is '1', and here '7'"),
        ("item,age\n1\n", None, r"a\.csv, line 2: the row has 1 cells"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, column: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text, column)


def test_the_reader_makes_the_features_of_training(tmp_path: Path) -> None:
    """Of the same rows the same, in any order; what training has not is 0 everywhere."""
    found, _ = read(tmp_path, MOVIES)
    features, reader = features_of(found), reader_of(found, "movieId")
    assert features is not None
    assert reader is not None
    again = AttributesReader(**json.loads(json.dumps(reader.options())))
    parts = list(again.open(str(tmp_path / "a.csv"), None, 3).parts)
    names = [name for part in parts for name in part.names]
    assert names == ["3", "9", "1", "2"]
    rows = torch.cat([part.inputs["item_features"] for part in parts])
    known = [names.index(name) for name in ("1", "2", "3")]
    torch.testing.assert_close(rows[known], features[:3])
    alien = again([{"title": "Alien", "genres": "Horror", "year": ""}])["item_features"]
    assert not alien.any()
    with pytest.raises(ValueError, match="the column 'year' is missing"):
        again([{"title": "Alien", "genres": "Horror"}])
