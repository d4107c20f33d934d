"""Vectors in files: written a part at a time with bounded memory, whole or not at all; read back with their origin."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import safetensors
import torch
from torch import Tensor

from embloom.files.atomic import write_whole
from embloom.files.table_parts import pyarrow
from embloom.files.tables import from_spreadsheet, spreadsheet_safe
from embloom.files.tensors import first_line

Parts = Iterator[tuple[list[str], Tensor]]
NPY_HEADER = 128
NAME, VECTOR = "name", "vector"
DIGEST = "sha256"  # in the metadata of safetensors: of rows and names


@dataclass
class Vectors:
    """Rows of one embedding.

    Attributes:
        rows: (N, D).
        names: what they are called, if anything.
        content_hash: the artifact that they come from, where the file says so.
        layer: which of its layers.
    """

    rows: Tensor
    names: list[str] = field(default_factory=list)
    content_hash: str = ""
    layer: str = ""

    def nearest(self, queries: Vectors, k: int = 10) -> tuple[Tensor, Tensor]:
        """For each query the `k` nearest of these rows: cosines (Q, k) and row numbers (Q, k).

        Raises:
            ValueError: the queries come from another embedding.
        """
        from embloom.artifact.neighbors import Neighbors

        self.check_same(queries.content_hash, queries.layer)
        return Neighbors(self.rows).nearest(queries.rows, k)

    def check_same(self, content_hash: str, layer: str) -> None:
        """Refuses to be asked for together with rows of another embedding.

        Raises:
            ValueError: these vectors come from another artifact or another layer.
        """
        if self.content_hash and content_hash and self.content_hash != content_hash:
            raise ValueError(
                f"these vectors come from the artifact {short(self.content_hash)}, not from {short(content_hash)}: "
                "distances between two embeddings mean nothing. Encode them with the same one"
            )
        if self.layer and layer and self.layer != layer:
            raise ValueError(
                f"these vectors are of layer {self.layer}, not of {layer}: encode them with --layer {layer}"
            )


def short(content_hash: str) -> str:
    """The beginning of a hash."""
    return content_hash.removeprefix("sha256:")[:12]


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


def as_bytes(rows: Tensor) -> bytes:
    """Rows as little-endian float32."""
    return np.ascontiguousarray(rows.numpy(), dtype="<f4").tobytes()


WRITERS: dict[str, Callable[[IO[bytes], Parts, Mapping[str, str]], int]] = {
    ".safetensors": write_safetensors, ".npy": write_npy, ".csv": write_csv, ".parquet": write_parquet,
}  # fmt: skip


def read_vector_file(path: str | Path) -> Vectors:
    """Reads what `write_vectors` wrote.

    Raises:
        ValueError: it cannot be read.
    """
    place = Path(path).expanduser()
    read = READERS.get(place.suffix.lower())
    if read is None:
        raise ValueError(f"{place}: a file of vectors ends in one of {', '.join(READERS)}")
    try:
        return checked(read(place))
    except Exception as error:  # numpy, csv, safetensors and pyarrow raise almost anything on garbage
        raise ValueError(f"{place} cannot be read as vectors: {first_line(error)}") from error


def checked(found: Vectors) -> Vectors:
    """Refuses what is no table, or has other names than rows.

    Raises:
        ValueError: see above.
    """
    rows, names = found.rows, found.names
    if rows.ndim != 2 or not rows.is_floating_point() or not rows.numel():
        raise ValueError(f"{rows.dtype} of shape {tuple(rows.shape)} is no table of vectors (N, D)")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("the names of its rows are no texts")
    if names and len(names) != len(rows):
        raise ValueError(f"{len(names)} names do not fit {len(rows)} rows")
    return found


def read_safetensors(path: Path) -> Vectors:
    """See `write_safetensors`."""
    with safetensors.safe_open(path, "pt") as file:
        about, rows = file.metadata() or {}, file.get_tensor("vectors")
    if DIGEST in about and hashed(about, hashlib.sha256(as_bytes(rows))) != about[DIGEST]:
        raise ValueError("it is damaged: it is not what was written")
    names = json.loads(about.get("keys", "{}")).get("vectors", [])
    return Vectors(rows, names, about.get("content_hash", ""), about.get("layer", ""))


def hashed(about: Mapping[str, str], rows: Any) -> str:
    """The hash of the bytes of rows, finished with that of what is said of them."""
    told = {key: value for key, value in about.items() if key != DIGEST}
    rows.update(json.dumps(told, sort_keys=True).encode())
    return str(rows.hexdigest())


def read_npy(path: Path) -> Vectors:
    """See `write_npy`."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header cannot ask for memory
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise ValueError(f"an array of {array.dtype}, shape {array.shape}, is no table of vectors (N, D)")
    return Vectors(torch.from_numpy(np.array(array, np.float32)))


def read_csv(path: Path) -> Vectors:
    """See `write_csv`."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        names, numbers = [], []
        for row in rows:
            names.append(from_spreadsheet(row[0]))
            numbers.append([float(number) for number in row[1:]])
    if len({len(row) for row in numbers}) != 1 or not numbers[0]:
        raise ValueError("its rows are empty or differ in length")
    return Vectors(torch.tensor(numbers), names)


def read_parquet(path: Path) -> Vectors:
    """See `write_parquet`."""
    _, parquet = pyarrow()
    table = parquet.ParquetFile(path, page_checksum_verification=True).read()
    about = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    column = table[VECTOR].combine_chunks()
    rows = torch.from_numpy(np.array(column.flatten())).view(len(column), -1)
    return Vectors(rows, table[NAME].to_pylist(), about.get("content_hash", ""), about.get("layer", ""))


READERS: dict[str, Callable[[Path], Vectors]] = {
    ".safetensors": read_safetensors, ".npy": read_npy, ".csv": read_csv, ".parquet": read_parquet,
}  # fmt: skip


def parts_of(names: Sequence[str], rows: Tensor, size: int = 8192) -> Parts:
    """A table in parts."""
    for start in range(0, len(rows), size):
        yield list(names[start : start + size]), rows[start : start + size]
