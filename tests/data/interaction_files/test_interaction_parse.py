"""Blocks of interactions at once, against Python's csv reader row by row."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import numpy as np
import pytest

from embloom.data.interaction_files.format import Layout
from embloom.data.interaction_files.ids import DENSE, Codes, Ids
from embloom.data.interaction_files.parse import Parser
from embloom.files.line_blocks import LineBlock, line_blocks

CELLS = [
    "0", "7", "10", "007", "12345678", "123456789", "1234567812345678", "999999999999999999", "1000000000000000000",
    "98765432109876543210", "-3", "+3", "1.5", "1e5", "a", "aé", "日本", " 8", "8 ", "1 2", "1:2", "1/2", "²", "٣",
]  # fmt: skip
QUOTED = [*CELLS, "x,y", 'say "a"', "two\nlines", "a;b"]
NUMBERS = ["0", "5", "4.5", "-1", "1e2", " 3", "123456789", "0.123456789", "00012", "3.14159265358979"]


def names_of(codes: Codes, ids: Ids) -> list[str]:
    return [str(code) if code >= 0 else ids.names[-1 - code].decode() for code in codes.tolist()]


@pytest.mark.parametrize("seed", range(30))
def test_any_cells(seed: int) -> None:
    draws = random.Random(seed)
    cells = QUOTED if seed % 3 == 0 else CELLS if seed % 3 == 1 else CELLS[:8]
    rows = [
        [draws.choice(cells), draws.choice(["", "x", *cells]), draws.choice(cells), *draws.choices(NUMBERS, k=2)]
        for _ in range(draws.choice([1, 2, 50]))
    ]
    mark = draws.choice([",", "\t", ";"])
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=mark, lineterminator=draws.choice(["\n", "\r\n"])).writerows(rows)
    data = out.getvalue().encode()
    parser = Parser(Layout("text", mark.encode(), 5, (2, 0, 3, 4)))
    found = parser.rows(LineBlock(data.removesuffix(b"\n") if draws.random() < 0.5 else data, 1, Path("x")))
    assert names_of(found.users, parser.users) == [row[2].strip() for row in rows]
    assert names_of(found.items, parser.items) == [row[0].strip() for row in rows]
    assert found.ratings is not None
    assert found.ratings.tolist() == np.array([float(row[3]) for row in rows], np.float32).tolist()
    assert found.times is not None
    assert found.times.tolist() == [float(row[4]) for row in rows]


@pytest.mark.parametrize("seed", range(10))
def test_any_lines(seed: int) -> None:
    draws = random.Random(seed)
    cells = [cell for cell in CELLS if " " not in cell] + ['"', ",", "a,b"]
    lines = [draws.choices(cells, k=draws.choice([0, 1, 2, 9])) for _ in range(40)]
    blanks = [" ", "  ", "\t", " \t"]
    texts = [draws.choice(["", " "]) + "".join(cell + draws.choice(blanks) for cell in line) for line in lines]
    parser = Parser(Layout("lines"))
    found = parser.rows(LineBlock(draws.choice(["\n", "\r\n"]).join(texts).encode(), 1, Path("x")))
    expected = [(line[0], item, number) for number, line in enumerate(lines) for item in line[1:]]
    assert found.lines is not None
    users, items = names_of(found.users, parser.users), names_of(found.items, parser.items)
    assert list(zip(users, items, found.lines.tolist(), strict=True)) == expected


@pytest.mark.parametrize("size", [1, 7, 64, 1 << 20])
def test_blocks_hold_whole_rows(tmp_path: Path, size: int) -> None:
    rows = [[str(n), draws] for n, draws in enumerate(random.Random(0).choices(QUOTED, k=200))]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    (tmp_path / "a.csv").write_bytes(out.getvalue().encode())
    blocks = [block for block, _ in line_blocks(tmp_path / "a.csv", b",", size)]
    assert b"".join(block.data for block in blocks).decode() == out.getvalue()
    line = 1
    read: list[list[str]] = []
    for block in blocks:
        assert block.line == line
        line += block.data.count(b"\n")
        read += csv.reader(io.StringIO(block.data.decode(), newline=""), strict=True)
    assert read == rows
    assert len(blocks) == 1 if size > 1 << 16 else len(blocks) > 20


def test_large_integers_are_remembered() -> None:
    ids, draws = Ids(), np.random.default_rng(0)
    parts = [draws.integers(low, high, 1000) for low, high in [(0, 50), (DENSE - 100, DENSE + 100), (1 << 40, 1 << 59)]]
    parts += [np.array([-1, -2]), np.zeros(0, np.int64), np.array([DENSE, -1, 3])]
    for part in parts * 2:
        ids.saw(part.astype(np.int64))
    every = np.concatenate(parts)
    assert ids.integers().tolist() == sorted(set(every[every >= 0].tolist()))
