"""Text files to integer tokens: find the files, cut them in blocks, tokenize blocks in worker processes.

Nothing here needs torch, so that a worker process starts quickly.
"""

from __future__ import annotations

import gzip
import inspect
import multiprocessing
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from importlib import import_module
from itertools import count
from pathlib import Path
from queue import Empty, Full
from typing import IO, Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 1 << 22
BREAK = 0  # the provisional id that ends a document
PATTERN = r"[a-z0-9]+(?:'[a-z]+)?"

Ids = NDArray[np.int32]


class Tokenizer(ABC):
    """Derive your own from this. A configuration can name such classes only, since it may be anybody's: a function
    that it names, `os:system` say, would be given the text."""

    @abstractmethod
    def __call__(self, text: str) -> Iterable[str]:
        """The tokens of a document."""


@dataclass(frozen=True)
class TextOptions:
    """How bytes become documents of tokens; part of the cache's key."""

    pattern: str = PATTERN
    lowercase: bool = True
    document: str = "line"  # or "file"
    tokenizer: str | None = None  # "package.module.Class", a `Tokenizer` instead of the pattern

    def as_inputs(self) -> dict[str, dict[str, object]]:
        """For an artifact's card: how new texts are cut into words."""
        return {"text": {"pattern": self.pattern, "lowercase": self.lowercase, "tokenizer": self.tokenizer}}


@dataclass(frozen=True)
class Block:
    """A run of whole lines (or, in a line longer than a block, of whole words)."""

    data: bytes
    starts_document: bool


def text_files(path: str | Path) -> list[Path]:
    """Return the files that a path, a folder (searched in depth) or a glob stands for, sorted.

    Raises:
        ValueError: nothing is there.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        found = sorted(p for p in place.rglob("*") if p.is_file() and not p.name.startswith("."))
    elif place.is_file():
        found = [place]
    else:
        found = sorted(Path(p) for p in glob(str(place), recursive=True) if Path(p).is_file())
    if not found:
        raise ValueError(f"no text file at {path}: set dataset.path=FILE, a folder or a quoted glob")
    return found


def read_blocks(file: Path, options: TextOptions, size: int = BLOCK_BYTES) -> Iterator[tuple[Block, int]]:
    """Yield a file's bytes in blocks of about `size`, cut after a newline or else a space, each with the
    position in the file (of the packed bytes, where it is gzip) up to which has been read.

    Raises:
        ValueError: the file cannot be read, or its gzip stream is damaged.
    """
    rest, starts = b"", True
    try:
        with file.open("rb") as packed, _unpacked(packed) as stream:
            while data := stream.read(size):
                data = rest + data
                cut = data.rfind(b"\n") + 1
                whole_lines = cut > 0
                if not cut and len(data) >= 4 * size:
                    cut = data.rfind(b" ") + 1
                if cut:
                    yield Block(data[:cut], starts), packed.tell()
                    starts = whole_lines and options.document == "line"
                rest = data[cut:]
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot read {file}: {error}") from error
    if rest:
        yield Block(rest, starts), file.stat().st_size


@contextmanager
def _unpacked(packed: BinaryIO) -> Iterator[IO[bytes]]:
    zipped = packed.read(2) == b"\x1f\x8b"
    packed.seek(0)
    if not zipped:
        yield packed
        return
    with gzip.GzipFile(fileobj=packed) as stream:
        yield cast("IO[bytes]", stream)


def load_tokenizer(name: str) -> Tokenizer:
    """Import a tokenizer, `package.module.Class`.

    Raises:
        ValueError: it cannot be imported or made, or is no `Tokenizer`.
    """
    module, _, attribute = name.rpartition(".")
    advice = "write package.module.Class, derived from embloom.data.tokenize.Tokenizer"
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"dataset.tokenizer={name}: {error}; {advice}") from error
    if not (isinstance(found, type) and issubclass(found, Tokenizer)):
        raise ValueError(f"dataset.tokenizer={name} is no tokenizer: {advice}")
    try:
        return found()
    except TypeError as error:
        raise ValueError(f"dataset.tokenizer={name}: {error}") from error


def tokenizer_identity(name: str | None) -> str:
    """Name a tokenizer together with its source, so that an edited one gets its own cache."""
    if name is None:
        return ""
    try:
        return name + inspect.getsource(type(load_tokenizer(name)))
    except (OSError, TypeError):
        return name


def compile_pattern(pattern: str, by_line: bool) -> re.Pattern[str]:
    """Compile what finds the tokens, and the line ends when they end documents.

    Raises:
        ValueError: it is no regular expression, or it has a capturing group.
    """
    try:
        compiled = re.compile(f"(?:{pattern})|\n" if by_line else pattern)
    except re.error as error:
        raise ValueError(f"dataset.pattern={pattern} is not a regular expression: {error}") from None
    if compiled.groups:
        raise ValueError(f"dataset.pattern={pattern}: write its groups as (?:...)")
    return compiled


class Interner(dict[str, int]):
    """Word -> provisional id from 1 up, in order of first sight; id 0 ends a document."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(1)

    def __missing__(self, word: str) -> int:
        new = self[word] = next(self._ids)
        return new


class BlockTokenizer:
    """Turns blocks into provisional ids, growing one interner, and counts the undecodable bytes."""

    def __init__(self, options: TextOptions) -> None:
        self.options = options
        self.words = Interner()
        self.bad_bytes = 0
        self._custom = load_tokenizer(options.tokenizer) if options.tokenizer else None
        self._find = compile_pattern(options.pattern, options.document == "line").findall
        self.words["\n"] = BREAK

    def __call__(self, block: Block) -> Ids:
        """Return the provisional ids of a block, `BREAK` after each line and before a new document."""
        text = self._decode(block.data)
        words = self._split(text) if self._custom else self._find(text)
        ids = np.fromiter(map(self.words.__getitem__, words), np.int32, len(words))
        return np.concatenate([np.array([BREAK], np.int32), ids]) if block.starts_document else ids

    def _split(self, text: str) -> list[str]:
        assert self._custom is not None
        parts = text.split("\n") if self.options.document == "line" else [text]
        words: list[str] = []
        for number, part in enumerate(parts):
            if number:
                words.append("\n")
            words.extend(self._custom(part))
        return words

    def _decode(self, data: bytes) -> str:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode(errors="replace")
            self.bad_bytes += text.count("\ufffd") - data.count("\ufffd".encode())
        return text.lower() if self.options.lowercase else text


@dataclass(frozen=True)
class Parts:
    """What tokenizing left in a folder: each part's owner, each owner's words, the bad bytes."""

    owners: list[int]
    words: list[list[str]]
    bad_bytes: int


UNGUARDED = (
    'a tokenizer process ended at once: in a script, put what reads the corpus under `if __name__ == "__main__":`, '
    "or use dataset.workers=1"
)


def refuse_unguarded() -> None:
    """Ends a worker that only began: it imports the script that started it, which without a guard would begin all
    once more, and wait for the lock that its parent holds."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise SystemExit(1)


def tokenize_here(blocks: Iterable[Block], folder: Path, options: TextOptions) -> Parts:
    """Tokenize in this process; see `tokenize_parallel`."""
    tokenizer = BlockTokenizer(options)
    owners = []
    for number, block in enumerate(blocks):
        tokenizer(block).tofile(folder / f"{number}.part")
        owners.append(0)
    return Parts(owners, [list(tokenizer.words)], tokenizer.bad_bytes)


def tokenize_parallel(blocks: Iterable[Block], folder: Path, options: TextOptions, workers: int) -> Parts:
    """Tokenize blocks with worker processes, block n into `folder/n.part` (int32).

    At most two blocks a worker are in flight, so memory does not grow with the corpus.

    Raises:
        ValueError: what a worker could not do, in its own words.
    """
    context = multiprocessing.get_context("spawn")
    todo: Any = context.Queue(3 * workers)
    done: Any = context.Queue()
    processes = [context.Process(target=_work, args=(n, todo, done, folder, options)) for n in range(workers)]
    try:
        for process in processes:
            process.start()
        total = 0
        for number, block in enumerate(blocks):
            if not _put(todo, (number, block), processes):
                break
            total += 1
        for _ in processes:
            todo.put(None)
        return _collect(done, processes, total)
    finally:
        todo.cancel_join_thread()  # what nobody will read need not be written
        for process in processes:
            process.terminate()
            process.join()


def _put(todo: Any, item: object, processes: list[Any]) -> bool:
    """Queue an item; False when a worker has ended, which `_collect` explains."""
    while all(process.is_alive() for process in processes):
        try:
            todo.put(item, timeout=0.2)
            return True
        except Full:
            continue
    return False


def _collect(done: Any, processes: list[Any], total: int) -> Parts:
    owners = [0] * total
    words: list[list[str]] = [[] for _ in processes]
    bad = 0
    for _ in processes:
        worker, numbers, words_of_worker, bad_bytes, error = _next_report(done, processes)
        if error:
            raise ValueError(error)
        for number in numbers:
            owners[number] = worker
        words[worker] = words_of_worker
        bad += bad_bytes
    return Parts(owners, words, bad)


def _next_report(done: Any, processes: list[Any]) -> tuple[int, list[int], list[str], int, str]:
    while True:
        try:
            return done.get(timeout=0.5)
        except Empty:
            codes = [process.exitcode or 0 for process in processes]
            if min(codes) < 0:
                raise ValueError("a tokenizer process was killed; is there memory enough?") from None
            if any(codes):
                raise ValueError(UNGUARDED) from None


def _work(worker: int, todo: Any, done: Any, folder: Path, options: TextOptions) -> None:
    numbers: list[int] = []
    try:
        tokenizer = BlockTokenizer(options)
        while (item := todo.get()) is not None:
            number, block = item
            tokenizer(block).tofile(folder / f"{number}.part")
            numbers.append(number)
        done.put((worker, numbers, list(tokenizer.words), tokenizer.bad_bytes, ""))
    except Exception as error:  # the parent reports it
        done.put((worker, numbers, [], 0, f"tokenizing failed: {type(error).__name__}: {error}"))
