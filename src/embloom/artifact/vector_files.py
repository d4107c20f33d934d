"""Vectors from files, embloom's or anybody's: their format is found from the content."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from torch import Tensor

from embloom.artifact.vectors import Vectors
from embloom.files.fasttext import MAGIC, read_fasttext
from embloom.files.finding import GZIP
from embloom.files.tensors import first_line
from embloom.files.vector_tables import Table, is_table_of_vectors, read_csv, read_parquet
from embloom.files.word2vec import MOST_PACKED, read_vectors
from embloom.startup import option

NAME, VECTOR = "name", "vector"
SPACES = "spaces"  # in the metadata: see `Vectors.spaces`
DIGEST = "sha256"  # in the metadata of safetensors: of rows and names
TABLES = ("vectors", "embedding")  # what a table is called where a file has several tensors
WANTED = "word2vec (text or binary), GloVe, fastText's .vec and .bin, .npy, .npz, CSV, Parquet or safetensors"
PICKLE = "a pickle, which can execute code: in gensim, save_word2vec_format writes what can be read"
# What begins like this cannot be read, and what to do about it.
REFUSED = {
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), PICKLE),
    b"\xd0\xcf\x11\xe0": "an Excel file: save it as CSV",
    b"\xff\xfe": "text in UTF-16: save it in UTF-8",
    b"\xfe\xff": "text in UTF-16: save it in UTF-8",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"BZh": "packed with bzip2: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it first",
}


def read_vector_file(
    path: str | Path, names: str | Path | Sequence[str] | None = None, layer: str | None = None
) -> Vectors:
    """Reads vectors, whatever program wrote them: word2vec's text and binary formats, GloVe, fastText's `.vec` (packed
    with gzip, too), `.npy`, `.npz`, CSV, Parquet and safetensors. The format is found from the content.

    Args:
        path: the file.
        names: of the rows, where the file has none: a list, or a file with a name a line.
        layer: which tensor of a safetensors or npz file, where it has several.

    Raises:
        ValueError: it cannot be read; where a line is wrong, the message has it.

    Example:
        >>> glove = embloom.read_vectors("glove.6B.300d.txt")
        >>> glove.words.most_similar("film", topn=1)
        [('movie', 0.86)]
    """
    place = Path(path).expanduser()
    if not place.is_file():
        what = "a folder: embloom.load opens a run" if place.is_dir() else "no file"
        raise ValueError(f"{path} is {what}; vectors are read from {WANTED}")
    read = reader_for(place)
    try:
        found = checked(read(place, layer), place)
    except ValueError as error:
        if str(place) in str(error):
            raise
        raise ValueError(f"{place} cannot be read as vectors: {first_line(error, 400)}") from error
    except Exception as error:  # numpy, csv, safetensors and pyarrow raise almost anything on garbage
        raise ValueError(f"{place} cannot be read as vectors: {first_line(error)}") from error
    return found if names is None else found.with_names(names)


def reader_for(path: Path) -> Callable[[Path, str | None], Vectors]:
    """What reads a file, from how it begins.

    Raises:
        ValueError: nothing does.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    if not head:
        raise ValueError(f"{path} is empty: it must hold vectors, in {WANTED}")
    if head[8:9] == b"{" and 1 < int.from_bytes(head[:8], "little") <= path.stat().st_size:
        return read_safetensors
    for magic, what in REFUSED.items():
        if head.startswith(magic):
            raise ValueError(f"{path} is {what}. Vectors are read from {WANTED}")
    if head.startswith(MAGIC):
        return of_fasttext
    if head.startswith(b"\x93NUMPY"):
        return read_npy
    if head.startswith(b"PAR1"):
        return lambda place, layer: of_table(read_parquet(place))
    if head.startswith(b"PK"):
        return read_npz
    if not head.startswith(GZIP) and path.suffix.lower() in (".safetensors", ".npy", ".parquet", ".npz"):
        raise ValueError(f"{path} cannot be read as vectors: it is damaged, or no {path.suffix} file")
    return of_text


def of_text(path: Path, layer: str | None) -> Vectors:
    """A table with commas or tabs, or word2vec's, GloVe's and fastText's lines, packed or not."""
    if is_table_of_vectors(path):
        return of_table(read_csv(path))
    notes: list[str] = []
    words, rows = read_vectors(path, notes)
    return Vectors(rows, words, notes=notes)


def of_fasttext(path: Path, layer: str | None) -> Vectors:
    """fastText's own binary: words that are not in it have vectors too."""
    model = read_fasttext(path)
    return Vectors(model.vectors(), model.words, spell=model.spelled)


def of_table(table: Table) -> Vectors:
    """Of a CSV or Parquet file."""
    about = table.about
    found = Vectors(table.rows, table.names, about.get("content_hash", ""), about.get("layer", ""), table.labels)
    found.spaces = spaces_of(about)
    return found


def spaces_of(about: Mapping[str, str]) -> list[tuple[str, str]]:
    """What a file says that its vectors may be compared with.

    Raises:
        ValueError: it says something else.
    """
    found = json.loads(about.get(SPACES, "[]"))
    if not isinstance(found, list) or not all(is_pair(pair) for pair in found):
        raise ValueError(f"its {SPACES} are no pairs of texts")
    return [(one, other) for one, other in found]


def is_pair(value: Any) -> bool:
    """Two texts."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def checked(found: Vectors, path: Path) -> Vectors:
    """Refuses what is no table of finite numbers, or has other names than rows.

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
    finite = rows.isfinite().all(1)
    if not finite.all():
        row = int((~finite).int().argmax())
        raise ValueError(f"{path}, row {row} ('{found.called(row)[:40]}') holds NaN or an infinite number: correct it")
    found.rows = rows.float()
    return found


def read_safetensors(path: Path, layer: str | None = None) -> Vectors:
    """One tensor with the names of its rows in the metadata, or the only table of anybody's."""
    with safetensors.safe_open(path, "pt") as file:
        about = file.metadata() or {}
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        chosen = table_among(shapes, layer)
        rows = file.get_tensor(chosen)
    if DIGEST in about and hashed(about, hashlib.sha256(as_bytes(rows))) != about[DIGEST]:
        raise ValueError("it is damaged: it is not what was written")
    keys = json.loads(about.get("keys", "{}"))
    names = keys.get(chosen, []) if isinstance(keys, dict) else []
    return Vectors(rows, names, about.get("content_hash", ""), about.get("layer", ""), spaces=spaces_of(about))


def table_among(shapes: Mapping[str, tuple[int, ...]], layer: str | None) -> str:
    """Which of several arrays is meant.

    Raises:
        ValueError: that cannot be told.
    """
    tables = [name for name, shape in shapes.items() if len(shape) == 2]
    if layer is not None and layer in shapes:
        return layer
    if len(tables) == 1:
        return tables[0]
    if found := next((name for name in TABLES if name in tables), None):
        return found
    there = ", ".join(f"{name} {shape}" for name, shape in list(shapes.items())[:8]) or "nothing"
    what = "several tables" if tables else "no table of vectors (N, D)"
    raise ValueError(f"it holds {what}: {there}" + (f"; choose one with {option('layer')}" if tables else ""))


def as_bytes(rows: Tensor) -> bytes:
    """Rows as little-endian float32."""
    return np.ascontiguousarray(rows.float().numpy(), dtype="<f4").tobytes()


def hashed(about: Mapping[str, str], rows: Any) -> str:
    """The hash of the bytes of rows, finished with that of what is said of them."""
    told = {key: value for key, value in about.items() if key != DIGEST}
    rows.update(json.dumps(told, sort_keys=True).encode())
    return str(rows.hexdigest())


def read_npy(path: Path, layer: str | None = None) -> Vectors:
    """A plain array (N, D) of numbers."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: a header cannot ask for memory
    return Vectors(as_rows(array))


def as_rows(array: Any) -> Tensor:
    """An array of numbers as float32.

    Raises:
        ValueError: it is no table of numbers.
    """
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fiu":
        raise ValueError(f"an array of {array.dtype}, shape {array.shape}, is no table of vectors (N, D)")
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.array(array, np.float32, order="C"))


def read_npz(path: Path, layer: str | None = None) -> Vectors:
    """What `embloom export --to npz` writes, or another archive of numpy's with one table; names are the texts."""
    with zipfile.ZipFile(path) as archive:
        items = archive.infolist()
    if not all(item.filename.endswith(".npy") for item in items):
        raise ValueError("it is an archive (of PyTorch's, or an Excel file?), no .npz: save it as safetensors or CSV")
    if sum(item.file_size for item in items) > MOST_PACKED * path.stat().st_size + (1 << 20):
        raise ValueError("it unpacks to far more than its size: unpack it yourself, if it is sound")
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    rows = found[table_among({name: array.shape for name, array in found.items()}, layer)]
    names = [a for a in found.values() if a.dtype.kind == "U" and a.shape == rows.shape[:1]]
    return Vectors(as_rows(rows), names[0].tolist() if names else [])
