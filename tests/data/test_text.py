"""What the text dataset says of a corpus that is none, or too small to be held out from."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from embloom.data.text import Text


def dataset(path: Path, **options: object) -> Text:
    made = Text(128, str(path), min_count=1, cache=str(path.parent / "cache"), **options)  # type: ignore[arg-type]
    made.setup("fit")
    return made


@pytest.mark.parametrize("kind", ["image", "UTF-16", "zeros"])
def test_a_binary_file_is_no_corpus(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    if kind == "image":
        Image.new("RGB", (64, 64)).save(path, "PNG")
    else:
        path.write_bytes("some words of text\n".encode("utf-16") if kind == "UTF-16" else bytes(1000))
    with pytest.raises(ValueError, match="UTF-16: save it in UTF-8" if kind == "UTF-16" else "binary file"):
        dataset(path)


def test_held_out_documents_without_neighbors_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(["one two three four"] * 3 + ["alone"] * 400))
    dataset(path, split_seed=1)
    said = capsys.readouterr().out
    assert "no two words stand together in the 2 documents that are held out for val, so val/loss will be 0" in said
    path.write_text("\n".join(["one two three four"] * 400))
    dataset(path, subsample=0)
    assert "no two words" not in capsys.readouterr().out
