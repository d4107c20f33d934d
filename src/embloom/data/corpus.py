"""A text corpus as a vocabulary and a memory-mapped token file, built once and cached.

A cache entry is a folder named after the hash of the corpus's content and of every option that shaped it:
`tokens.npy` (int32), `offsets.npy` (int64, where each document begins, and the end), `counts.npy` (int64),
`vocabulary.json`, `about.json`, and `seal.json`, the hashes of the others, which are checked at each opening.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.tokenizer import BREAK, Block, Interner, TextOptions, tokenizer_identity
from embloom.data.cache import HASH, cached
from embloom.data.phrases import join_phrases
from embloom.data.processes import refuse_unguarded
from embloom.data.tokenize import Parts, read_blocks, tokenize
from embloom.files.finding import files_at
from embloom.files.seal import file_hash

FORMAT = 2
FILES = ("about.json", "vocabulary.json", "offsets.npy", "counts.npy", "tokens.npy")
SMALL = 8 << 20  # below this many bytes, starting processes costs more than it saves
Progress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class CorpusOptions:
    """What shapes the vocabulary, beside how text is tokenized.

    Attributes:
        min_count: rarer words are left out.
        max_vocab: keep at most so many words, the most frequent ones; None keeps all.
        phrases: how many passes join frequent pairs of words into one (`new_york`).
        phrase_threshold: the score that a pair must exceed (Mikolov et al. 2013, equation 6).
        text: how bytes become tokens.
    """

    min_count: int = 5
    max_vocab: int | None = None
    phrases: int = 0
    phrase_threshold: float = 10.0
    text: TextOptions = field(default_factory=TextOptions)


@dataclass(frozen=True)
class Corpus:
    """A built corpus.

    Attributes:
        tokens: token ids of all documents, one after the other; memory-mapped.
        offsets: where each document begins in `tokens`, and the end: documents + 1 numbers.
        words: the vocabulary, most frequent first.
        counts: how often each word occurs in `tokens`.
        about: raw tokens, distinct words, bad bytes, files.
        key: its name in the cache, a hash of its content and of every option that shaped it.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    words: list[str]
    counts: NDArray[np.int64]
    about: dict[str, Any]
    key: str = ""


def open_corpus(
    path: str | Path, options: CorpusOptions, cache: Path, workers: int = 2, progress: Progress | None = None
) -> Corpus:
    """Open the corpus at `path` from the cache, or build it there.

    Args:
        path: a text file (gzip or plain), a folder or a glob.
        options: what shapes it; a change of any, or of a byte of the text, is another cache entry.
        cache: folder of all entries. Processes that want the same entry at once build it once.
        workers: processes that tokenize.
        progress: called with bytes done and bytes in all.

    Raises:
        ValueError: nothing is there, it cannot be read, or no word occurs `min_count` times.
    """
    refuse_unguarded()
    files = files_at(path, "text file", where="dataset.path")
    key = _key(files, options)
    total = sum(file.stat().st_size for file in files)

    def tokenized(folder: Path) -> Parts:
        blocks = _blocks(files, options.text, progress, total)
        return tokenize(blocks, folder, options.text, 1 if total < SMALL else workers)

    about = {"path": str(path), "files": len(files), "bytes": total}
    return _open(cached(cache, key, FILES, lambda folder: _build(folder, tokenized(folder), options, about)))


def corpus_of(documents: Iterable[Sequence[str]], options: CorpusOptions, cache: Path) -> Corpus:
    """Build a corpus from token lists, one a document; the cache entry is named after them, too.

    Raises:
        ValueError: there is no token, or no word occurs `min_count` times.
    """
    words = Interner()
    words["\n"] = BREAK
    digest = hashlib.blake2b(_options_text(options).encode())
    parts: list[NDArray[np.int32]] = []
    for document in documents:
        if isinstance(document, str):
            raise ValueError("a document is a list of tokens, not a string: pass text.split()")
        ids = [BREAK, *(words[word] for word in document)]
        parts.append(np.array(ids, np.int32))
        digest.update("\0".join(document).encode(errors="surrogatepass") + b"\1")

    def build(folder: Path) -> None:
        (np.concatenate(parts) if parts else np.zeros(0, np.int32)).tofile(folder / "0.part")
        _build(folder, Parts([0], [list(words)], 0), options, {"path": None, "files": 0})

    return _open(cached(cache, digest.hexdigest()[:32], FILES, build))


def _options_text(options: CorpusOptions) -> str:
    described = {"format": FORMAT, **asdict(options), "source": tokenizer_identity(options.text.tokenizer)}
    return json.dumps(described, sort_keys=True)


def _key(files: list[Path], options: CorpusOptions) -> str:
    digest = hashlib.blake2b(_options_text(options).encode())
    for file in files:
        try:
            digest.update(bytes.fromhex(file_hash(file, HASH)))
        except OSError as error:
            raise ValueError(f"cannot read {file}: {error}") from error
    return digest.hexdigest()[:32]


def _blocks(files: list[Path], options: TextOptions, progress: Progress | None, total: int) -> Iterator[Block]:
    done = 0
    for file in files:
        for block, position in read_blocks(file, options):
            yield block
            if progress:
                progress(done + position, total)
        done += file.stat().st_size


def _open(entry: Path) -> Corpus:
    about = json.loads((entry / "about.json").read_text(encoding="utf-8"))
    words = json.loads((entry / "vocabulary.json").read_text(encoding="utf-8"))
    offsets, counts = np.load(entry / "offsets.npy"), np.load(entry / "counts.npy")
    tokens = np.load(entry / "tokens.npy", mmap_mode="r")
    return Corpus(tokens, offsets, words, counts, about, entry.name)


def _build(folder: Path, parts: Parts, options: CorpusOptions, about: dict[str, Any]) -> None:
    words, counts = _count(folder, parts)
    raw, distinct = int(counts.sum()), len(words)
    kept = _vocabulary(words, counts, options)
    rank = {word: number for number, word in enumerate(kept)}
    maps = [np.array([rank.get(word, -1) for word in local], np.int32) for local in parts.words]
    total = int(sum(counts[words[word]] for word in kept)) if kept else 0
    offsets = _write_tokens(folder, parts, maps, total)
    vocabulary = list(kept)
    for _ in range(options.phrases):
        vocabulary, offsets = join_phrases(
            folder / "tokens.npy", offsets, vocabulary, options.min_count, options.phrase_threshold
        )
    tokens = np.load(folder / "tokens.npy", mmap_mode="r")
    np.save(folder / "counts.npy", bincount(tokens, len(vocabulary)))
    np.save(folder / "offsets.npy", offsets)
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    about = {
        **about,
        "raw_tokens": raw,
        "tokens": len(tokens),
        "documents": len(offsets) - 1,
        "distinct_words": distinct,
        "vocabulary": len(vocabulary),
        "bad_bytes": parts.bad_bytes,
    }
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")


def bincount(tokens: NDArray[Any], size: int, chunk: int = 1 << 22) -> NDArray[np.int64]:
    """Count each token number, chunk by chunk, so that memory does not grow with a memory-mapped array."""
    counts = np.zeros(size, np.int64)
    for start in range(0, len(tokens), chunk):
        counts += np.bincount(tokens[start : start + chunk], minlength=size)
    return counts


def _count(folder: Path, parts: Parts) -> tuple[dict[str, int], NDArray[np.int64]]:
    """Return all distinct words with a number each, and how often they occur."""
    local = [np.zeros(len(words), np.int64) for words in parts.words]
    for number, owner in enumerate(parts.owners):
        ids = np.fromfile(folder / f"{number}.part", np.int32)
        local[owner] += np.bincount(ids, minlength=len(local[owner]))
    numbers = Interner()
    numbers["\n"] = BREAK
    maps = [np.array([numbers[word] for word in words], np.int64) for words in parts.words]
    counts = np.zeros(len(numbers), np.int64)
    for place, found in zip(maps, local, strict=True):
        counts[place] += found
    counts[BREAK] = 0
    del numbers["\n"]
    return numbers, counts


def _vocabulary(words: dict[str, int], counts: NDArray[np.int64], options: CorpusOptions) -> list[str]:
    """Choose the words to keep, most frequent first, alphabetically among equals."""
    if not counts.any():
        raise ValueError("the corpus holds no word: is it text, and do dataset.pattern and dataset.tokenizer fit it?")
    kept = sorted(
        ((word, int(counts[number])) for word, number in words.items() if counts[number] >= options.min_count),
        key=lambda item: (-item[1], item[0]),
    )
    if not kept:
        word = max(words, key=lambda word: counts[words[word]])
        most = int(counts[words[word]])
        raise ValueError(
            f"no word occurs dataset.min_count={options.min_count} times; the most frequent, '{word}', occurs "
            f"{most} times: use dataset.min_count={most} or less, or more text"
        )
    return [word for word, _ in kept[: options.max_vocab]]


def _write_tokens(folder: Path, parts: Parts, maps: list[NDArray[np.int32]], total: int) -> NDArray[np.int64]:
    """Write `tokens.npy` from the parts, deleting them, and return where the documents begin, and the end."""
    tokens = np.lib.format.open_memmap(folder / "tokens.npy", mode="w+", dtype=np.int32, shape=(total,))
    begins: list[NDArray[np.int64]] = []
    position = 0
    for number, owner in enumerate(parts.owners):
        part = folder / f"{number}.part"
        ids = np.fromfile(part, np.int32)
        word = maps[owner][ids]
        keep = word >= 0
        before: NDArray[np.int64] = np.cumsum(keep) - keep
        begins.append(position + before[ids == BREAK].astype(np.int64))
        found = word[keep]
        tokens[position : position + len(found)] = found
        position += len(found)
        part.unlink()
    assert position == total
    tokens.flush()
    # Documents of which nothing was kept begin where the next one does.
    return np.unique(np.concatenate([*begins, np.array([0, total], np.int64)]))
