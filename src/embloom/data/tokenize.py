"""Text files to integer tokens: find the files, cut them in blocks, tokenize blocks in worker processes.

Nothing here needs torch, so that a worker process starts quickly.
"""

from __future__ import annotations

import multiprocessing
import signal
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full
from typing import Any

from embloom.artifact.readers.tokenizer import Block, BlockTokenizer, TextOptions
from embloom.assembly import own
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
    own_folders = own.folders_in_use()
    processes = [
        context.Process(target=_work, args=(n, todo, done, folder, options, own_folders)) for n in range(workers)
    ]
    try:
        # Ctrl-C reaches them too, and they would say so at length; blocked here, it is blocked in them for good.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            for process in processes:
                process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
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


def _work(worker: int, todo: Any, done: Any, folder: Path, options: TextOptions, folders: list[str]) -> None:
    numbers: list[int] = []
    try:
        # The process that started this one has imported the tokenizer already, so it may be.
        with own.parts(folders, anything=True):
            tokenizer = BlockTokenizer(options)
        while (item := todo.get()) is not None:
            number, block = item
            tokenizer(block).tofile(folder / f"{number}.part")
            numbers.append(number)
        done.put((worker, numbers, list(tokenizer.words), tokenizer.bad_bytes, ""))
    except Exception as error:  # the parent reports it
        said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        done.put((worker, numbers, [], 0, f"tokenizing failed: {said}"))
