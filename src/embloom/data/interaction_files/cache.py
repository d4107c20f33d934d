"""A file of interactions as arrays sorted by person, built once, cached and memory-mapped.

A cache entry is a folder named after the hash of the files' content and of how they are read: `offsets.npy` (int64),
`items.npy` (int32), `ratings.npy` (float32) and `times.npy` (float64), both of no rows where there are none,
`users.json` and `items.json` (names), `about.json`, and `seal.json`, the hashes of the others, which are checked at
each opening.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.data.cache import cached
from embloom.data.corpus import SMALL, Progress
from embloom.data.interaction_files.build import build
from embloom.data.interaction_files.format import InteractionColumns, Layout, layout_of
from embloom.data.interaction_files.parquet import row_groups
from embloom.data.processes import refuse_unguarded
from embloom.files.finding import files_at
from embloom.files.line_blocks import line_blocks

FORMAT = 1
FILES = ("about.json", "users.json", "items.json", "offsets.npy", "items.npy", "ratings.npy", "times.npy")


@dataclass(frozen=True)
class InteractionLog:
    """People and what they had, person by person, within a person by time where there is one, else as in the file.

    Attributes:
        offsets: (U + 1,) where each person's interactions begin, and the end.
        items: (P,) item numbers; memory-mapped.
        ratings: (P,), or None.
        times: (P,) seconds since 1970 (or smaller numbers that the file has), or None.
        user_names: the people's ids: integers first, by size, then others, by their letters.
        item_names: the items' ids, in the same order.
        about: rows, merged (how many had a later one of the same person and item), bytes, files, path.
        key: its name in the cache, a hash of its content and of how it is read.
        folder: the cache, where parts of it that are too large for memory can be.
    """

    offsets: NDArray[np.int64]
    items: NDArray[np.int32]
    ratings: NDArray[np.float32] | None
    times: NDArray[np.float64] | None
    user_names: list[str]
    item_names: list[str]
    about: dict[str, Any]
    key: str = ""
    folder: Path | None = None


def open_interactions(
    path: str | Path,
    columns: InteractionColumns,
    cache: Path,
    workers: int = 2,
    progress: Progress | None = None,
    kind: str = "auto",
    where: str = "dataset.path",
) -> InteractionLog:
    """Opens interactions from the cache, or builds them there.

    Args:
        path: a file (CSV, TSV or lines, packed or not, or Parquet), or a folder or glob of such files of one layout.
        columns: the names of their columns.
        cache: folder of all entries. Processes that want the same entry at once build it once.
        workers: processes that read.
        progress: called with bytes done and bytes in all.
        kind: `table` (CSV, TSV, Parquet), `lines` (`user item item ...`), or `auto` to find out.
        where: the override that names the files, for messages.

    Raises:
        ValueError: nothing is there, a row cannot be read (the message names its line), or there is none.
    """
    refuse_unguarded()
    files = files_at(path, "file of interactions", where=where)
    layouts = {file: layout_of(file, columns, kind, where.rpartition(".")[0]) for file in files}
    layout = layouts[files[0]]
    if odd := next((file for file in files if layouts[file] != layout), None):
        raise ValueError(f"{where}={path}: {odd} has other columns than {files[0]}, or another order of them")
    total = sum(file.stat().st_size for file in files)

    def written(folder: Path) -> None:
        few = 1 if total < SMALL else workers
        found = build(folder, blocks_of(files, layout, progress, total), layout, few, f"{where}={path}")
        for name, names in (("users", found.users), ("items", found.items)):
            (folder / f"{name}.json").write_text(json.dumps(names, ensure_ascii=False), encoding="utf-8")
        about = {"path": str(path), "files": len(files), "bytes": total, "rows": found.rows, "merged": found.merged}
        about |= {"ratings": layout.places[2] is not None, "times": layout.places[3] is not None}
        (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
        if found.merged:
            say(
                f"{where}={path}: {found.merged:,} of {found.rows:,} rows are of a pair that comes again, whose last "
                "row stays"
            )

    return opened_entry(cached(cache, key_of(files, layout), FILES, written))


def say(line: str) -> None:
    """What was found in the data, apart from the output of commands."""
    print(line, file=sys.stderr)


def key_of(files: list[Path], layout: Layout) -> str:
    """The name of an entry."""
    described = {"format": FORMAT, **asdict(layout), "delimiter": layout.delimiter.decode()}
    digest = hashlib.blake2b(json.dumps(described, sort_keys=True).encode())
    for file in files:
        try:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "blake2b").digest())
        except OSError as error:
            raise ValueError(f"cannot read {file}: {error}") from error
    return digest.hexdigest()[:32]


def blocks_of(files: list[Path], layout: Layout, progress: Progress | None, total: int) -> Iterator[Any]:
    """What `Parser` takes, of all files."""
    done = 0
    for file in files:
        if layout.kind == "parquet":
            yield from ((file, group) for group in range(row_groups(file)))
        else:
            for block, position in line_blocks(file, None if layout.kind == "lines" else layout.delimiter):
                yield block
                if progress:
                    progress(done + position, total)
        done += file.stat().st_size
        if progress:
            progress(done, total)


def opened_entry(entry: Path) -> InteractionLog:
    """A cache entry."""
    about, users, items = (
        json.loads((entry / f"{name}.json").read_text(encoding="utf-8")) for name in ("about", "users", "items")
    )
    arrays = {name: np.load(entry / f"{name}.npy", mmap_mode="r") for name in ("items", "ratings", "times")}
    ratings = arrays["ratings"] if about["ratings"] else None
    times = arrays["times"] if about["times"] else None
    return InteractionLog(
        np.load(entry / "offsets.npy"),
        arrays["items"],
        ratings,
        times,
        users,
        items,
        about,
        entry.name,
        entry.parent,
    )
