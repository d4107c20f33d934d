"""Rows of numbers, in Python and from tables."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from embloom.artifact.readers.columns import ColumnsReader

COLUMNS: dict[str, dict[str, Any]] = {
    "user": {"width": None, "dtype": "int64"},
    "features": {"width": 3, "dtype": "float32"},
}
HEADS = "user,features_0,features_1,features_2"
ROWS = [(4, [0.5, -1.0, 2e-3]), (0, [1.0, 2.0, 3.0]), (7, [0.0, 0.0, 0.25])]
USERS, FEATURES = torch.tensor([4, 0, 7]), torch.tensor([row for _, row in ROWS])


def lines(*heads: str) -> str:
    return "\n".join([*heads, *(f"{user},{','.join(map(str, row))}" for user, row in ROWS)]) + "\n"


def read(reader: ColumnsReader, path: Path, size: int = 2) -> tuple[list[str], dict[str, Tensor]]:
    """All parts of a file, as an encoder gets them."""
    names: list[str] = []
    parts: list[dict[str, Tensor]] = []
    for part in reader.open(str(path), None, size).parts:
        names += part.names
        parts.append(reader(part.inputs))
        assert 0 < len(part.names) <= size
    return names, {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("text", [lines(), lines(HEADS)], ids=["bare", "named"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_a_table_with_and_without_names_is_the_same(text: str, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("rows.csv.gz" if packed else "rows.csv")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    names, found = read(ColumnsReader(COLUMNS), path)
    assert names == ["0", "1", "2"]
    assert found["user"].dtype == torch.int64
    assert torch.equal(found["user"], USERS)
    assert torch.equal(found["features"], FEATURES)


def test_names_say_which_cell_is_which(tmp_path: Path) -> None:
    text = ["features_2,comment,features_0,user,features_1"]
    text += [f"{row[2]},hello there,{row[0]},{user},{row[1]}" for user, row in ROWS]
    (tmp_path / "rows.csv").write_text("\n".join(text))
    (tmp_path / "rows.tsv").write_text("\n".join(text).replace(",", "\t"))
    for name in ("rows.csv", "rows.tsv"):
        _, found = read(ColumnsReader(COLUMNS), tmp_path / name)
        assert torch.equal(found["user"], USERS)
        assert torch.equal(found["features"], FEATURES)


def test_other_names_above_the_cells_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(lines("who,a,b,c"))
    assert torch.equal(read(ColumnsReader(COLUMNS), tmp_path / "rows.csv")[1]["features"], FEATURES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (lines(HEADS) + "3,1.0,2.0\n", r"rows\.csv, line 5: it takes 4 cells a row \(user, features_0.*there are 3"),
        (lines() + "3,1.0\n", r"rows\.csv, line 4: it takes 4 cells a row"),
        (lines() + "3,1.0,2.0,3.0,4.0\n", r"rows\.csv, line 4: it takes 4 cells a row.*there are 5"),
        (lines() + "3,1.0,two,3.0\n", r"rows\.csv, line 4: 'two' is no number for 'features'"),
        (lines() + "3,1.0,nan,3.0\n", r"rows\.csv, line 4: 'nan' is no number for 'features'"),
        (lines() + "3.7,1.0,1.0,3.0\n", r"rows\.csv, line 4: '3\.7' is no integer for 'user'"),
    ],
)
def test_a_row_that_does_not_fit_is_named_by_its_line(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(ValueError, match=says):
        read(ColumnsReader(COLUMNS), tmp_path / "rows.csv")


def test_empty_lines_are_no_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(lines(HEADS) + "\n\n")
    assert len(read(ColumnsReader(COLUMNS), tmp_path / "rows.csv")[0]) == 3


def test_what_is_no_file_says_what_is_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file .*absent\.csv: .* user, features_0, features_1, features_2"):
        ColumnsReader(COLUMNS).open(str(tmp_path / "absent.csv"), None, 2)


def test_rows_go_by_name_where_they_have_names(tmp_path: Path) -> None:
    reader = ColumnsReader(COLUMNS, keys={"user": ["zoe", "7", "ada"]})
    found = reader({"user": ["ada", "zoe", "7"], "features": FEATURES})
    assert found["user"].tolist() == [2, 0, 1]
    assert reader({"user": [2, 0, 1], "features": FEATURES})["user"].tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match="the input 'user' has no 'bob': it was not in the data"):
        reader({"user": ["ada", "bob", "7"], "features": FEATURES})
    (tmp_path / "rows.csv").write_text(f"{HEADS}\nada,1,2,3\nzoe,4,5,6\n7,7,8,9\n")
    _, from_table = read(reader, tmp_path / "rows.csv")
    assert from_table["user"].tolist() == [2, 0, 1]
    assert from_table["features"].tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_names_in_a_table_without_heads_are_rows_too(tmp_path: Path) -> None:
    reader = ColumnsReader({"user": COLUMNS["user"]}, keys={"user": ["zoe", "ada"]})
    (tmp_path / "rows.csv").write_text("ada\nzoe\n")
    assert read(reader, tmp_path / "rows.csv")[1]["user"].tolist() == [1, 0]
    (tmp_path / "rows.csv").write_text("user\nada\nzoe\n")
    assert read(reader, tmp_path / "rows.csv")[1]["user"].tolist() == [1, 0]


def test_in_python_a_mapping_or_the_only_column() -> None:
    reader = ColumnsReader(COLUMNS)
    for features in (FEATURES, FEATURES.numpy(), FEATURES.tolist()):
        found = reader({"user": [4, 0, 7], "features": features, "more": "is let be"})
        assert torch.equal(found["user"], USERS)
        assert torch.equal(found["features"], FEATURES)
        assert list(found) == ["user", "features"]
    assert torch.equal(ColumnsReader({"features": COLUMNS["features"]})(FEATURES)["features"], FEATURES)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (FEATURES, "by name, a mapping of: user, features"),
        ({"user": USERS}, "the input 'features' is missing; it takes: user, features"),
        ({"user": USERS, "features": FEATURES[:, :2]}, r"'features' of shape \(3, 2\) does not fit \(N, 3\)"),
        ({"user": FEATURES, "features": FEATURES}, r"'user' of shape \(3, 3\) does not fit \(N,\)"),
        ({"user": USERS + 0.5, "features": FEATURES}, "'user' takes integers"),
        ({"user": ["ada"], "features": FEATURES[:1]}, "'user' takes numbers"),
    ],
)
def test_what_does_not_fit_is_said(inputs: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ColumnsReader(COLUMNS)(inputs)


def test_its_options_make_it_again() -> None:
    reader = ColumnsReader(COLUMNS, keys={"user": ["a"]})
    assert ColumnsReader(**reader.options()).columns == reader.columns
    for name, (example, free) in reader.examples().items():
        assert example.shape[1:] == reader({"user": USERS, "features": FEATURES})[name].shape[1:]
        assert list(free) == [0]
