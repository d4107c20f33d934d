"""Mistakes in files of interactions: each is told, with its line, and what to do about it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from embloom.data.interaction_files.cache import open_interactions
from embloom.data.interaction_files.format import InteractionColumns

TABLE = b"user,item,rating,time\n1,2,3,4\n\n"
MISTAKES = {
    "empty": (b"", r"a\.csv is empty: it takes a row for each interaction"),
    "only blanks": (b"\n\n  \n", r"a\.csv is empty"),
    "only names": (b"user,item\n", r"dataset\.path=.*a\.csv holds no interaction"),
    "one column": (b"user\n1\n2\n", r"a\.csv has one column only, 'user': it takes a person and an item"),
    "one column of numbers": (b"1\n2\n", r"one column only"),
    "one column with a mark": (b"title;\n1;\n", r"has the columns title, : which one is the user\?"),
    "other names": (
        b"who,what\n1,2\n", r"has the columns who, what: which one is the user\? Name it, dataset\.user=NAME"
    ),
    "no item": (b"user,what\n1,2\n", r"which one is the item\? Name it, dataset\.item=NAME"),
    "rating is text": (TABLE + b"1,3,good,5\n", r"a\.csv, line 4: the rating 'good' is no number"),
    "rating is nan": (TABLE + b"1,3,nan,5\n", r"a\.csv, line 4: the rating 'nan' is no number"),
    "rating is infinite": (TABLE + b"1,3,1e999,5\n", r"line 4: the rating '1e999' is no number"),
    "no rating": (TABLE + b"1,3,,5\n", r"line 4: the rating '' is no number"),
    "first of two": (b"user,item,rating\n1,2,z\n1,3,a\n", r"line 2: the rating 'z'"),
    "time is text": (TABLE + b"1,3,3,never\n", r"line 4: the time 'never' is neither a number nor a date such as"),
    "no time": (TABLE + b"1,3,3,\n", r"line 4: the time '' is neither"),
    "no user": (TABLE + b",3,3,5\n", r"a\.csv, line 4: the user is empty"),
    "no item in a row": (TABLE + b"1, ,3,5\n", r"line 4: the item is empty"),
    "short row": (TABLE + b"1,3\n", r"a\.csv, line 4: the row has 2 cells, and it takes 4"),
    "long row": (TABLE + b"1,3,3,5,6\n", r"line 4: the row has 5 cells, and it takes 4"),
    "shifted rows": (b"user,item,rating\n1,2\n3,1,2,3\n", r"line 2: the row has 2 cells"),
    "after quoted lines": (b'user,item,rating\n1,"a\nb",3\n1,2,x\n', r"line 4: the rating 'x'"),
    "an open quote": (
        b'user,item\n1,2\n1,"2\n3,4\n', r"a\.csv, line 3: unexpected end of data: does a quote begin there"
    ),
    "binary": (bytes(range(256)), r"a\.csv is a binary file, no text"),
    "utf-16": ("user,item\n1,2\n".encode("utf-16"), r"a\.csv is text in UTF-16: save it in UTF-8"),
    "latin-1": (b"user,item\n1,2\n1,caf\xe9\n", r"line 3: the item b'caf\\xe9' is no text in UTF-8"),
    "latin-1 lines": (b"a b c d\nb x\nc y caf\xe9\n", r"line 3: the item b'caf\\xe9' is no text in UTF-8"),
    "damaged gzip": (gzip.compress(b"user,item\n" + bytes(range(48, 58)) * 999)[:-9], r"cannot read .*a\.csv"),
    "damaged Parquet": (b"PAR1 and so on", r"cannot read .*a\.csv"),
    "three numbers": (
        b"1 2 3\n4 5 6\n", r"may be a person and items, .*: dataset\.format=lines or dataset\.format=table says which"
    ),
    "five numbers": (b"1,2,3,4,5\n1,2,3,4,5\n", r"begins with a line of numbers, and what they are cannot be told"),
    "no seconds": (b"1,2,3,4\n1,2,3,4\n", r"the last of which is no time in seconds"),
    "not all numbers": (b"1,2\nx,4\n", r"begins with a line of numbers"),
    "later no number": (b"1,2,3\n" + b"1,4,3\n" * 300 + b"1,4,x\n", r"line 302: the rating 'x'"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_is_told(tmp_path: Path, mistake: str) -> None:
    content, message = MISTAKES[mistake]
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as told:
        open_interactions(tmp_path / "a.csv", InteractionColumns(), tmp_path / "cache")
    assert len(str(told.value)) < 400
    assert [path.suffix for path in (tmp_path / "cache").glob("*")] in ([], [".lock"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (InteractionColumns(user="who"), r"dataset\.user=who: .*a\.csv has no such column but user, item, rating"),
        (InteractionColumns(time="when"), r"dataset\.time=when: .* has no such column"),
        (InteractionColumns(item="user"), r"dataset\.item=user: it is the user too"),
    ],
)
def test_columns_that_are_not_there(tmp_path: Path, columns: InteractionColumns, message: str) -> None:
    (tmp_path / "a.csv").write_text("user,item,rating\n1,2,3\n")
    with pytest.raises(ValueError, match=message):
        open_interactions(tmp_path / "a.csv", columns, tmp_path / "cache")


def test_names_for_a_file_without_any(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2,3\n")
    with pytest.raises(ValueError, match=r"dataset\.user=who: .* has no line of names, it begins with '1,2,3'"):
        open_interactions(tmp_path / "a.csv", InteractionColumns(user="who"), tmp_path / "cache")


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no file of interactions at .*: set dataset\.path=FILE"):
        open_interactions(tmp_path / "a.csv", InteractionColumns(), tmp_path / "cache")


def test_the_first_mistake_is_told_by_many_processes(tmp_path: Path) -> None:
    good = b"1234567,1234567,3\n" * 700_000  # more than one process takes alone
    lines = b"user,item,rating\n" + good + b"1,2,first\n" + good[: 1 << 22] + b"1,2,second\n" + good[: 1 << 22]
    (tmp_path / "a.csv").write_bytes(lines)
    with pytest.raises(ValueError, match=r"line 700002: the rating 'first' is no number"):
        open_interactions(tmp_path / "a.csv", InteractionColumns(), tmp_path / "cache", workers=2)


def test_parquet_names_the_row(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"user": [1, 2, None], "item": ["a", "b", "c"], "rating": [1.0, float("nan"), 2.0]}
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet", row_group_size=1)
    with pytest.raises(ValueError, match=r"a\.parquet, row 2: the rating is no number"):
        open_interactions(tmp_path / "a.parquet", InteractionColumns(), tmp_path / "cache")
    with pytest.raises(ValueError, match=r"a\.parquet, row 3: the user is empty"):
        open_interactions(tmp_path / "a.parquet", InteractionColumns(rating=""), tmp_path / "cache")
