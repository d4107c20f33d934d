"""Two versions: whether they can be mixed is measured and said, planted changes are found, every origin is read."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from comparison.browser import needs_browser, visit
from comparison.made import cloud, made, names
from comparison.test_changes import rotation
from embloom import cli
from embloom.artifact.agreement import largest, promise, shared_rows, turned
from embloom.artifact.lineage import Parent, described
from embloom.artifact.saving import read_card
from embloom.commands.diff import main as diff
from embloom.files.seal import sealed
from embloom.files.word2vec import write_word2vec
from trained import SMALL_DIGITS, trained


def told(*arguments: object, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What the command says as JSON."""
    capsys.readouterr()
    diff([*map(str, arguments), "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def written(folder: Path, kind: str, rows: Tensor, words: list[str]) -> tuple[Path, list[str]]:
    """A file of vectors and the options that it takes."""
    path = folder / f"vectors.{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "npy":
        np.save(path, rows.numpy())
        (folder / "names.txt").write_text("\n".join(words))
        return path, ["--names", str(folder / "names.txt")]
    if kind == "safetensors":
        about = {"keys": json.dumps({"embedding": words})}
        safetensors.torch.save_file({"embedding": rows.contiguous()}, path, about)
    else:
        write_word2vec(path, words, rows, binary=kind == "bin")
    return path, []


def test_largest_is_topk() -> None:
    scores = torch.randn(50, 1003, generator=torch.Generator().manual_seed(0))
    scores[:, 700:] = scores[:, 700:].sort(1).values  # all in the last blocks, and in what is left over
    assert torch.equal(largest(scores, 3), scores.topk(3).indices)
    assert torch.equal(largest(scores[:, :40], 10), scores[:, :40].topk(10).indices)


def test_a_promise_is_that_of_plain_loops() -> None:
    old, new = F.normalize(cloud(60, 5, 0), dim=1), F.normalize(cloud(60, 5, 0) + 0.7 * cloud(60, 5, 1), dim=1)
    found = promise(3 * old, 0.5 * new, 4)
    own, kept = 0, 0
    for row in range(60):
        own += max(range(60), key=lambda i, row=row: float(new[row] @ old[i])) == row  # type: ignore[misc]
        ends = [
            sorted((i for i in range(60) if i != row), key=lambda i, t=t, row=row: -float(t[row] @ t[i]))[:4]  # type: ignore[misc]
            for t in (old, new)
        ]
        kept += len({*ends[0]} & {*ends[1]})
    assert found["own_nearest"] == pytest.approx(own / 60)
    assert found["neighbors_kept"] == pytest.approx(kept / 240)
    assert found["cosine"] == pytest.approx(float(F.cosine_similarity(old, new).mean()), abs=1e-6)
    assert found["cosine"] <= found["cosine_turned"]
    turn = rotation(5)
    torch.testing.assert_close(turned(old, old @ turn), old @ turn, atol=1e-5, rtol=1e-5)
    assert promise(old, old @ turn)["cosine_turned"] == pytest.approx(1, abs=1e-5)
    assert "cosine" not in promise(old, F.pad(new, (0, 3)))
    here, there = shared_rows(["a", "b", "c", "a"], ["c", "x", "a"])
    assert (here.tolist(), there.tolist()) == ([0, 2], [2, 0])


@pytest.mark.parametrize(("one", "other"), [("npy", "bin"), ("txt", "safetensors"), ("safetensors", "npy")])
def test_files_of_any_origin(one: str, other: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows, words = cloud(400, 8, 0), names(400)
    swapped = rows.clone()
    swapped[100:120] = rows[100:120].flip(0)
    order = torch.randperm(380, generator=torch.Generator().manual_seed(0)) + 20
    first, options = written(tmp_path / "a", one, rows, words)
    new = [words[i] for i in order.tolist()]
    second, more = written(tmp_path / "b", other, torch.cat([swapped[order] @ rotation(8), rows[:5]]),
                           [*new, *(f"new{i}" for i in range(5))])  # fmt: skip
    found = told(first, second, *options, *more, "--top", 20, capsys=capsys)
    (group,) = found["groups"]
    assert (group["rows"], group["gone"]) == (380, words[:20])
    assert group["came"] == [f"new{i}" for i in range(5)]
    assert len({item["name"] for item in group["changed"]} & {*words[100:120]}) >= 16
    assert not group["one_space"]
    assert group["cosine_turned"] > 0.8
    assert sum(group["kept_spread"]) == pytest.approx(1)
    assert "cannot be mixed" in " ".join(found["verdict"])


def test_small_changes_stay_in_one_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    first, _ = written(tmp_path / "a", "bin", rows, names(300))
    second, _ = written(tmp_path / "b", "bin", rows + 0.05 * rows.flip(0), names(300))
    wide, _ = written(tmp_path / "c", "bin", F.pad(rows, (0, 2)), names(300))
    found = told(first, second, capsys=capsys)
    assert found["groups"][0]["one_space"]
    assert "can be mixed" in " ".join(found["verdict"])
    found = told(first, wide, capsys=capsys)
    assert not found["groups"][0]["one_space"]
    assert "8 and 10 numbers" in " ".join(found["verdict"])
    other, _ = written(tmp_path / "d", "bin", rows, [f"x{i}" for i in range(300)])
    assert "not 3 rows or samples that both have" in " ".join(told(first, other, capsys=capsys)["verdict"])


def test_runs_their_settings_scores_and_lineage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (
        made(tmp_path / f"v{i}", f"optimizer.lr={i}", metrics={"probe/knn_label": 0.8 + i / 20}) for i in (1, 2)
    )
    found = told(one, two, capsys=capsys)
    assert {"what": "optimizer.lr", "before": "1", "after": "2"} in found["settings"]
    assert found["scores"] == [{"what": "probe/knn_label", "before": pytest.approx(0.85), "after": pytest.approx(0.9)}]
    (group,) = found["groups"]
    assert group["kind"] == "images"
    assert found["lineage"] == ""
    at = two / "embeddings" / "card.json"
    card = json.loads(at.read_text())
    parent = Parent(read_card(one / "embeddings")["content_hash"], str(one), "aligned to")
    at.write_text(json.dumps(sealed({**card, "lineage": described([parent])})))
    found = told(one, two, capsys=capsys)
    assert found["lineage"] == "the second was aligned to the other"
    # Untrained weights of another seed are no aligned ones, whatever a card says.
    verdict = " ".join(found["verdict"])
    assert "can be mixed" not in verdict or group["one_space"]


def test_the_same_embedding_in_two_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = made(tmp_path / "a"), tmp_path / "b"
    shutil.copytree(one, two)
    found = told(one, two, capsys=capsys)
    assert found["same"]
    assert found["verdict"] == ["They are the same embedding: equal content hashes."]


def test_rows_that_have_nothing_in_common_but_a_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(2000, 60, generator=draw) + 1
    first, _ = written(tmp_path / "a", "bin", rows, names(2000))
    second, _ = written(tmp_path / "b", "bin", rows[torch.randperm(2000, generator=draw)], names(2000))
    found = told(first, second, capsys=capsys)
    assert found["groups"][0]["cosine"] > 0.4
    assert not found["groups"][0]["one_space"]
    assert "cannot be mixed" in " ".join(found["verdict"])


@pytest.mark.parametrize(("one", "other"), [(3, 400), (400, 3)])
def test_a_wide_and_a_narrow_one_are_turned_in_the_space_of_the_narrow(one: int, other: int) -> None:
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(500, one, generator=draw), torch.randn(500, other, generator=draw)
    found, width = turned(x, y), max(one, other)
    wide = [F.pad(part, (0, width - part.shape[1])) for part in (x, y)]
    left, _, right = torch.linalg.svd((wide[0].T @ wide[1]).double())
    torch.testing.assert_close(
        (found * y).sum(1), (wide[0] @ (left @ right).float() * wide[1]).sum(1), atol=1e-3, rtol=0
    )


def test_the_same_vectors_in_two_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    first, _ = written(tmp_path / "a", "bin", rows, names(300))
    second, _ = written(tmp_path / "b", "safetensors", rows, names(300))
    found = told(first, second, capsys=capsys)
    assert (found["same"], found["groups"][0]["equal"]) == (False, True)
    assert found["verdict"] == ["The vectors of all 300 words are the same to the bit."]
    page = tmp_path / "page.html"
    diff([str(first), str(second), "--html", str(page)])
    assert "what changed most" not in capsys.readouterr().out
    assert page.stat().st_size > 1000


def test_artifacts_by_themselves_and_damaged_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (tmp_path / name for name in "ab")
    for seed, folder in enumerate((one, two)):
        trained(folder, *SMALL_DIGITS, f"seed={seed}")
    alone = tmp_path / "alone"
    shutil.copytree(two / "embeddings", alone)
    expected, found = told(one, two, capsys=capsys), told(one / "embeddings", alone, capsys=capsys)
    for key in ("content_hashes", "groups"):
        assert found[key] == expected[key]
    for folder, damage in ((two, "layers.safetensors"), (alone, "card.json")):
        file = folder / damage if folder == alone else folder / "embeddings" / damage
        file.write_bytes(file.read_bytes()[:-40])
        with pytest.raises(ValueError, match=damage):
            diff([str(one), str(folder)])
    with pytest.raises(ValueError, match="there is no run, artifact or file of vectors"):
        diff([str(one), str(tmp_path / "nothing")])


def test_rows_of_zeros_are_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    empty = rows.clone()
    empty[::2] = 0
    first, _ = written(tmp_path / "a", "bin", rows, names(200))
    second, _ = written(tmp_path / "b", "bin", empty, names(200))
    found = told(first, second, capsys=capsys)
    assert found["groups"][0]["cosine"] == pytest.approx(1)
    assert "100 of the 200 words are zero in one of both" in " ".join(found["verdict"])
    assert set(promise(rows, torch.zeros(200, 8)).values()) == {0.0}


def test_terminal_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = (made(tmp_path / name, f"seed={i}") for i, name in enumerate("ab"))
    diff([str(one), str(two), "--top", "3", "--rows", "100", "--html", str(tmp_path / "page.html")])
    text = capsys.readouterr().out
    for word in ("cosine", "nearest neighbors stay", "what changed most of 100 images", "probe/knn_label"):
        assert word in text
    assert '"verdict":[' in (tmp_path / "page.html").read_text()


@needs_browser
def test_the_page_shows_verdict_and_pictures(tmp_path: Path) -> None:
    one, two = (made(tmp_path / name, f"optimizer.lr={i + 1}") for i, name in enumerate("ab"))
    diff([str(one), str(two), "--rows", "50", "--html", str(tmp_path / "page.html")])
    shown = visit(
        tmp_path / "page.html",
        """return {verdict: document.querySelectorAll("#verdict li").length,
                entries: document.querySelectorAll("#changed .change").length,
                pictures: document.querySelectorAll("#changed .change .thumb.versions0").length,
                drawn: getComputedStyle(document.querySelector("#changed .thumb")).backgroundImage.slice(0, 20)}""",
    )
    assert shown["verdict"] >= 2
    assert shown["entries"] == 25
    assert shown["pictures"] == 25 * 21
    assert shown["drawn"].startswith('url("data:image/webp')


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{run}",), "these are 1: name one other"),
        (("{run}", "{run}", "--top", "0"), "numbers from 1 on"),
        (("{run}", "absent"), "absent"),
        (("{run}", "{run}", "--html", "nowhere/x.html"), "no folder"),
    ],
)
def test_mistakes_are_said(
    arguments: tuple[str, ...], says: str, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    run = made(tmp_path / "run")
    monkeypatch.setattr(sys, "argv", ["embloom", "diff", *(a.format(run=run) for a in arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 2
    assert says in capsys.readouterr().err
