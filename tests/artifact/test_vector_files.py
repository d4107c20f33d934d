"""Vectors of other programs: the format is found from the content, and what is wrong is told with its line."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import embloom
from embloom.artifact.vector_files import read_vector_file
from embloom.files.word2vec import write_word2vec

WORDS = ["the", "naïve", "=1+1", "film"]
ROWS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


def lines(separator: str, header: str = "") -> str:
    body = [separator.join([w, *(f"{x:.9g}" for x in r)]) for w, r in zip(WORDS, ROWS.tolist(), strict=True)]
    return "\n".join([*([header] if header else []), *body]) + "\n"


def write_all(folder: Path) -> list[Path]:
    """The same vectors as many programs write them, under names that say nothing."""
    write_word2vec(folder / "w2v", WORDS, ROWS, binary=False)
    write_word2vec(folder / "binary", WORDS, ROWS, binary=True)
    write_word2vec(folder / "packed.gz", WORDS, ROWS, binary=True)
    for name, text in {
        "glove": lines(" "), "spaced.vec": "4 3\n" + lines(" ").replace("\n", " \n"), "tabs": lines("\t"),
        "plain.csv": lines(","), "named.csv": lines(",", "word,a,b,c"), "semicolons": lines(";", "token;0;1;2"),
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    safetensors.torch.save_file({"x": ROWS}, folder / "tensors", {"keys": '{"x": ["the", "naïve", "=1+1", "film"]}'})
    np.savez(folder / "archive", keys=np.array(WORDS), vectors=ROWS.numpy())
    return sorted(path for path in folder.iterdir() if path.is_file())


def test_every_format_is_found_from_the_content(tmp_path: Path) -> None:
    for path in write_all(tmp_path):
        found = read_vector_file(path)
        assert found.names == WORDS, path
        assert torch.equal(found.rows, ROWS), path


def test_parquet_of_others(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    columns = {f"dim{i}": ROWS[:, i].numpy() for i in range(3)}
    pandas.DataFrame({"word": WORDS, "kind": list("abab"), **columns}).to_parquet(tmp_path / "wide")
    pandas.DataFrame({"id": WORDS, "kind": list("abab"), "v": ROWS.tolist()}).to_parquet(tmp_path / "lists")
    for name in ("wide", "lists"):
        found = read_vector_file(tmp_path / name)
        assert found.names == WORDS
        torch.testing.assert_close(found.rows, ROWS)
        assert found.labels == {"kind": list("abab")}
    pandas.DataFrame({"id": WORDS[:2], "v": [[1.0, 2.0], [3.0]]}).to_parquet(tmp_path / "ragged")
    with pytest.raises(ValueError, match="row 1: its vector is missing, or of another length"):
        read_vector_file(tmp_path / "ragged")


def test_names_beside_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", ROWS.double().numpy())
    assert read_vector_file(tmp_path / "v.npy").names == []
    (tmp_path / "words.txt").write_text("\n".join(WORDS))
    assert embloom.read_vectors(tmp_path / "v.npy", tmp_path / "words.txt").words["film"].tolist() == ROWS[3].tolist()
    assert embloom.read_vectors(tmp_path / "v.npy", WORDS).names == WORDS
    for text, says in {
        "a\nb\nc\n": "words.txt has 3 names for 4 vectors", "a\nb\na\nc": "line 3: the name 'a' is in line 1 already",
        "a\n\nb\nc": "line 2 is empty", "": "holds no names",
    }.items():  # fmt: skip
        (tmp_path / "words.txt").write_text(text)
        with pytest.raises(ValueError, match=says):
            embloom.read_vectors(tmp_path / "v.npy", tmp_path / "words.txt")
    with pytest.raises(ValueError, match=r"names=\.\.\."):
        _ = embloom.read_vectors(tmp_path / "v.npy").words


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"word,a,b\nfilm,1,2\nfilm,1\n", "line 3: it has 2 cells, and the first line 3"),
        (b"word,a,b\nfilm,1,2\nfilm,1,x\n", r"line 3 .*number 2 of 2 is 'x'"),
        (b"word,a,b\nfilm,1,2\nfilm,1,nan\n", "line 3: a number is NaN"),
        (b"word,a,b\n", "a line of names and no row"),
        (pickle.dumps({"a": 1}), "a pickle, which can execute code"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "an image"),
        (bytes(range(256)) * 9, "holds no vectors"),
        (b"PAR1" + bytes(90), "cannot be read"),
        (b"\x93NUMPY" + bytes(90), "cannot be read"),
        (b"some prose, and more of it\nthat is no table\n", "holds no vectors|no column of numbers|number"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=says):
        read_vector_file(tmp_path / "v")


def test_rows_that_are_not_finite_and_words_that_are_there_twice(tmp_path: Path) -> None:
    rows = ROWS.clone()
    rows[2, 1] = float("nan")
    np.save(tmp_path / "v.npy", rows.numpy())
    with pytest.raises(ValueError, match=r"v\.npy, row 2 \('2'\) holds NaN"):
        read_vector_file(tmp_path / "v.npy")
    (tmp_path / "twice").write_text("a 1 2\nb 3 4\na 5 6\n")
    with pytest.warns(UserWarning, match=r"1 of its 3 lines are of words that were there before, such as 'a'"):
        assert embloom.read_vectors(tmp_path / "twice").rows.tolist() == [[1, 2], [3, 4]]
    safetensors.torch.save_file({"one": ROWS, "two": ROWS.clone()}, tmp_path / "several")
    with pytest.raises(ValueError, match=r"several tables: .*choose one with layer="):
        read_vector_file(tmp_path / "several")
    assert torch.equal(read_vector_file(tmp_path / "several", layer="two").rows, ROWS)
