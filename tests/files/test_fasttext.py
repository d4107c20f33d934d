"""fastText's binary models: what gensim writes is read to gensim's vectors; what is damaged is refused."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from embloom.artifact.vector_files import read_vector_file
from embloom.files.character_ngrams import character_ngrams
from embloom.files.fasttext import read_fasttext

fasttext = pytest.importorskip("gensim.models.fasttext")

TEXT = [["über", "den", "wolken", "日本語", "király"], ["wolke", "den", "a", "é", "überall"]] * 5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fasttext") / "model.bin"
    made = fasttext.FastText(TEXT, vector_size=6, bucket=50, min_count=1, min_n=2, max_n=4, epochs=2, seed=1)
    fasttext.save_facebook_model(made, str(path))
    return path


def plain(word: str, shortest: int, longest: int, buckets: int) -> list[int]:
    """The n-grams by a loop over characters, the hash by a loop over bytes."""
    marked, found = f"<{word}>", []
    for first in range(len(marked)):
        for size in range(shortest, longest + 1):
            gram = marked[first : first + size]
            if len(gram) < size or gram in ("<", ">"):
                continue
            value = 2166136261
            for byte in gram.encode():
                value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) % 2**32
            found.append(value % buckets)
    return sorted(found)


@pytest.mark.parametrize(("shortest", "longest"), [(3, 6), (1, 3), (4, 4)])
def test_ngrams_are_those_of_fasttext(shortest: int, longest: int) -> None:
    words = ["king", "a", "é", "日本語の", "über", "x" * 40, ""]
    parts, offsets = character_ngrams([word.encode() for word in words], shortest, longest, 997)
    for number, word in enumerate(words):
        found = sorted(parts[offsets[number] : offsets[number + 1]].tolist())
        assert found == plain(word, shortest, longest, 997)
        assert shortest == 1 or found == sorted(fasttext.ft_ngram_hashes(word, shortest, longest, 997))


def test_reads_the_vectors_that_gensim_reads(model: Path) -> None:
    found, wanted = read_vector_file(model), fasttext.load_facebook_vectors(str(model))
    assert found.names == wanted.index_to_key
    np.testing.assert_allclose(found.rows.numpy(), wanted.vectors, rtol=1e-5, atol=1e-7)
    for word in ("den", "wolkenlos", "日本", "überallhin"):
        np.testing.assert_allclose(found.words[word].numpy(), wanted[word], rtol=1e-5, atol=1e-7)
    nearest = [name for name, _ in found.words.neighbors("wolkenlos", 3)]
    assert nearest == [name for name, _ in wanted.most_similar("wolkenlos", topn=3)]
    assert "wolkenlos" not in found.words


def test_damaged_files_are_refused(model: Path, tmp_path: Path) -> None:
    content = model.read_bytes()
    whole = read_fasttext(model)
    end = len(content) - 17 - 4 * 6 * len(whole.words)  # the output table is not read
    file = tmp_path / "damaged.bin"
    for length in [*range(4, 300, 7), *range(300, end, 501)]:
        file.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"damaged\.bin"):
            read_vector_file(file)
    chance = random.Random(0)
    for _ in range(300):
        changed = bytearray(content)
        struct.pack_into("<q", changed, chance.randrange(4, 400), chance.choice([-1, 1 << 40, 1 << 62, 7]))
        file.write_bytes(changed)
        try:
            read_vector_file(file)
        except ValueError as error:
            assert "damaged.bin" in str(error)  # noqa: PT017


def test_quantized_and_old_ones_say_what_to_use(model: Path, tmp_path: Path) -> None:
    content = bytearray(model.read_bytes())
    struct.pack_into("<i", content, 4, 11)
    (tmp_path / "old.bin").write_bytes(content)
    with pytest.raises(ValueError, match=r"format 11, and 12 can be read: use its \.vec file"):
        read_vector_file(tmp_path / "old.bin")
