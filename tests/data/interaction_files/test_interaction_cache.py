"""Interactions from files: whatever the format, the order of rows and the processes, the same matrix."""

from __future__ import annotations

import csv
import gzip
import io
import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from embloom.data.interaction_files.build import BUCKET_ROWS, bounds_of
from embloom.data.interaction_files.cache import FILES, InteractionLog, open_interactions
from embloom.data.interaction_files.format import InteractionColumns
from embloom.files import line_blocks

GOWALLA = Path(__file__).parents[3].parent / "shared" / "data" / "gowalla"
Row = tuple[str, str, float, float]
NAMES = ("userId", "movieId", "rating", "timestamp")
DAY = 1_700_000_000


def rows_at_random(count: int = 500, text: bool = False) -> list[Row]:
    draws = random.Random(0)
    pairs = draws.sample([(user, item) for user in range(40) for item in range(30)], count)
    marks = ["", "b", "é,", 'a "quoted"', "two\nlines", "007"] if text else [""]
    return [
        (
            f"{draws.choice(marks) if text else ''}{u}",
            f"{i}{i % 3 * 'x' if text else ''}",
            draws.randrange(11) / 2,
            DAY + n,
        )
        for n, (u, i) in enumerate(pairs)
    ]


def as_csv(
    rows: Sequence[Sequence[object]],
    delimiter: str = ",",
    names: Sequence[str] = NAMES,
    end: str = "\n",
    quoting: Literal[0, 1] = csv.QUOTE_MINIMAL,
) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(
        [*([names] if names else []), *rows]
    )
    return out.getvalue()


def opened(folder: Path, name: str, content: str | bytes, workers: int = 1, kind: str = "auto") -> InteractionLog:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_interactions(path, InteractionColumns(), folder / "cache", workers, kind=kind)


def triples(found: InteractionLog) -> list[Row]:
    """All of it, person by person."""
    users = np.repeat(found.user_names, np.diff(found.offsets)).tolist()
    items = [found.item_names[item] for item in found.items.tolist()]
    none = np.zeros(len(items))
    ratings, times = (none if column is None else column for column in (found.ratings, found.times))
    return list(zip(users, items, ratings.tolist(), times.tolist(), strict=True))


def same(one: InteractionLog, two: InteractionLog) -> bool:
    arrays = (
        (one.offsets, two.offsets), (one.items, two.items), (one.ratings, two.ratings), (one.times, two.times),
    )  # fmt: skip
    return (one.user_names, one.item_names) == (two.user_names, two.item_names) and all(
        (a is None) == (b is None) and (a is None or b is None or a.tobytes() == b.tobytes()) for a, b in arrays
    )


@pytest.mark.parametrize("text", [False, True])
def test_what_was_written_is_read(tmp_path: Path, text: bool) -> None:
    rows = rows_at_random(text=text)
    found = opened(tmp_path, "a.csv", as_csv(rows))
    assert sorted(triples(found)) == sorted(rows)
    place = {name: number for number, name in enumerate(found.user_names)}
    assert triples(found) == sorted(rows, key=lambda row: (place[row[0]], row[3]))
    plain = [name for name in found.user_names if name.isdecimal() and (name == "0" or name[0] != "0")]
    assert found.user_names == [*sorted(plain, key=int), *sorted(set(found.user_names) - set(plain))]
    assert found.about["rows"] == len(rows)
    assert found.about["merged"] == 0


@pytest.mark.parametrize("text", [False, True])
def test_every_format_gives_the_same(tmp_path: Path, text: bool) -> None:
    rows = rows_at_random(text=text)
    plain = opened(tmp_path, "a.csv", as_csv(rows))
    shuffled = random.Random(1).sample(rows, len(rows))
    for name, content in {
        "a.tsv": as_csv(rows, "\t").encode(),
        "a.csv.gz": gzip.compress(as_csv(rows).encode()),
        "semicolon.csv": as_csv(rows, ";").encode(),
        "windows.csv": b"\xef\xbb\xbf" + as_csv(rows, end="\r\n").encode(),
        "no_last_end.csv": as_csv(rows).rstrip("\n").encode(),
        "blank_lines.csv": b"\n\n" + as_csv(rows).encode() + b"\n\n",
        "quoted.csv": as_csv(rows, quoting=csv.QUOTE_ALL).encode(),
        "shuffled.csv": as_csv(shuffled).encode(),
    }.items():  # fmt: skip
        assert same(plain, opened(tmp_path, name, content)), name


def test_numbers_without_a_header(tmp_path: Path) -> None:
    rows = [(user, item, rating, int(time)) for user, item, rating, time in rows_at_random()]
    plain = opened(tmp_path, "a.csv", as_csv(rows))
    for name, mark in (("ratings.dat", "::"), ("u.data", "\t"), ("blanks.txt", " "), ("bare.csv", ",")):
        assert same(plain, opened(tmp_path, name, "".join(mark.join(map(str, row)) + "\n" for row in rows))), name
    pairs = opened(tmp_path, "pairs.csv", as_csv([row[:2] for row in rows], names=()))
    assert pairs.ratings is None
    assert pairs.times is None
    assert [row[:2] for row in sorted(triples(pairs))] == sorted(row[:2] for row in rows)


def test_parquet(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for text in (False, True):
        rows = rows_at_random(text=text)
        columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
        if not text:
            columns["userId"] = tuple(map(int, columns["userId"]))
        columns["timestamp"] = tuple(map(int, columns["timestamp"]))
        dates = {**columns, "timestamp": np.array(columns["timestamp"], "datetime64[s]")}
        for number, content in enumerate((columns, dates)):
            path = tmp_path / f"{text}{number}.parquet"
            parquet.write_table(arrow.table(content), path, row_group_size=90)
            found = open_interactions(path, InteractionColumns(), tmp_path / "cache")
            assert same(opened(tmp_path, "a.csv", as_csv(rows)), found)


def test_lines_of_items(tmp_path: Path) -> None:
    for text in (False, True):
        rows = [
            (user.replace("\n", "").replace(" ", ""), item, 0.0, 0.0) for user, item, _, _ in rows_at_random(text=text)
        ]
        baskets: dict[str, list[str]] = {}
        for user, item, *_ in rows:
            baskets.setdefault(user, []).append(item)
        found = opened(tmp_path, "a.txt", "".join(" ".join([user, *items]) + "\n" for user, items in baskets.items()))
        assert sorted(set(triples(found))) == sorted(set(rows))
        assert same(found, opened(tmp_path, "b.csv", as_csv([row[:2] for row in rows], names=("user", "item"))))
    spaced = opened(tmp_path, "spaced.txt", "  1  5 6 \n\n2\n3\t7\r\n")
    assert [row[:2] for row in triples(spaced)] == [("1", "5"), ("1", "6"), ("3", "7")]
    forced = opened(tmp_path, "forced.txt", "1 2 3\n4 5 6\n", kind="lines")
    assert [row[:2] for row in triples(forced)] == [("1", "2"), ("1", "3"), ("4", "5"), ("4", "6")]


def test_the_last_of_equal_pairs_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = "user,item,rating,time\n1,5,1,30\n1,6,2,20\n1,5,3,10\n1,5,4,30\n"
    timed = opened(tmp_path, "a.csv", content)
    assert "a.csv: 2 of 4 rows are of a pair that comes again, whose last row stays" in capsys.readouterr().err
    assert same(timed, opened(tmp_path, "a.csv", content))
    assert capsys.readouterr().err == ""
    assert triples(timed) == [("1", "6", 2, 20), ("1", "5", 4, 30)]
    assert (timed.about["rows"], timed.about["merged"]) == (4, 2)
    placed = opened(tmp_path, "b.csv", "user,item,rating\n1,5,1\n1,6,2\n1,5,3\n")
    assert triples(placed) == [("1", "6", 2, 0), ("1", "5", 3, 0)]


def test_spellings_of_an_id(tmp_path: Path) -> None:
    found = opened(
        tmp_path, "a.csv", 'user,item\n 7,x\n"7",y\n07,x\n7.0,x\n-7,x\n123456789012345678,x\n1234567890123456789,x\n'
    )
    names = ["7", "123456789012345678", "-7", "07", "1234567890123456789", "7.0"]
    assert found.user_names == names
    assert found.about["merged"] == 0


def test_dates_and_fractions_of_seconds(tmp_path: Path) -> None:
    texts = ["1970-01-02", "1970-01-02T00:00:01", "1970-01-02 02:00:02+02:00", "86403.5", "1970-01-02T00:00:04Z"]
    rows = "".join(f"1,{place},{text}\n" for place, text in enumerate(texts))
    times = opened(tmp_path, "a.csv", "user,item,time\n" + rows).times
    assert times is not None
    assert times.tolist() == [86400, 86401, 86402, 86403.5, 86404]
    milli = opened(tmp_path, "b.csv", "user,item,time\n1,2,1700000000123\n1,3,1700000000\n").times
    assert milli is not None
    assert milli.tolist() == [1_700_000_000, 1_700_000_000.123]


def test_chosen_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("who,user,item,rating\na,1,2,3\n")
    chosen = open_interactions(path, InteractionColumns(user="who", rating=""), tmp_path / "cache")
    assert chosen.user_names == ["a"]
    assert chosen.ratings is None
    usual = open_interactions(path, InteractionColumns(), tmp_path / "cache")
    assert usual.user_names == ["1"]
    assert usual.key != chosen.key


def test_the_delimiter_is_what_cuts_all_rows_alike(tmp_path: Path) -> None:
    found = opened(tmp_path, "a.csv", "user;item,or such;item\n1;a;2\n1;b, c, d;3\n")
    assert [row[:2] for row in triples(found)] == [("1", "2"), ("1", "3")]


def test_several_files(tmp_path: Path) -> None:
    rows = rows_at_random()
    (tmp_path / "parts").mkdir()
    for number in range(3):
        (tmp_path / "parts" / f"{number}.csv").write_text(as_csv(rows[number::3]))
    found = open_interactions(tmp_path / "parts", InteractionColumns(), tmp_path / "cache")
    assert same(found, opened(tmp_path, "a.csv", as_csv(rows)))
    (tmp_path / "parts" / "3.csv").write_text("user,item\n1,2\n")
    with pytest.raises(ValueError, match=r"3\.csv has other columns than .*0\.csv"):
        open_interactions(tmp_path / "parts", InteractionColumns(), tmp_path / "cache")


@pytest.mark.parametrize("text", [False, True])
def test_processes_change_nothing(tmp_path: Path, text: bool) -> None:
    draws = np.random.default_rng(0)
    count = 2 * BUCKET_ROWS + 1000
    mark = "é" if text else ""
    columns = (draws.integers(0, 5000, count), draws.integers(0, 1 << 40, count) % 997, draws.integers(1, 6, count))
    lines = [f"{mark}{u},{mark}{i},{r}.5" for u, i, r in zip(*(c.tolist() for c in columns), strict=True)]
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress("\n".join(["user,item,rating", *lines]).encode(), 0))
    one, two = (open_interactions(path, InteractionColumns(), tmp_path / f"cache{n}", n) for n in (1, 2))
    for name in set(FILES):
        files = [(tmp_path / f"cache{n}" / found.key / name).read_bytes() for n, found in ((1, one), (2, two))]
        assert files[0] == files[1], name
    expected = {(line.split(",")[0], line.split(",")[1]): float(line.split(",")[2]) for line in lines}
    assert {row[:2]: row[2] for row in triples(one)} == expected
    assert one.about["merged"] == count - len(expected)


def test_blocks_cut_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_at_random(text=True)
    whole = opened(tmp_path, "a.csv", as_csv(rows))
    monkeypatch.setattr(line_blocks.line_blocks, "__defaults__", (64,))
    (tmp_path / "a.csv").touch()
    small = open_interactions(tmp_path / "a.csv", InteractionColumns(), tmp_path / "other")
    assert same(whole, small)


def test_buckets_hold_everybody_once() -> None:
    counts = np.random.default_rng(0).integers(1, BUCKET_ROWS // 3, 100)
    counts[50] = 3 * BUCKET_ROWS
    bounds = bounds_of(counts)
    assert bounds[0] == 0
    assert bounds[-1] == 100
    assert bounds == sorted(set(bounds))
    sums = [int(counts[a:b].sum()) for a, b in pairwise(bounds)]
    assert all(total <= BUCKET_ROWS for total in sums if total < counts[50])
    assert len(sums) < 50


def test_damage_is_repaired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = as_csv(rows_at_random())
    first = opened(tmp_path, "a.csv", content)
    kept = triples(first)
    for name in FILES:
        file = tmp_path / "cache" / first.key / name
        file.write_bytes(file.read_bytes()[:-1] + b"!")
        assert triples(opened(tmp_path, "a.csv", content)) == kept
        assert f"({name} is not what was written): it is built again" in capsys.readouterr().err
    stamp = (tmp_path / "cache" / first.key / "seal.json").stat().st_mtime_ns
    assert triples(opened(tmp_path, "a.csv", content)) == kept
    assert (tmp_path / "cache" / first.key / "seal.json").stat().st_mtime_ns == stamp


@pytest.mark.skipif(not GOWALLA.is_dir(), reason="Gowalla is not beside the checkout, ../shared/data/gowalla")
def test_gowalla(tmp_path: Path) -> None:
    train, test = (
        open_interactions(GOWALLA / f"{name}.txt.gz", InteractionColumns(), tmp_path) for name in ("train", "test")
    )
    assert (len(train.user_names), len(train.item_names)) == (29_858, 40_981)
    assert (len(train.items), len(test.items)) == (810_128, 217_242)
    assert train.user_names == test.user_names == [str(number) for number in range(29_858)]
    with gzip.open(GOWALLA / "train.txt.gz", "rt") as file:
        for line in file:
            user, *items = line.split()
            row = int(user)
            assert train.items[train.offsets[row] : train.offsets[row + 1]].tolist() == list(map(int, items))
