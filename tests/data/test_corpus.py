"""The corpus cache: right, never stale, whole or absent, and clear about what is wrong with a text."""

from __future__ import annotations

import gzip
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from embloom.artifact.readers.tokenizer import TextOptions, Tokenizer
from embloom.assembly import own
from embloom.data.corpus import Corpus, CorpusOptions, corpus_of, open_corpus

ALL = CorpusOptions(min_count=1)


def documents(corpus: Corpus) -> list[list[str]]:
    bounds = corpus.offsets.tolist()
    return [[corpus.words[i] for i in corpus.tokens[a:b]] for a, b in itertools.pairwise(bounds)]


class Shouting(Tokenizer):
    def __call__(self, text: str) -> list[str]:
        return text.upper().split()


TEXT = "The cat's tail, the CAT!\n\nno dog\nthe end"
LINES = [["the", "cat's", "tail", "the", "cat"], ["no", "dog"], ["the", "end"]]


def test_lines_become_documents(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    corpus = open_corpus(tmp_path / "a.txt", ALL, tmp_path / "cache")
    assert documents(corpus) == LINES
    assert corpus.words[0] == "the"
    assert corpus.counts.tolist() == [Counter(sum(LINES, []))[word] for word in corpus.words]
    assert documents(corpus_of(LINES, ALL, tmp_path / "cache")) == LINES


def test_folder_glob_gzip_and_whole_files(tmp_path: Path) -> None:
    (tmp_path / "texts" / "deep").mkdir(parents=True)
    (tmp_path / "texts" / "a.txt").write_text(TEXT)
    (tmp_path / "texts" / "deep" / "b.txt.gz").write_bytes(gzip.compress(b"one more\n"))
    for place in ("texts", "texts/**/*"):
        assert documents(open_corpus(tmp_path / place, ALL, tmp_path / "cache")) == [*LINES, ["one", "more"]]
    whole = CorpusOptions(min_count=1, text=TextOptions(document="file"))
    assert documents(open_corpus(tmp_path / "texts", whole, tmp_path / "cache")) == [sum(LINES, []), ["one", "more"]]


def test_counts_vocabulary_and_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a a a b b c\n")
    path, cache = tmp_path / "a.txt", tmp_path / "cache"
    assert open_corpus(path, CorpusOptions(min_count=2), cache).words == ["a", "b"]
    assert open_corpus(path, CorpusOptions(min_count=1, max_vocab=1), cache).words == ["a"]
    shouted = CorpusOptions(min_count=1, text=TextOptions(tokenizer="test_corpus.Shouting"))
    with pytest.raises(ValueError, match="test_corpus is neither embloom's nor named by you"):
        open_corpus(path, shouted, cache)
    with own.parts([Path(__file__).parent]):
        assert open_corpus(path, shouted, cache).words == ["A", "B", "C"]


def test_processes_change_nothing(tmp_path: Path) -> None:
    line = " ".join(f"w{i % 97}" for i in range(4000)) + "\n"
    with gzip.open(tmp_path / "big.gz", "wt", compresslevel=0) as file:
        file.writelines(line for _ in range(600))
    one, two = (open_corpus(tmp_path / "big.gz", ALL, tmp_path / f"cache{n}", workers=n) for n in (1, 2))
    assert one.words == two.words
    assert np.array_equal(one.tokens, two.tokens)
    assert np.array_equal(one.offsets, two.offsets)
    assert len(one.tokens) == 600 * 4000


def test_a_script_without_a_guard_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text(("word " * 1000 + "\n") * 2000)
    script = tmp_path / "script.py"
    reading = f"""
from embloom.data.corpus import CorpusOptions, open_corpus
from pathlib import Path
corpus = open_corpus({str(tmp_path / "big.txt")!r}, CorpusOptions(), Path({str(tmp_path / "cache")!r}), workers=2)
print(len(corpus.tokens))
"""
    script.write_text(reading)
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "ValueError: a tokenizer process ended at once: in a script, put" in ended.stderr
    script.write_text("if __name__ == '__main__':\n" + textwrap.indent(reading, "    "))
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert ended.stdout == "2000000\n"


def test_cache_is_used_and_never_stale(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.txt", tmp_path / "cache"
    path.write_text("a b\n")
    first = open_corpus(path, ALL, cache)
    entries = {p.name: p.stat().st_mtime_ns for p in cache.iterdir() if p.is_dir()}
    assert open_corpus(path, ALL, cache).words == first.words
    assert {p.name: p.stat().st_mtime_ns for p in cache.iterdir() if p.is_dir()} == entries
    stamp = path.stat()
    path.write_text("a c\n")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # the same size and time, another content
    assert open_corpus(path, ALL, cache).words == ["a", "c"]


def test_two_at_once_build_it_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a b c\n" * 1000)
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(open_corpus, tmp_path / "a.txt", ALL, tmp_path / "cache") for _ in range(8)]
    assert {tuple(job.result().words) for job in jobs} == {("a", "b", "c")}
    assert [p.suffix for p in sorted((tmp_path / "cache").iterdir())] == ["", ".lock"]


def build(path: Path, cache: Path) -> None:
    open_corpus(path, ALL, cache, workers=1)


def test_killed_build_leaves_nothing_that_counts(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("some words that stand here\n" * 200_000)
    cache = tmp_path / "cache"
    process = get_context("fork").Process(target=build, args=(tmp_path / "a.txt", cache))
    process.start()
    end = time.monotonic() + 30
    while not list(cache.glob("*.building/0.part")):
        assert time.monotonic() < end
        time.sleep(0.002)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not [p for p in cache.iterdir() if p.is_dir() and p.suffix != ".building"]
    assert len(open_corpus(tmp_path / "a.txt", ALL, cache).tokens) == 1_000_000
    assert not list(cache.glob("*.building"))


def test_bad_bytes_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"good \xff\xfe bad\xe9 words \xef\xbf\xbd\n")
    corpus = open_corpus(tmp_path / "a.txt", ALL, tmp_path / "cache")
    assert corpus.about["bad_bytes"] == 3
    assert documents(corpus) == [["good", "bad", "words"]]


@pytest.mark.parametrize(
    ("content", "min_count", "message"),
    [
        (b"", 1, "holds no word"),
        (b"\n ... \n", 1, "holds no word"),
        (b"a b b\n", 5, "no word occurs dataset.min_count=5 times; the most frequent, 'b', occurs 2 times"),
        (gzip.compress(b"a b\n" * 9999, mtime=0)[:-12], 1, "cannot read"),
    ],
)
def test_nothing_to_learn_from(tmp_path: Path, content: bytes, min_count: int, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_corpus(tmp_path / "a.txt", CorpusOptions(min_count=min_count), tmp_path / "cache")
    assert not [p for p in (tmp_path / "cache").iterdir() if p.is_dir()]
    with pytest.raises(ValueError, match="no text file at"):
        open_corpus(tmp_path / "absent", ALL, tmp_path / "cache")


def test_phrases(tmp_path: Path) -> None:
    text = [["new", "york", "is", "far"], ["i", "like", "new", "york"], ["york", "new"], ["far", "is", "new"]] * 30
    options = CorpusOptions(min_count=5, phrases=1, phrase_threshold=0.03)
    corpus = corpus_of(text, options, tmp_path / "cache")
    assert "new_york" in corpus.words
    found = documents(corpus)
    assert found[0] == ["new_york", "is_far"]
    assert found[1] == ["i_like", "new_york"]
    assert found[2] == ["york", "new"]
    assert corpus.counts.sum() == len(corpus.tokens)
    plain = Counter(word for document in found for word in document)
    assert corpus.counts.tolist() == [plain[word] for word in corpus.words]
    assert corpus.counts.tolist() == sorted(corpus.counts.tolist(), reverse=True)
