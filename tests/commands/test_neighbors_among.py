"""`embloom neighbors`: images, texts and rows among others; the index is kept, seen to be old, never believed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import embloom
from embloom import cli
from embloom.artifact.index import place_for
from trained import SMALL_DIGITS, trained


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that reads images, and a folder of them."""
    folder = tmp_path_factory.mktemp("neighbors")
    trained(folder / "run", *SMALL_DIGITS, "encoder.layers=1024-16-10")
    draw = np.random.default_rng(0)
    (folder / "photos" / "sub").mkdir(parents=True)
    for number in range(12):
        name = f"{number}<i>&.png" if number % 2 else f"sub/{number}.png"
        Image.fromarray(draw.integers(0, 255, (9, 9), dtype=np.uint8)).save(folder / "photos" / name)
    shutil.copy(folder / "photos" / "sub" / "4.png", folder / "copy.png")
    return folder


def asked(place: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[list[tuple[str, float]], str]:
    """The answers, and what was said beside them."""
    cli.COMMANDS["neighbors"]([str(place / "run"), str(place / "copy.png"), "--among", str(place / "photos"), *more])
    printed = capsys.readouterr()
    lines = [line.rsplit(None, 1) for line in printed.out.splitlines()]
    return [(name.strip(), float(cosine)) for name, cosine in lines], printed.err


def test_an_index_follows_the_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos, index = place / "photos", place_for(place / "run", str(place / "photos"), "embedding", None)
    found, said = asked(place, capsys, "--top", "3")
    assert "encoding 12 of 12 files" in said
    assert found[0] == (str(photos / "sub" / "4.png"), 1.0)
    paths = sorted(map(str, photos.rglob("*.png")))
    run = embloom.load(place / "run")
    cosines = torch.nn.functional.cosine_similarity(run.encode([place / "copy.png"]), run.encode(paths))
    best = sorted(zip(paths, cosines.tolist(), strict=True), key=lambda pair: -pair[1])[:3]
    assert [name for name, _ in found] == [name for name, _ in best]
    assert asked(place, capsys, "--top", "3") == (found, "")

    shutil.copy(photos / "sub" / "6.png", photos / "sub" / "4.png")  # changed
    (photos / "sub" / "8.png").unlink()  # deleted
    shutil.copy(place / "copy.png", photos / "new.png")  # added
    found, said = asked(place, capsys, "--top", "20")
    assert "encoding 1 of 12 files" in said or not said  # the content of 4.png is known already, from before
    assert found[0] == (str(photos / "new.png"), 1.0)
    names = [name for name, _ in found]
    assert str(photos / "sub" / "8.png") not in names
    scores = dict(found)
    assert scores[str(photos / "sub" / "4.png")] == scores[str(photos / "sub" / "6.png")]

    whole = index.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1] + bytes([whole[-1] ^ 1]), b"", b"\x80\x04no index"):
        index.write_bytes(damaged)
        again, said = asked(place, capsys, "--top", "20")
        assert f"the index {index} is damaged" in said
        assert again == found
        assert len(index.read_bytes()) == len(whole)
    assert asked(place, capsys, "--top", "20", "--layer", "hidden_0")[0] != found
    assert len(list(index.parent.iterdir())) == 2
    index.unlink()
    asked(place, capsys, "--no-index")
    assert not index.exists()


def test_the_page_is_safe_and_small(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "photos" / "broken.png").write_bytes(b"no image")
    _, said = asked(place, capsys, "--html", str(place / "n.html"), "--no-index")
    assert "left out, as they cannot be read: 1 of the files" in said
    page = (place / "n.html").read_text()
    assert page.count("data:image/webp;base64,") == 11
    assert "&lt;i&gt;&amp;.png" in page
    assert "<i>" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert len(page) < 200_000
    (place / "photos" / "broken.png").unlink()


def test_a_query_among_them_is_no_answer(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = str(place / "photos" / "sub" / "2.png")
    cli.COMMANDS["neighbors"]([str(place / "run"), query, "--among", str(place / "photos"), "--top", "50"])
    printed = capsys.readouterr().out
    assert query not in printed
    assert len(printed.splitlines()) == len(list((place / "photos").rglob("*.png"))) - 1


def test_texts_are_called_by_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["the king and the queen rule", "a puppy plays", "the queen and the king rule"]
    (tmp_path / "texts.txt").write_text("\n".join(lines))
    trained(
        tmp_path / "run", "experiment=skipgram", "trainer=cpu", "trainer.max_epochs=1", "probe=[]", "encoder.dim=8",
        f"dataset.cache={tmp_path / 'cache'}",
    )  # fmt: skip
    capsys.readouterr()
    arguments = [str(tmp_path / "run"), "king and queen rule the", "--among", str(tmp_path / "texts.txt"), "--top", "2"]
    cli.COMMANDS["neighbors"](arguments)
    printed = capsys.readouterr()
    assert {line.rsplit(None, 1)[0].strip() for line in printed.out.splitlines()} == {lines[0], lines[2]}
    assert "encoding" in printed.err
    cli.COMMANDS["neighbors"](arguments)
    assert not capsys.readouterr().err
    (tmp_path / "texts.txt").write_text("\n".join([*lines, "king and queen rule the"]))
    cli.COMMANDS["neighbors"](arguments)
    assert "king and queen rule the" in capsys.readouterr().out
    run = embloom.load(tmp_path / "run")
    assert run.vectors(lines).names == lines
    with pytest.raises(ValueError, match=r"is a folder, and a string is a text: give Path\("):
        run.encode(str(tmp_path))
