"""Files of word vectors that other programs read and write: word2vec's text and binary formats, and GloVe's."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, BinaryIO

import numpy as np
import torch
from torch import Tensor

from embloom.files.atomic import write_whole
from embloom.files.finding import unpacked
from embloom.files.vector_text import Rows, beginning, is_number, read_lines

READ = 1 << 24
LONGEST_WORD = 1 << 12  # bytes
MOST_SPACES = 16  # in a word
MOST_PACKED = 50  # times its size that a packed file may hold


def read_vectors(path: str | Path, notes: list[str] | None = None) -> tuple[list[str], Tensor]:
    """Reads word2vec text or binary, GloVe or fastText `.vec`, packed with gzip or not, whichever it is.

    Of a word that occurs twice the first row stays; those files are sorted by frequency.

    Args:
        path: the file.
        notes: is told of words that occur twice.

    Returns:
        The words, and their vectors (N, D), float32.

    Raises:
        ValueError: the file cannot be read, is none of these, is cut short or holds a number that is not finite.
    """
    path = Path(path).expanduser()
    try:
        with path.open("rb") as packed, unpacked(packed) as stream:
            words, vectors = _read(stream, path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if not len(words):
        raise ValueError(f"{path} holds no vector")
    found = _first_of_each(words, vectors)
    if notes is not None and len(found[0]) < len(words):
        seen: set[str] = set()
        twice = next(word for word in words if word in seen or seen.add(word))  # type: ignore[func-returns-value]
        notes.append(
            f"{path}: {len(words) - len(found[0]):,} of its {len(words):,} lines are of words that were there before, "
            f"such as '{twice}'; the first vector of each counts"
        )
    return found


def write_word2vec(path: str | Path, words: Sequence[str], vectors: Tensor, binary: bool) -> None:
    """Writes word2vec's format, packed with gzip where the name ends in `.gz`; whole or not at all.

    Args:
        path: the file.
        words: N words, most frequent first.
        vectors: (N, D); written as float32, in text with the nine digits that bring back the same bits.
        binary: the binary format; else text.

    Raises:
        ValueError: a word is empty or holds white space, which these formats cannot hold.
    """
    if len(words) != len(vectors) or vectors.ndim != 2:
        raise ValueError(f"{len(words)} words do not fit vectors of shape {tuple(vectors.shape)}")
    for word in words:
        if len(word.split()) != 1 or word.strip() != word:
            raise ValueError(f"the word {word!r} is empty or holds white space, which word2vec's format cannot hold")
    rows = vectors.detach().cpu().float().numpy()
    path = Path(path).expanduser()

    def write(file: IO[bytes]) -> None:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0) as packed:
                packed.writelines(_lines(words, rows, binary))
        else:
            file.writelines(_lines(words, rows, binary))

    write_whole(path, write)


def _lines(words: Sequence[str], rows: Rows, binary: bool) -> Iterator[bytes]:
    yield f"{rows.shape[0]} {rows.shape[1]}\n".encode()
    form = " ".join(["%.9g"] * rows.shape[1])
    for word, row in zip(words, rows, strict=True):
        numbers = row.astype("<f4").tobytes() if binary else (form % tuple(row.tolist())).encode()
        yield word.encode() + b" " + numbers + b"\n"


def _read(stream: BinaryIO, path: Path) -> tuple[list[str], Rows]:
    first = stream.readline(READ).removeprefix(codecs.BOM_UTF8)
    fields = first.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        # A word may hold spaces, or be a number itself.
        numbers = next((i for i, field in enumerate(reversed(fields)) if not is_number(field)), len(fields))
        dim = min(numbers, len(fields) - 1)
        if dim < 1 or b"\0" in first:
            raise ValueError(
                f"{path}, line 1 ('{beginning(first.rstrip())}'): it holds no vectors: a line is a word and its "
                "numbers, as word2vec, GloVe and fastText write"
            )
        return read_lines(stream, path, dim, first, 1)
    count, dim = int(fields[0]), int(fields[1])
    if dim < 1 or count < 1:
        raise ValueError(f"{path} announces {count} vectors of {dim} numbers")
    # A number takes at least two bytes as text; packed files are bounded where they are unpacked.
    if count * (2 * dim + 1) > max(path.stat().st_size * MOST_PACKED, 1):
        raise ValueError(f"{path} announces {count:,} vectors of {dim:,} numbers, more than fit into it: it is damaged")
    # A binary row has no reason to be a line of text: its word and exactly `dim` numbers.
    sample = stream.read(min(READ, 64 * dim + 4096))
    if _is_text(sample, dim):
        words, vectors = read_lines(stream, path, dim, sample, 2)
        if len(words) != count:
            raise ValueError(f"{path} announces {count} vectors and holds {len(words)}: it is damaged or cut short")
        return words, vectors
    return _read_binary(stream, path, count, dim, sample)


def _is_text(sample: bytes, dim: int) -> bool:
    line, newline, _ = sample.partition(b"\n")
    # A sample of a long line ends within a number.
    fields = line.rstrip().rsplit(b" ", dim)[1:] if newline else line.split()[1:-1]
    return b"\0" not in line and len(fields) > 0 and all(map(is_number, fields))


def _read_binary(stream: BinaryIO, path: Path, count: int, dim: int, data: bytes) -> tuple[list[str], Rows]:
    """Records of a word, a space and `dim` little-endian floats, perhaps with a newline between them."""
    words: list[str] = []
    vectors = np.zeros((count, dim), np.float32)  # the system gives memory only to what is written
    size, place, ended = 4 * dim, 0, False
    while len(words) < count:
        if len(data) - place < size + 2 * LONGEST_WORD and not ended:
            more = stream.read(READ)
            data, place, ended = data[place:] + more, 0, not more
            continue
        space = _end_of_word(data, place, size, last=len(words) == count - 1)
        if space is None:
            raise ValueError(
                f"{path} announces {count} vectors and holds {len(words)} of {dim} numbers that can be read: it is "
                "damaged, cut short, or no word2vec file"
            )
        vectors[len(words)] = np.frombuffer(data, "<f4", dim, space + 1)
        words.append(data[place:space].lstrip(b"\n").decode(errors="replace"))
        place = space + 1 + size
    if not np.isfinite(vectors).all():
        bad = int((~np.isfinite(vectors).all(1)).argmax())
        raise ValueError(f"{path}, vector {bad + 1}: the vector of '{words[bad]}' is not finite")
    return words, vectors


def _end_of_word(data: bytes, place: int, size: int, last: bool) -> int | None:
    """Where the space behind a word is; None where there is no such word.

    A word may hold spaces itself: then what follows the numbers behind its first one is no word, but numbers.
    """
    space = place
    for _ in range(MOST_SPACES):
        space = data.find(b" ", space + 1, place + LONGEST_WORD)
        end = space + 1 + size
        if space < 0 or end > len(data):
            return None
        following = data[end : end + LONGEST_WORD].lstrip(b"\n")
        word, found, _ = following.partition(b" ")
        if (last and not following) or (not last and found and word and min(word) >= 0x20):
            return space
    return None


def _first_of_each(words: list[str], vectors: Rows) -> tuple[list[str], Tensor]:
    first: dict[str, int] = {}
    for number, word in enumerate(words):
        first.setdefault(word, number)
    if len(first) < len(words):
        vectors = vectors[list(first.values())]
    return list(first), torch.from_numpy(vectors)
