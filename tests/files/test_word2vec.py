"""Word vector files: what is written is read back, and what others write too."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
import torch

from embloom.files.word2vec import read_vectors, write_word2vec

WORDS = ["the", "naïve", "日本", "a-b", "1.5"]


def table(rows: int = len(WORDS), width: int = 7) -> torch.Tensor:
    return torch.randn(rows, width, generator=torch.Generator().manual_seed(0)) * 10.0 ** torch.arange(-3, width - 3)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["vectors.txt", "vectors.gz"])
def test_comes_back_to_the_bit(tmp_path: Path, binary: bool, name: str) -> None:
    write_word2vec(tmp_path / name, WORDS, table(), binary)
    words, vectors = read_vectors(tmp_path / name)
    assert words == WORDS
    assert torch.equal(vectors, table())
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("binary", [False, True])
def test_many_rows_and_wide_ones(tmp_path: Path, binary: bool) -> None:
    words = [f"w{i}" for i in range(9001)]
    write_word2vec(tmp_path / "v", words, table(9001, 33), binary)
    found, vectors = read_vectors(tmp_path / "v")
    assert found == words
    assert torch.equal(vectors, table(9001, 33))


def test_binary_without_newlines_and_glove(tmp_path: Path) -> None:
    rows = table()
    body = b"".join(w.encode() + b" " + r.numpy().tobytes() for w, r in zip(WORDS, rows, strict=True))
    (tmp_path / "v.bin").write_bytes(b"5 7\n" + body)
    words, vectors = read_vectors(tmp_path / "v.bin")
    assert words == WORDS
    assert torch.equal(vectors, rows)
    (tmp_path / "glove.txt").write_text("the 1 2\n. . 3 4.5\nthe 9 9\n\nnext -1e-3 2")
    words, vectors = read_vectors(tmp_path / "glove.txt")
    assert words == ["the", ". .", "next"]
    assert torch.equal(vectors, torch.tensor([[1, 2], [3, 4.5], [-1e-3, 2]]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no vectors"),
        (b"3 2\na 1 2\nb 3 4\n", "announces 3 vectors and holds 2"),
        (b"2 2\na " + b"\0" * 8 + b"\nb \0\0", "announces 2 vectors and holds 1"),
        (b"a 1 2\nb 3\n", "v, line 2 ('b 3'): it has not a word and 2 numbers"),
        (b"a 1 2\n\nb 3 x\n", "v, line 3 ('b 3 x'): number 2 of 2 is 'x'"),
        (b"a 1 2\nb 3 nan\n", "v, line 2: the vector of 'b' is not finite: it holds NaN"),
        (b"2 2\na 1 2\nb 1e50 1\n", "v, line 3: the vector of 'b' is not finite: it holds an infinite number"),
        (b"\x80\x04\x95garbage" * 9, "it holds no vectors"),
        (b"a 1 2 3\nb 1 2 3 4\nc 1 2\n", "v, line 2 ('b 1 2 3 4'): it has more than 3 numbers"),
        (b"0 2\n", "announces 0 vectors"),
        (gzip.compress(b"a 1 2\n" * 999, mtime=0)[:-9], "cannot read"),
    ],
)
def test_damage_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=re.escape(message)):
        read_vectors(tmp_path / "v")


def test_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    for word in ("new york", "", "a\u00a0b", "a\n"):
        with pytest.raises(ValueError, match="white space"):
            write_word2vec(tmp_path / "v", [word], table(1), True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("binary", [False, True])
def test_gensim_reads_it_and_is_read(tmp_path: Path, binary: bool) -> None:
    gensim = pytest.importorskip("gensim", reason="gensim is not installed: pip install 'embloom[benchmark]'")
    write_word2vec(tmp_path / "ours", WORDS, table(), binary)
    theirs = gensim.models.KeyedVectors.load_word2vec_format(str(tmp_path / "ours"), binary=binary)
    assert theirs.index_to_key == WORDS
    assert torch.equal(torch.from_numpy(theirs.vectors), table())
    theirs.save_word2vec_format(str(tmp_path / "theirs"), binary=binary)
    words, vectors = read_vectors(tmp_path / "theirs")
    assert words == WORDS
    assert torch.equal(vectors, table())
