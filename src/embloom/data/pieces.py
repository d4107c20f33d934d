"""A text corpus as numbers of pieces of words, built once and cached as a corpus of words is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.base import in_parts
from embloom.artifact.readers.pieces import PieceReader, trained
from embloom.artifact.readers.tokenizer import TextOptions
from embloom.data.cache import HASH, cached
from embloom.data.corpus import Corpus, bincount
from embloom.data.tokenize import read_blocks
from embloom.files.finding import files_at
from embloom.files.seal import file_hash

FORMAT = 1
FILES = ("about.json", "vocabulary.json", "merges.json", "offsets.npy", "counts.npy", "tokens.npy")
TEXTS = 4096  # cut into pieces at a time
LEARNED = 1 << 25  # characters that the pieces are found from; more change few of them
Progress = Callable[[int, int], None]


def open_pieces(
    path: str | None, given: Iterable[Sequence[str]], size: int, options: TextOptions, cache: Path, progress: Progress
) -> tuple[Corpus, PieceReader]:
    """Opens a corpus of pieces from the cache, or builds it there.

    Args:
        path: a text file (gzip or plain), a folder or a glob; None is what is given.
        given: token lists, one a document.
        size: pieces in the vocabulary, at most.
        options: what is a document, and whether case is folded.
        cache: folder of all entries.
        progress: called with bytes done and bytes in all.

    Returns:
        The corpus, and what reads further texts the same way.

    Raises:
        ValueError: nothing is there, it cannot be read, or holds no text.
    """
    digest = hashlib.blake2b(json.dumps([FORMAT, size, options.lowercase, options.document]).encode())
    files: list[Path] = []
    if path is None:
        lines = [" ".join(words) for words in given]
        digest.update("\n".join(lines).encode(errors="surrogatepass"))
    else:
        files = files_at(path, "text file", where="dataset.path")
        for file in files:
            digest.update(bytes.fromhex(file_hash(file, HASH)))

    def texts(show: bool = False) -> Iterator[str]:
        return iter(lines) if path is None else documents_in(files, options, progress if show else None)

    key = f"pieces-{digest.hexdigest()[:32]}"
    about = {"path": path, "files": len(files)}
    entry = cached(cache, key, FILES, lambda folder: build(folder, texts, size, options.lowercase, about))
    named: Any = {name: json.loads((entry / f"{name}.json").read_text(encoding="utf-8")) for name in
                  ("about", "vocabulary", "merges")}  # fmt: skip
    reader = PieceReader(named["merges"], options.lowercase, named["vocabulary"])
    offsets, counts = np.load(entry / "offsets.npy"), np.load(entry / "counts.npy")
    tokens = np.load(entry / "tokens.npy", mmap_mode="r")
    return Corpus(tokens, offsets, named["vocabulary"], counts, named["about"], entry.name), reader


def documents_in(files: Sequence[Path], options: TextOptions, progress: Progress | None) -> Iterator[str]:
    """The documents of files, one a line or one a file."""
    done, total = 0, sum(file.stat().st_size for file in files)
    for file in files:
        parts: list[str] = []
        for block, position in read_blocks(file, options):
            text = block.data.decode(errors="replace")
            if options.document == "line":
                yield from text.splitlines()
            else:
                parts.append(text)
            if progress:
                progress(done + position, total)
        if parts:
            yield "".join(parts)
        done += file.stat().st_size


def build(
    folder: Path, texts: Callable[[bool], Iterator[str]], size: int, lowercase: bool, about: dict[str, Any]
) -> None:
    """Finds the pieces and writes an entry of the cache.

    Raises:
        ValueError: there is no text.
    """
    pieces, merges = trained(up_to(texts(False), LEARNED), size, lowercase)
    reader = PieceReader(merges, lowercase, pieces)
    lengths: list[NDArray[np.int64]] = []
    with (folder / "raw").open("wb") as file:
        for some in in_parts(texts(True), TEXTS):
            ids, found = reader.of_some(some)
            ids.tofile(file)
            lengths.append(found)
    every = np.concatenate(lengths) if lengths else np.zeros(0, np.int64)
    every = every[every > 0]
    if not len(every):
        raise ValueError("the corpus holds no text: is it text?")
    np.save(folder / "tokens.npy", np.fromfile(folder / "raw", np.int32))
    (folder / "raw").unlink()
    tokens = np.load(folder / "tokens.npy", mmap_mode="r")
    np.save(folder / "offsets.npy", np.concatenate([[0], every.cumsum()]).astype(np.int64))
    np.save(folder / "counts.npy", bincount(tokens, len(pieces)))
    about = {**about, "tokens": len(tokens), "documents": len(every), "vocabulary": len(pieces), "bad_bytes": 0}
    for name, value in {"about": about, "vocabulary": pieces, "merges": merges}.items():
        (folder / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def up_to(texts: Iterator[str], most: int) -> Iterator[str]:
    """The first texts, of so many characters together."""
    for text in chain(texts):
        yield text
        most -= len(text)
        if most <= 0:
            return
