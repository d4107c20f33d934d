"""New rows for a trained run: from Python in every form, from files by column names, and what does not fit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import embloom
from data.test_table import HEADER, people, write
from embloom import cli
from embloom.artifact.readers.table import TableReader
from embloom.artifact.vector_files import read_vector_file
from trained import trained

READER = TableReader(
    [
        {"name": "age", "kind": "numeric", "mean": 40.0, "std": 10.0, "missing": True},
        {"name": "city", "kind": "categorical", "categories": ["", "1", "Oslo"]},
        {"name": "same", "kind": "numeric", "mean": 7.0, "std": 0.0, "missing": False},
    ]
)
ROWS: list[dict[str, Any]] = [
    {"age": 50, "city": "Oslo", "same": 7},
    {"age": None, "city": None, "same": 9},
    {"age": 35.5, "city": 1, "same": math.nan},
    {"age": " 60 ", "city": "Bergen", "same": "?"},
]
# age, whether it is missing, same; missing city, 1, Oslo
EXPECTED = torch.tensor(
    [[1, 0, 0, 0, 0, 1], [0, 1, 0, 1, 0, 0], [-0.45, 0, 0, 0, 1, 0], [2, 0, 0, 0, 0, 0]], dtype=torch.float32
)


class Frame:
    """What pandas and polars have in common."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.content = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return self.content[name]


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.mark.parametrize("form", ["rows", "columns", "arrays", "frame", "tuples"])
def test_rows_in_every_form_are_the_same_features(form: str) -> None:
    columns = columns_of(ROWS)
    inputs: Any = {
        "rows": ROWS,
        "columns": {"more": list("abcd"), **columns},
        "arrays": {name: np.array(values, dtype=object) for name, values in columns.items()},
        "frame": Frame(columns),
        "tuples": {name: tuple(values) for name, values in columns.items()},
    }[form]
    found = READER(inputs)
    torch.testing.assert_close(found["features"], EXPECTED)
    assert found["clean"] is found["features"]


def test_numbers_come_as_arrays_and_tensors_and_one_row_as_a_mapping() -> None:
    for age in (np.array([50.0, np.nan]), np.array([50.0, np.nan], np.float32), torch.tensor([50.0, math.nan])):
        features = READER({"age": age, "city": ["Oslo", ""], "same": np.array([7, 8], np.int16)})["features"]
        torch.testing.assert_close(features, EXPECTED[:2])
    torch.testing.assert_close(READER(ROWS[0])["features"], EXPECTED[:1])


def test_it_is_made_again_from_its_options() -> None:
    options = json.loads(json.dumps(READER.options()))
    torch.testing.assert_close(TableReader(**options)(ROWS)["features"], EXPECTED)
    assert READER.examples()["features"][0].shape == (3, READER.width)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([{"age": 1, "same": 2}], "the column 'city' is missing; there: age, same"),
        ({"same": [1]}, "the columns 'age', 'city' are missing"),
        ({"age": ["old"], "city": ["a"], "same": [1]}, "'old' in the column 'age' is no number"),
        ({"age": ["1e400"], "city": ["a"], "same": [1]}, "1e400 in the column 'age' is no finite number"),
        ({"age": [math.inf], "city": ["a"], "same": [1]}, "inf in the column 'age' is no finite number"),
        ({"age": [1e308], "city": ["a"], "same": [1]}, "too far from what training saw"),
        ({"age": [10**400], "city": ["a"], "same": [1]}, "10000.* in the column .age. is no finite number"),
        ({"age": [1, 2], "city": ["a"], "same": [1]}, "different numbers of rows"),
        ({"age": [[1, 2]], "city": ["a"], "same": [1]}, "column 'age'"),
        ({"age": 1, "city": ["a"], "same": [1]}, "'age' takes one value for each row"),
        (torch.zeros(3, 3), "give the columns by name"),
        (["a text"], "give the columns by name"),
    ],
)
def test_what_does_not_fit_is_said(inputs: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        READER(inputs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, and new rows for it in another order, with a column more."""
    folder = tmp_path_factory.mktemp("table")
    path = write(folder / "people.csv", people(90))
    trained(
        folder / "run", "dataset=table", f"dataset.path={path}", "dataset.label=kind", "trainer.accelerator=cpu",
        "trainer.max_epochs=3", "encoder.layers=auto-16-auto",
    )  # fmt: skip
    write(folder / "new.csv", [("x", *row[2::-1]) for row in people(30)], ("note", "weight", "city", "age"))
    return folder


def run(*arguments: str) -> None:
    """The command, in this process."""
    cli.COMMANDS[arguments[0]](list(arguments[1:]))


def new_rows() -> dict[str, list[str]]:
    return dict(zip(HEADER[:3], map(list, list(zip(*people(30), strict=True))[:3]), strict=True))


def encoded(folder: Path, name: str) -> Tensor:
    out = folder / "vectors.csv"
    run("encode", str(folder / "run"), str(folder / name), "-o", str(out), "--batch-size", "7")
    return read_vector_file(out).rows


def test_new_rows_are_classified_by_name(folder: Path) -> None:
    embedding = embloom.load(folder / "run")
    kinds = [row[3] for row in people(30)]
    assert embedding.predict(new_rows(), batch_size=7) == kinds
    assert embedding.predict(Frame(new_rows())) == kinds
    assert embedding.predict([{"age": 61, "city": "Lima", "weight": None}]) == ["old"]
    assert embedding.predict({"age": 29, "city": "Rome", "weight": 70}) == ["young"]
    with pytest.raises(ValueError, match="the column 'weight' is missing"):
        embedding.predict([{"age": 61, "city": "Rome"}])
    with pytest.raises(ValueError, match="different numbers of rows"):
        embedding.predict({"age": [1, 2], "city": ["a", "b", "c"], "weight": [1, 2]})


def test_files_are_encoded_by_their_column_names(folder: Path) -> None:
    expected = embloom.load(folder / "run").encode(new_rows())
    torch.testing.assert_close(encoded(folder, "new.csv"), expected)
    torch.testing.assert_close(encoded(folder, "people.csv")[:30], embloom.load(folder / "run").encode(new_rows()))
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    numbers = {name: list(map(float, values)) if name != "city" else values for name, values in new_rows().items()}
    parquet.write_table(arrow.table(numbers), folder / "new.parquet", row_group_size=11)
    torch.testing.assert_close(encoded(folder, "new.parquet"), expected)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("age,city\n1,a\n", r"new2.csv: the column 'weight' is missing; there: age, city"),
        ("age,city,weight\n1,a,2\n1,a,heavy\n", r"new2.csv, line 3: 'heavy' in the column 'weight' is no number"),
        ("age,city,weight\n1,a,2\n\n1,a\n", r"new2.csv, line 4: the row has 2 cells"),
        ("age,city,weight\n1,a,2\n1,a,1e400\n", r"new2.csv, line 3: 1e400 in the column 'weight' is no finite"),
        ("age,city,weight\n", "there is nothing to encode"),
        ("", "new2.csv is empty"),
    ],
)
def test_files_that_do_not_fit_are_answered_with_the_line(content: str, says: str, folder: Path) -> None:
    (folder / "new2.csv").write_text(content)
    with pytest.raises(ValueError, match=says):
        encoded(folder, "new2.csv")
    with pytest.raises(ValueError, match="leave it out"):
        run("encode", str(folder / "run"), str(folder / "new.csv"), "-o", str(folder / "v.npy"), "--column", "age")


def test_onnx_takes_the_features_that_the_reader_makes(folder: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    run("export", str(folder / "run"), "--to", "onnx", "--output", str(folder / "encoder.onnx"))
    embedding = embloom.load(folder / "run")
    features = embedding.reader(new_rows())["features"].numpy()
    session = onnxruntime.InferenceSession(folder / "encoder.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {"features": features})[0]
    np.testing.assert_allclose(found, embedding.encode(new_rows()).numpy(), atol=1e-5)


def test_maps_and_comparisons_show_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("map", str(folder / "run"), "--maps", "pca")
    assert (folder / "run" / "map.png").stat().st_size > 10_000
    assert "young" in (folder / "run" / "map.html").read_text()
    capsys.readouterr()
    run("compare", str(folder / "run"), "--json", "--html", str(folder / "page.html"), "--maps", "pca")
    assert "probe/linear_label" in json.dumps(json.loads(capsys.readouterr().out))
    run("card", str(folder / "run"))
    assert "2 classes of `label`: old, young" in capsys.readouterr().out


def test_a_copy_of_the_data_elsewhere_can_be_named(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.csv"
    (folder / "people.csv").rename(moved)
    try:
        with pytest.raises(ValueError, match=r"people.csv is no file.*dataset.path="):
            run("map", str(folder / "run"), "--maps", "pca")
        run("map", str(folder / "run"), f"dataset.path={moved}", "--maps", "pca")
    finally:
        moved.rename(folder / "people.csv")
