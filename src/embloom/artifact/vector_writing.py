"""Vectors into files: written a part at a time with bounded memory, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from torch import Tensor

from embloom.artifact.vector_files import DIGEST, NAME, VECTOR, as_bytes, hashed
from embloom.files.atomic import write_whole
from embloom.files.table_parts import pyarrow
from embloom.files.tables import spreadsheet_safe

Parts = Iterator[tuple[list[str], Tensor]]
NPY_HEADER = 128


def writer_for(path: Path) -> Callable[[IO[bytes], Parts, Mapping[str, str]], int]:
    """What writes the format that a file's name asks for.

    Raises:
        ValueError: there is none.
    """
    found = WRITERS.get(path.suffix.lower())
    if found is None:
        raise ValueError(f"--output={path}: the name must end in one of {', '.join(WRITERS)}")
    if found is write_parquet:
        pyarrow()
    return found


def write_vectors(path: Path, parts: Parts, about: Mapping[str, str]) -> int:
    """Writes vectors as they come.

    Args:
        path: ends in .safetensors, .npy, .csv or .parquet.
        parts: names and rows (N, D), part by part.
        about: `content_hash` and `layer`, kept where the format has room for it.

    Returns:
        How many rows.

    Raises:
        ValueError: the format is unknown, or there is no row.
    """
    write, counted = writer_for(path), 0

    def run(file: IO[bytes]) -> None:
        nonlocal counted
        counted = write(file, parts, about)
        if not counted:
            raise ValueError("there is nothing to encode: the input is empty")

    write_whole(path, run)
    return counted


def write_safetensors(file: IO[bytes], parts: Parts, about: Mapping[str, str]) -> int:
    """One tensor `vectors`; the names as JSON in the metadata. The header comes first and says how many rows follow,
    so the rows wait in a file without a name."""
    names: list[str] = []
    width, seen = 0, hashlib.sha256()
    with tempfile.TemporaryFile() as waiting:
        for some, rows in parts:
            names += some
            width = rows.shape[1]
            content = as_bytes(rows)
            seen.update(content)
            waiting.write(content)
        metadata = {**about, "keys": json.dumps({"vectors": names})}
        metadata[DIGEST] = hashed(metadata, seen)
        tensor = {"dtype": "F32", "shape": [len(names), width], "data_offsets": [0, 4 * width * len(names)]}
        header = json.dumps({"__metadata__": metadata, "vectors": tensor}).encode()
        header += b" " * (-len(header) % 8)
        file.write(struct.pack("<Q", len(header)) + header)
        waiting.seek(0)
        shutil.copyfileobj(waiting, file, 1 << 20)
    return len(names)


def write_npy(file: IO[bytes], parts: Parts, about: Mapping[str, str]) -> int:
    """A plain array (N, D), float32, without names."""
    file.write(bytes(NPY_HEADER))
    count = width = 0
    for _, rows in parts:
        file.write(as_bytes(rows))
        count, width = count + len(rows), rows.shape[1]
    file.seek(0)
    described = {"descr": "<f4", "fortran_order": False, "shape": (count, width)}
    np.lib.format.write_array_header_1_0(file, described)
    assert file.tell() == NPY_HEADER
    return count


def write_csv(file: IO[bytes], parts: Parts, about: Mapping[str, str]) -> int:
    """A line of names, then `name` and the numbers, with the digits that bring back the same bits."""
    count = 0
    for names, rows in parts:
        if not count:
            file.write((",".join([NAME, *(f"d{i}" for i in range(rows.shape[1]))]) + "\n").encode())
        form = ",".join(["%.9g"] * rows.shape[1])
        lines = (f"{cell(name)},{form % tuple(row)}\n" for name, row in zip(names, rows.tolist(), strict=True))
        file.write("".join(lines).encode())
        count += len(names)
    return count


def cell(text: str) -> str:
    """A CSV cell."""
    text = spreadsheet_safe(text)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


def write_parquet(file: IO[bytes], parts: Parts, about: Mapping[str, str]) -> int:
    """Columns `name` and `vector`, lists of one length; a row group a part."""
    arrow, parquet = pyarrow()
    writer: Any = None
    count = 0
    for names, rows in parts:
        kind = arrow.list_(arrow.float32(), rows.shape[1])
        vectors = arrow.FixedSizeListArray.from_arrays(arrow.array(rows.reshape(-1).numpy()), type=kind)
        schema = arrow.schema([(NAME, arrow.string()), (VECTOR, kind)], metadata=dict(about))
        writer = writer or parquet.ParquetWriter(file, schema, write_page_checksum=True)
        writer.write_table(arrow.Table.from_arrays([arrow.array(names, arrow.string()), vectors], schema=schema))
        count += len(names)
    if writer is not None:
        writer.close()
    return count


WRITERS: dict[str, Callable[[IO[bytes], Parts, Mapping[str, str]], int]] = {
    ".safetensors": write_safetensors, ".npy": write_npy, ".csv": write_csv, ".parquet": write_parquet,
}  # fmt: skip


def parts_of(names: Sequence[str], rows: Tensor, size: int = 8192) -> Parts:
    """A table in parts."""
    for start in range(0, len(rows), size):
        yield list(names[start : start + size]), rows[start : start + size]
