"""Inputs as people have them in Python: paths, folders, arrays, images, data frames, generators, lists of these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embloom.artifact.readers.base import Part, Reader, slices

LONGEST = 4096  # characters of a path


def given(reader: Reader, inputs: Any, batch_size: int = 1024, column: str | None = None) -> Iterator[Part]:
    """Inputs of any kind, a part at a time, with what they are called: paths, texts, or their numbers.

    Args:
        reader: what reads them.
        inputs: see `Embedding.encode`.
        batch_size: how many at a time.
        column: of a table: which column.

    Raises:
        ValueError: a path leads to nothing that can be read.
    """
    if path := path_meant(reader, inputs):
        yield from reader.open(path, column, batch_size).parts
        return
    done = 0
    for part in slices(reader.whole(inputs, column), batch_size):
        items = part if isinstance(part, (list, tuple)) else []
        names = [name_of(item) or str(done + place) for place, item in enumerate(items)]
        done += len(names)
        yield Part(names, part)


def path_meant(reader: Reader, inputs: Any) -> str | None:
    """The path of a file, a folder or a glob, where that is what was given; a string is a text to what reads texts, and
    may be a name to what reads numbers.

    Raises:
        ValueError: a text is called as a folder is that is there.
    """
    if isinstance(inputs, Path):
        return str(inputs)
    if not isinstance(inputs, str):
        return None
    if reader.kind == "image":
        return inputs
    there = len(inputs) < LONGEST and not set(inputs) & {"\0", "\n"} and Path(inputs).exists()
    if reader.kind == "text" and there and Path(inputs).is_dir():
        raise ValueError(
            f"{inputs!r} is a folder, and a string is a text: give Path({inputs!r}) for the texts in it, or "
            f"[{inputs!r}] for the text"
        )
    return inputs if there and reader.kind != "text" else None


def name_of(item: Any) -> str:
    """What an input is called: its path, or the text itself; '' where it has no name."""
    return str(item) if isinstance(item, (str, Path)) else str(getattr(item, "filename", "") or "")
