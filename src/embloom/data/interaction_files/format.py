"""What a file of interactions looks like: which cells of a line are the person, the item, the rating and the time."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from embloom.assembly.parameters import choices
from embloom.files.line_blocks import line_blocks
from embloom.files.table_parts import is_number, open_table

FORMATS = ("auto", "table", "lines")
ROLES = ("user", "item", "rating", "time")
# Names in lower case, letters and digits alone, the first one that is there wins.
USUAL = {
    "user": (
        "user", "userid", "uid", "username", "customer", "customerid", "person", "personid", "member", "memberid",
        "visitor", "visitorid", "reviewer", "reviewerid", "account", "accountid", "client", "clientid", "session",
        "sessionid",
    ),
    "item": (
        "item", "itemid", "iid", "movie", "movieid", "product", "productid", "track", "trackid", "song", "songid",
        "artist", "artistid", "book", "bookid", "isbn", "asin", "parentasin", "article", "articleid", "business",
        "businessid", "location", "locationid", "venue", "venueid", "film", "filmid", "game", "gameid", "recipeid",
    ),
    "rating": ("rating", "score", "stars", "overall", "ratings", "bookrating"),
    "time": ("timestamp", "time", "date", "datetime", "unixreviewtime", "ts"),
}  # fmt: skip
SAMPLE_LINES = 200
SAMPLE_BYTES = 1 << 16
EPOCH = 1e8  # what is larger is seconds since 1970 and no rating


@dataclass(frozen=True)
class InteractionColumns:
    """The names of the columns; None finds one by its usual names, '' uses none (rating and time only)."""

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class Layout:
    """How the rows of a file are read.

    Attributes:
        kind: `text`, `lines` (a person and their items, separated by blanks) or `parquet`.
        delimiter: between the cells of text.
        width: cells in a row of text.
        places: which cell is the person, the item, the rating and the time; None where there is none.
        header: the first line holds names.
        names: of the four columns, for messages; for Parquet they are what is read.
    """

    kind: str
    delimiter: bytes = b","
    width: int = 0
    places: tuple[int | None, ...] = (0, 1, None, None)
    header: bool = False
    names: tuple[str | None, ...] = ROLES


def layout_of(path: Path, columns: InteractionColumns, kind: str = "auto", where: str = "dataset") -> Layout:
    """Looks at a file's beginning.

    Args:
        path: the file.
        columns: the names of its columns.
        kind: `table`, `lines`, or `auto` to find out.
        where: what overrides begin with, for messages.

    Raises:
        ValueError: it cannot be read, or what it holds cannot be told.
    """
    choices(FORMATS, format=kind)
    if kind != "lines" and path.is_file() and is_parquet(path):
        source = open_table(path)
        places = places_of(source.names, columns, path, where)
        names = tuple(None if place is None else source.names[place] for place in places)
        return Layout("parquet", places=places, names=names)
    lines = first_lines(path)
    if not lines:
        raise ValueError(f"{path} is empty: it takes a row for each interaction, with a person and an item")
    if kind == "lines":
        return Layout("lines", b" ")
    delimiter = delimiter_of(path, lines)
    rows = rows_in(lines, delimiter)
    if len(rows[0]) == 1 and len(set(map(len, rows))) == 1:
        raise ValueError(f"{path} has one column only, '{rows[0][0][:40]}': it takes a person and an item in each row")
    if not all(map(is_number, rows[0])) and (delimiter != b" " or names_fit(rows[0], columns)):
        return with_header(rows[0], delimiter, columns, path, where)
    same = {len(row) for row in rows} == {len(rows[0])}
    if delimiter == b" " and kind == "auto":
        told = same and numbers_told(rows)
        if not same or len(rows[0]) < 3 or not all(map(is_number, rows[0])):
            return Layout("lines", b" ")
        if not told:
            raise ValueError(
                f"{path} has {len(rows[0])} numbers in each line, which may be a person and items, or a person, an "
                f"item and a rating: {where}.format=lines or {where}.format=table says which"
            )
    if named := next(
        (f"{where}.{role}={name}" for role, name in zip(ROLES, astuple(columns), strict=True) if name), None
    ):
        raise ValueError(f"{named}: {path} has no line of names, it begins with '{lines[0][:40]}'")
    return headerless(rows, delimiter, path)


def is_parquet(path: Path) -> bool:
    """Whether a file's first bytes say so."""
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error


def first_lines(path: Path) -> list[str]:
    """The lines at a file's beginning that are not blank, whole ones."""
    try:
        block, _ = next(line_blocks(path, None, SAMPLE_BYTES), (None, 0))
    except ValueError as error:
        if "binary" in str(error):
            raise ValueError(f"{error}; it takes CSV, TSV, Parquet, or lines of a person and items") from error
        raise
    if block is None:
        return []
    text = block.data.decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][:SAMPLE_LINES]


def delimiter_of(path: Path, lines: Sequence[str]) -> bytes:
    """What stands between the cells of a line; a blank where nothing else does."""
    first = lines[0]
    if ".tsv" in path.name.lower() and "\t" in first:
        return b"\t"
    if "::" in first and is_number(first.split("::")[0]):
        return b"::"
    there = [mark.encode() for mark in (",", "\t", ";", "|") if mark in first]
    even = [mark for mark in there if len(set(map(len, rows_in(lines, mark)))) == 1]
    return next(iter([*even, *there]), b" ")


def rows_in(lines: Sequence[str], delimiter: bytes) -> list[list[str]]:
    """The cells of lines."""
    mark = delimiter.decode()
    if mark == " ":
        return [line.split() for line in lines]
    if len(mark) > 1:
        return [line.split(mark) for line in lines]
    try:
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    except csv.Error:
        return [line.split(mark) for line in lines]


def plain(name: str) -> str:
    """A name as `USUAL` has it."""
    return re.sub(r"[\W_]", "", name).lower()


def names_fit(names: Sequence[str], columns: InteractionColumns) -> bool:
    """Whether a line holds the names of a person's and an item's column."""
    return None not in [
        place_of(names, role, wanted) for role, wanted in zip(ROLES[:2], astuple(columns), strict=False)
    ]


def place_of(names: Sequence[str], role: str, wanted: str | None) -> int | None:
    """Which of the names is the wanted one, or a usual one; None where there is none."""
    if wanted is not None:
        return names.index(wanted) if wanted in names else None
    known = [plain(name) for name in names]
    return next((known.index(name) for name in USUAL[role] if name in known), None)


def places_of(names: Sequence[str], columns: InteractionColumns, path: Path, where: str) -> tuple[int | None, ...]:
    """Which column has which role.

    Raises:
        ValueError: one that is needed or named is not there, or two roles have the same.
    """
    found: dict[str, int | None] = {}
    for role, wanted in zip(ROLES, astuple(columns), strict=True):
        place = None if wanted == "" else place_of(names, role, wanted)
        if place is None and (wanted or role in ROLES[:2]):
            there = ", ".join(names)[:200]
            if wanted:
                raise ValueError(f"{where}.{role}={wanted}: {path} has no such column but {there}")
            raise ValueError(f"{path} has the columns {there}: which one is the {role}? Name it, {where}.{role}=NAME")
        found[role] = place
    taken = [place for place in found.values() if place is not None]
    if twice := [place for place in taken if taken.count(place) > 1]:
        roles = [role for role, place in found.items() if place == twice[0]]
        raise ValueError(f"{where}.{roles[1]}={names[twice[0]]}: it is the {roles[0]} too")
    return tuple(found.values())


def with_header(names: Sequence[str], delimiter: bytes, columns: InteractionColumns, path: Path, where: str) -> Layout:
    """A table whose first line holds names; see `places_of`."""
    if len(names) == 1:
        raise ValueError(f"{path} has one column only, '{names[0][:40]}': it takes a person and an item in each row")
    places = places_of(names, columns, path, where)
    found = tuple(None if place is None else names[place] for place in places)
    return Layout("text", delimiter, len(names), places, header=True, names=found)


def numbers_told(rows: Sequence[Sequence[str]]) -> bool:
    """Whether lines of three or four numbers cannot be a person and items: a rating is no integer, or a time is."""
    if len(rows[0]) > 4:
        return False
    return any(not row[2].isdecimal() for row in rows) or all(float(row[-1]) > EPOCH for row in rows)


def headerless(rows: Sequence[Sequence[str]], delimiter: bytes, path: Path) -> Layout:
    """Rows of numbers: person, item, and maybe rating and seconds, as MovieLens has them.

    Raises:
        ValueError: they are not such.
    """
    width = len(rows[0])
    odd = next((row for row in rows if len(row) != width or not all(map(is_number, row))), None)
    if odd is not None or not 2 <= width <= 4:
        raise ValueError(
            f"{path} begins with a line of numbers, and what they are cannot be told: write a line with the names of "
            "the columns first, user and item among them"
        )
    seconds = [all(float(row[place]) > EPOCH for row in rows) for place in range(width)]
    places: tuple[int | None, ...]
    if width == 3:
        places = (0, 1, None, 2) if seconds[2] else (0, 1, 2, None)
    elif width == 4 and not seconds[3]:
        raise ValueError(
            f"{path} has four numbers in a line, the last of which is no time in seconds: write a line with the names "
            "of the columns first, user and item among them"
        )
    else:
        places = (0, 1, None, None) if width == 2 else (0, 1, 2, 3)
    return Layout("text", delimiter, width, places)
