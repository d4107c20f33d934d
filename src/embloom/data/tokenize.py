"""Text files to integer tokens: find the files, cut them in blocks, tokenize blocks in worker processes.

Nothing here needs torch, so that a worker process starts quickly.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from embloom.artifact.readers.tokenizer import Block, BlockTokenizer, TextOptions
from embloom.assembly import own
from embloom.data.processes import Worker, shared_out
from embloom.files.finding import checked

BLOCK_BYTES = 1 << 22


def read_blocks(file: Path, options: TextOptions, size: int = BLOCK_BYTES) -> Iterator[tuple[Block, int]]:
    """Yield a file's bytes in blocks of about `size`, cut after a newline or else a space, each with the
    position in the file (of the packed bytes, where it is gzip) up to which has been read.

    Raises:
        ValueError: the file cannot be read, or its gzip stream is damaged.
    """
    rest, starts = b"", True
    try:
        with file.open("rb") as packed, checked(packed, file) as stream:
            while data := stream.read(size):
                data = rest + data
                cut = data.rfind(b"\n") + 1
                whole_lines = cut > 0
                if not cut and len(data) >= 4 * size:
                    # Without a space either it is no text, and must not fill the memory.
                    cut = data.rfind(b" ") + 1 or len(data)
                if cut:
                    yield Block(data[:cut], starts), packed.tell()
                    starts = whole_lines and options.document == "line"
                rest = data[cut:]
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot read {file}: {error}") from error
    if rest:
        yield Block(rest, starts), file.stat().st_size


@dataclass(frozen=True)
class Parts:
    """What tokenizing left in a folder: each part's owner, each owner's words, the bad bytes."""

    owners: list[int]
    words: list[list[str]]
    bad_bytes: int


class TokenizeWorker(Worker):
    """Tokenizes blocks, block n into `folder/n.part` (int32).

    Args:
        folder: for the parts.
        options: how bytes become tokens.
        trusted: folders of the user's code in use in the process that starts this one, which has imported the
            tokenizer already, so it may be; None where it is this process.
    """

    def __init__(self, folder: Path, options: TextOptions, trusted: list[str] | None = None) -> None:
        self.folder = folder
        with nullcontext() if trusted is None else own.parts(trusted, anything=True):
            self.tokenizer = BlockTokenizer(options)

    def work(self, number: int, item: Block) -> None:
        """See `Worker`."""
        self.tokenizer(item).tofile(self.folder / f"{number}.part")

    def result(self) -> tuple[list[str], int]:
        """The words, and how many bytes were bad."""
        return list(self.tokenizer.words), self.tokenizer.bad_bytes


def tokenize(blocks: Iterable[Block], folder: Path, options: TextOptions, workers: int) -> Parts:
    """Tokenizes blocks into part files; memory does not grow with the corpus.

    Args:
        blocks: of the text.
        folder: for the parts.
        options: how bytes become tokens.
        workers: how many processes; with 1 it is this one.

    Raises:
        ValueError: what a worker could not do, in its own words.
    """
    trusted = own.folders_in_use() if workers > 1 else None
    make = partial(TokenizeWorker, folder, options, trusted)
    owners, results = shared_out(blocks, make, workers, "tokenizer", "use dataset.workers=1")
    return Parts(owners, [words for words, _ in results], sum(bad for _, bad in results))
