"""The vectors of many inputs, kept in a file and brought up to date: what has not changed is not encoded again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from embloom.artifact.readers.base import Part, Reader
from embloom.artifact.vectors import Vectors
from embloom.files.atomic import write_whole
from embloom.files.seal import file_hash
from embloom.files.tensors import first_line, read_safetensors

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding

FORMAT = "1"
SEAL, KEY, NAMES = "seal", "key", "names"
HASH = 32  # bytes
Say = Callable[[str], None]
# What is known of a file without reading it: size, and when its content and its entry were changed, in ns.
Stamp = tuple[int, int, int]


@dataclass
class Index:
    """What an index file holds.

    Attributes:
        rows: (N, D).
        names: of the inputs.
        hashes: of the files they were made of, hex.
        stamps: of the same.
    """

    rows: Tensor
    names: list[str]
    hashes: list[str]
    stamps: list[Stamp]


def indexed(
    embedding: Embedding,
    path: str,
    layer: str,
    file: Path | None,
    *,
    column: str | None = None,
    batch_size: int = 256,
    say: Say = print,
) -> Vectors:
    """The vectors of what a path stands for, from an index where that is right, which is written anew where it is not.

    The index belongs to one artifact, one layer and one path. Of files with one input each, those that are new or have
    another content than before are encoded, and those that are gone are left out; a file whose size and times are the
    same is taken to be the same. Of a file with many inputs any change is another content.

    Args:
        embedding: what encodes.
        path: a file, a folder or a glob.
        layer: which layer.
        file: the index; None keeps none.
        column: of a table: which column.
        batch_size: inputs at a time.
        say: is told what is done.

    Raises:
        ValueError: there is nothing, or it cannot be read.
    """
    key = json.dumps([FORMAT, embedding.content_hash, layer, os.path.abspath(os.path.expanduser(path)), column])
    known = opened(file, key, say) if file is not None and file.is_file() else None
    files = embedding.reader.files(path, column)
    if files is None:
        found, changed = of_rows(embedding, path, layer, column, batch_size, known, say)
    else:
        found, changed = of_files(embedding, files, layer, batch_size, known, say)
    if changed and file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, found, key)
        except OSError as error:
            say(f"warning: the index is not kept, {file} cannot be written: {error.strerror}")
    return embedding.own(found.rows, found.names, layer)


def of_rows(
    embedding: Embedding, path: str, layer: str, column: str | None, size: int, known: Index | None, say: Say
) -> tuple[Index, bool]:
    """Of one file with many inputs (or of files that only the reader knows to read)."""
    place = Path(path).expanduser()
    whole = sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]
    content = hashlib.sha256("".join(file_hash(p) for p in whole if p.is_file()).encode()).hexdigest()
    if known is not None and known.hashes == [content] * len(known.names):
        return known, False
    say(f"encoding {path}")
    extract = embedding.extractor(layer)
    names: list[str] = []
    parts = []
    for part in embedding.reader.open(path, column, size).parts:
        names += described(embedding.reader, part)
        parts.append(extract(part.inputs))
    if not parts:
        raise ValueError(f"{path}: there is nothing to search among: it is empty")
    return Index(torch.cat(parts), names, [content] * len(names), [(0, 0, 0)] * len(names)), True


def described(reader: Reader, part: Part) -> list[str]:
    """What inputs are called by which people know them: texts by themselves, others as the reader calls them."""
    texts = reader.kind == "text" and all(isinstance(text, str) for text in part.inputs)
    return [" ".join(text.split()) for text in part.inputs] if texts else part.names


def of_files(
    embedding: Embedding, files: Sequence[Path], layer: str, size: int, known: Index | None, say: Say
) -> tuple[Index, bool]:
    """Of files with one input each; those that cannot be read are left out and named."""
    stamps = [stamp(file) for file in files]
    names = [str(file) for file in files]
    same = {name: row for row, name in enumerate(known.names)} if known else {}
    hashes = []
    for name, now in zip(names, stamps, strict=True):
        row = same.get(name)
        unchanged = known is not None and row is not None and known.stamps[row] == now
        hashes.append(known.hashes[row] if unchanged and known and row is not None else file_hash(Path(name)))
    if known and (known.names, known.hashes, known.stamps) == (names, hashes, stamps):
        return known, False
    rows = {content: known.rows[row] for row, content in enumerate(known.hashes)} if known else {}
    fresh = {content: name for name, content in zip(names, hashes, strict=True) if content not in rows}
    if fresh:
        say(f"encoding {len(fresh):,} of {len(files):,} files")
    lost: dict[str, str] = {}
    contents = {name: content for content, name in fresh.items()}
    for some, vectors in encoded(embedding, list(fresh.values()), layer, size, lost):
        rows |= {contents[name]: vector for name, vector in zip(some, vectors, strict=True)}
    if lost:
        name, why = next(iter(lost.items()))
        if not rows:
            raise ValueError(why)
        say(f"warning: left out, as they cannot be read: {len(lost):,} of the files, such as {name}")
    kept = [place for place, content in enumerate(hashes) if content in rows]
    if not kept:
        raise ValueError(next(iter(lost.values()), "there is nothing to search among"))
    found = [[column[place] for place in kept] for column in (names, hashes, stamps)]
    return Index(torch.stack([rows[hashes[place]] for place in kept]), *found), True  # type: ignore[arg-type]


def encoded(
    embedding: Embedding, names: Sequence[str], layer: str, size: int, lost: dict[str, str]
) -> Iterator[tuple[list[str], Tensor]]:
    """Names and vectors, a part at a time; where a part cannot be read, file by file, to find those that can."""
    extract = embedding.extractor(layer)
    for start in range(0, len(names), size):
        some = [Path(name) for name in names[start : start + size]]
        try:
            for part in embedding.reader.of_files(some, size):
                yield part.names, extract(part.inputs)
        except ValueError:
            for file in some:
                try:
                    part = next(iter(embedding.reader.of_files([file], 1)))
                except ValueError as error:
                    lost[str(file)] = str(error)
                    continue
                yield part.names, extract(part.inputs)


def stamp(file: Path) -> Stamp:
    """See `Stamp`."""
    status = file.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def opened(file: Path, key: str, say: Say) -> Index | None:
    """What an index holds; None where it is damaged, or of something else."""
    try:
        tensors, about = read_safetensors(file)
        if about.get(SEAL) != seal(tensors, about):
            raise ValueError("it is not what was written there")
        names = json.loads(bytes(tensors[NAMES].numpy()).decode())
        rows = tensors["vectors"]
        hashes = [bytes(row).hex() for row in tensors["hashes"].numpy()]
        stamps = [(int(a), int(b), int(c)) for a, b, c in tensors["stamps"].tolist()]
        if not len(rows) == len(names) == len(hashes) == len(stamps):
            raise ValueError("its parts do not fit together")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"warning: the index {file} is damaged ({first_line(error)}): it is made anew")
        return None
    return Index(rows, names, hashes, stamps) if about.get(KEY) == key else None


def write(file: Path, index: Index, key: str) -> None:
    """Writes an index, whole or not at all."""
    names = np.frombuffer(json.dumps(index.names).encode(), np.uint8)
    hashes = np.frombuffer(bytes.fromhex("".join(index.hashes)), np.uint8).reshape(-1, HASH)
    tensors = {
        "vectors": index.rows.contiguous(),
        NAMES: torch.from_numpy(names.copy()),
        "hashes": torch.from_numpy(hashes.copy()),
        "stamps": torch.tensor(index.stamps, dtype=torch.int64),
    }
    about = {KEY: key}
    about[SEAL] = seal(tensors, about)
    content = safetensors.torch.save(tensors, about)
    write_whole(file, lambda target: target.write(content))


def seal(tensors: dict[str, Tensor], about: dict[str, str]) -> str:
    """A hash of all that an index holds."""
    digest = hashlib.sha256(about.get(KEY, "").encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def place_for(run: str | Path, path: str, layer: str, column: str | None) -> Path:
    """Where the index of a path is kept: in the folder of the run, under a name of its own."""
    folder = Path(run).expanduser()
    folder = folder.parent if folder.name == "embeddings" else folder
    told = json.dumps([os.path.abspath(os.path.expanduser(path)), layer, column])
    return folder / "neighbors" / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.safetensors"
