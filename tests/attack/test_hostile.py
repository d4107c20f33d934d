"""Files made to do harm: nothing in them is executed, none takes more memory or time than its size, none deceives."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

import embloom
from comparison.made import METRICS, made
from embloom import cli
from embloom.artifact.lineage import Parent, described
from embloom.artifact.neighbors import Neighbors
from embloom.artifact.saving import CARD, LAYERS, content_hash
from embloom.artifact.weights import read_source
from embloom.commands.encode import main as encode
from embloom.files.run_config import read_config
from embloom.files.run_state import RunState
from embloom.files.seal import SEAL, sealed, sealed_text
from hostile import runs

SMALL = ("encoder.layers=1024-8-10",)

CANARY = """
from pathlib import Path
Path({mark!r}).touch()
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.readers.tokenizer import Tokenizer
from embloom.callbacks.base import Callback
from embloom.encoders.mlp import MLP
from embloom.losses.cross_entropy import CrossEntropy
from embloom.probes.chance import Chance
class Encoder(MLP): pass
class Reader(ImageReader): pass
class Loss(CrossEntropy): pass
class Call(Callback): pass
class Cut(Tokenizer):
    def __call__(self, text): return text.split()
"""


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module that would make a file, in the current folder and on Python's path; at the end it is shown that it
    works."""
    found = tmp_path / "executed"
    (tmp_path / "canary.py").write_text(CANARY.format(mark=str(found)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield found
    assert not found.exists(), "it was imported"
    importlib.import_module("canary")
    assert found.exists()
    del sys.modules["canary"]


def command(*arguments: str) -> None:
    """Runs a command in this process."""
    cli.COMMANDS[arguments[0]](list(arguments[1:]))


def rewrite_card(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a card and gives it right hashes."""
    path = run / "embeddings" / CARD
    card = {key: value for key, value in json.loads(path.read_text()).items() if key != SEAL}
    change(card)
    card["content_hash"] = content_hash((run / "embeddings" / LAYERS).read_bytes(), card)
    path.write_text(json.dumps(sealed(card)))


def rewrite_config(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes a configuration and seals it."""
    config = read_config(run)
    change(config)
    (run / "config.yaml").write_text(sealed_text(yaml.safe_dump(config)))


HEAD = {"node": {"_target_": "canary.Loss"}, "sizes": {"input": 10, "target": 10}, "source": {"input": "embedding"},
        "label": "label"}  # fmt: skip
TEXT = "embloom.artifact.readers.text.TextReader"
CARDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "encoder": lambda card: card["encoder"].update(_target_="canary.Encoder"),
    "reader": lambda card: card["reader"].update(_target_="canary.Reader"),
    "tokenizer": lambda card: card.update(reader={"_target_": TEXT, "tokenizer": "canary.Cut"}),
    "head": lambda card: card.update(heads={"x": HEAD}, labels={"label": ["a"] * 10}),
}


@pytest.mark.parametrize("part", CARDS)
def test_a_card_imports_nothing(part: str, mark: Path) -> None:
    run = made(mark.parent / "run", *SMALL)
    rewrite_card(run, CARDS[part])
    # A head of which the class may not be imported is told when it is asked.
    with pytest.raises(ValueError, match=r"canary|config_dir"):
        embloom.load(run).predict(torch.zeros(1, 1024))


@pytest.mark.parametrize(
    "pattern", [r"(a+)+$", r"(?:a+)+$", r"(?:\w+\s?)+:", r"(?:a|aa)+$", r"(?:a*)*b", r"(?:.*a){12}"]
)
def test_a_pattern_of_a_card_does_not_take_forever(pattern: str, tmp_path: Path) -> None:
    run = made(tmp_path / "run", *SMALL)
    rewrite_card(run, lambda card: card.update(reader={"_target_": TEXT, "pattern": pattern, "vocabulary": ["a"]}))
    (tmp_path / "text.txt").write_text("a" * 60 + "!\n")
    with pytest.raises(ValueError, match=r"pattern=.*(forever|\(\?:\.\.\.\))"):
        command("encode", str(run), str(tmp_path / "text.txt"), "--output", str(tmp_path / "v.npy"))


CONFIGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "encoder": lambda config: config["encoder"].update(_target_="canary.Encoder"),
    "dataset": lambda config: config["dataset"].update(_target_="canary.Dataset"),
    "loss": lambda config: config["loss"]["cross_entropy"].update(_target_="canary.Loss"),
    "callback": lambda config: config["callbacks"].update(x={"_target_": "canary.Call"}),
    "another kind of callback": lambda config: config["callbacks"].update(
        x={"_target_": "lightning.pytorch.callbacks.OnExceptionCheckpoint", "dirpath": "x"}
    ),
    "a function": lambda config: config["callbacks"].update(x={"_target_": "os.system", "command": "touch executed"}),
    "a function of embloom's": lambda config: config["encoder"].update(_target_="embloom.cli.main"),
    "optimizer": lambda config: config["optimizer"].update(_target_="canary.Optimizer"),
    "scheduler": lambda config: config["scheduler"].update(_target_="canary.Schedule"),
    "probe": lambda config: config["probe"].update(x={"_target_": "canary.Probe"}),
    "tokenizer": lambda config: config.update(
        dataset={
            "_target_": "embloom.data.text.Text",
            "batch_size": 128,
            "tokenizer": "canary.Cut",
            "path": "canary.py",
        }
    ),
    "strategy": lambda config: config["trainer"].update(strategy="canary.Strategy"),
    "a plugin": lambda config: config["trainer"].update(plugins=[{"_target_": "canary.Plugin"}]),
    "a variable": lambda config: config["dataset"].update(side="${oc.env:HOME}"),
    "a resolver": lambda config: config["encoder"].update(layers="${oc.decode:${oc.env:HOME}}"),
}


@pytest.mark.parametrize("part", CONFIGS)
def test_a_configuration_imports_nothing(part: str, mark: Path) -> None:
    run = made(mark.parent / "run", *SMALL, state="stopped")
    rewrite_config_of(run, CONFIGS[part])
    for arguments in (("resume", "run"), ("map", "run", "--points", "20"), ("compare", "run", "--html", "x.html")):
        status = cli_main(*arguments)
        assert status == 2 or arguments[0] == "compare", f"{arguments[0]} took it"
    assert not list(mark.parent.rglob("*.ckpt"))


def rewrite_config_of(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """As `rewrite_config`; what a foreign file has need not be what `read_config` lets through."""
    rewrite_config(run, change)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_checkpoint_executes_nothing(name: str, mark: Path) -> None:
    run = made(mark.parent / "run", *SMALL, state="stopped")
    (run / "checkpoints").mkdir()
    content = {"embloom_format": 2, "global_step": 1, "state_dict": {}, "x": runs(mark)}
    torch.save(content, run / "checkpoints" / name)
    with pytest.raises(ValueError, match=r"no checkpoint in .* can be read"):
        command("resume", "run")
    with pytest.raises(ValueError, match=r"execute code|cannot be read"):
        read_source(run / "checkpoints" / name)


def hide(text: str) -> str:
    """A text with a sequence that clears the screen, sets the window's title and turns the direction of writing."""
    return f"\x1b[2J\x1b]0;x\x07{text}\u202e\x9b31m"


def unseen(text: str) -> bool:
    """Whether nothing of it reaches a terminal."""
    return not any(c in text for c in "\x1b\x07\u202e\x9b")


@pytest.mark.parametrize("field", ["reason", "dataset", "loss", "metrics", "config_dirs", "failed_probes"])
def test_escape_sequences_of_a_run_reach_no_terminal(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = made(tmp_path / "run", *SMALL)
    evil: Any = {"metrics": {**METRICS, hide("probe/x"): 1.0}, "config_dirs": [hide("x")],
                 "failed_probes": {hide("x"): hide("y")}}.get(field, hide("text"))  # fmt: skip
    values = {"dataset": "digits", "encoder": "mlp", "loss": "cross_entropy", "metrics": METRICS, field: evil}
    RunState(state="failed", **values).write(run)
    for arguments in (("runs", "."), ("compare", "run"), ("rm", "run"), ("resume", "run"), ("neighbors", "run", "a")):
        cli_main(*arguments)
    found = capsys.readouterr()
    assert unseen(found.out + found.err)
    assert "run" in found.out + found.err


def cli_main(*arguments: str) -> int:
    """The command as it is typed, in this process; its exit status."""
    before, sys.argv = sys.argv, ["embloom", *arguments]
    try:
        cli.main()
    except SystemExit as error:
        return int(error.code or 0)
    finally:
        sys.argv = before
    return 0


def hostile_lineage() -> dict[str, Any]:
    """One whose texts are all escape sequences."""
    made = described([Parent(hide("h"), hide("p"), "aligned to")], {hide("kept"): 1.0}, {hide("s"): hide("v")})
    return {**made, "at": hide("at")}


@pytest.mark.parametrize("field", ["names", "labels", "trained", "reader", "metrics", "lineage", "layers"])
def test_escape_sequences_of_a_card_reach_no_terminal(
    field: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = made(tmp_path / "run", *SMALL)
    evil: dict[str, Any] = {
        "names": {"dataset": hide("d"), "encoder": hide("e")}, "labels": {hide("l"): [hide("c")]},
        "trained": {"epochs": hide("1"), "steps": 1, "at": hide("x")},
        "reader": {"_target_": hide("R"), "x": hide("y")},
        "metrics": {f"probe/{hide('x')}": 1.0}, "lineage": hostile_lineage(),
        "layers": {hide("embedding"): 10},
    }  # fmt: skip
    rewrite_card(run, lambda card: card.update({field: evil[field]}))
    commands = (("card", str(run)), ("card", str(run), "--lineage"), ("neighbors", str(run), "a"))
    for arguments in (*commands, ("export", str(run), "--to", "npz")):
        cli_main(*arguments)
    found = capsys.readouterr()
    assert unseen(found.out + found.err)


def test_escape_sequences_of_settings_reach_no_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        run = made(tmp_path / name, *SMALL)
        rewrite_config(run, lambda config, name=name: config["encoder"].update(activation=hide(name)))  # type: ignore[misc]
    cli_main("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    cli_main("resume", str(tmp_path / "a"), "trainer.max_epochs=2")
    found = capsys.readouterr()
    assert unseen(found.out + found.err)


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t="])
def test_no_cell_is_a_formula(
    sign: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    formula = f"{sign}cmd|' /C calc'!A0"
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        run = made(tmp_path / name, *SMALL)
        rewrite_config(run, lambda config, name=name: config["encoder"].update(activation=f"{formula}{name}"))  # type: ignore[misc]
    Image.new("L", (8, 8)).save(tmp_path / "images" / f"{formula.replace('/', '_')}.png")
    monkeypatch.chdir(tmp_path / "images")
    run = made(tmp_path / "sound", *SMALL)
    encode([str(run), "*.png", "--output", str(tmp_path / "out.csv")])
    cells = (tmp_path / "out.csv").read_text().splitlines()[1].lstrip('"')
    assert cells[0] == "'"
    capsys.readouterr()
    command("compare", str(tmp_path / "a"), str(tmp_path / "b"), "--csv")
    table = capsys.readouterr().out
    assert "calc" in table
    assert not any(cell.lstrip('"').startswith(sign) for line in table.splitlines() for cell in line.split(",")[1:]
                   if "calc" in cell)  # fmt: skip


def test_rm_deletes_what_a_run_wrote_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, outside = made(tmp_path / "runs" / "run", *SMALL), tmp_path / "outside"
    outside.mkdir()
    (outside / "thesis.txt").write_text("years of work")
    (outside / "x.ckpt").write_text("mine")
    (run / "link").symlink_to(outside)
    (run / "checkpoints").symlink_to(outside)
    (run / "notes.txt").write_text("mine")
    (run / "deeper" / "checkpoints").mkdir(parents=True)
    (run / "deeper" / "checkpoints" / "x.ckpt").write_text("mine")
    assert cli_main("rm", str(run), "--yes") == 0
    said = capsys.readouterr().out
    left = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_symlink() or path.is_file()}
    assert left == {"link", "checkpoints", "notes.txt", "deeper/checkpoints/x.ckpt"}
    assert all(f"{run / name}" in said for name in left)
    assert sorted(path.name for path in outside.iterdir()) == ["thesis.txt", "x.ckpt"]


def test_rm_refuses_what_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app = tmp_path / "app"
    app.mkdir()
    (app / "run.json").write_text('{"scripts": {"start": "node ."}}')
    (app / "config.yaml").write_text("port: 80\n")
    (app / "metrics.json").write_text("{}")
    made(tmp_path / "run", *SMALL)
    (tmp_path / "link").symlink_to(tmp_path / "run")
    before = sorted(tmp_path.rglob("*"))
    for name in ("app", "", " ", "link", "app/", "$UNSET"):
        assert cli_main("rm", name, "--yes") == 2, name
    assert cli_main("rm", ".", "--yes") == 2  # one of them is none
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["../..", "above", "above/*", "{home}"])
def test_rm_refuses_folders_that_hold_more_than_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only folders of this test are named, whatever the outcome: nothing else may be lost by it."""
    home = tmp_path / "above"
    run = made(home / "project" / "outputs" / "digits" / "run", *SMALL)
    (home / "project" / "deep").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home / "project" / "deep" if name == "../.." else tmp_path)
    assert cli_main("rm", name.format(home=home), "--yes") == 2
    assert (run / "run.json").exists()
    monkeypatch.chdir(home)
    assert cli_main("rm", "project/outputs", "--yes") == 0
    assert not run.exists()


def test_neighbors_of_enormous_and_of_tiny_rows() -> None:
    rows = 2 * torch.rand(50, 8, generator=torch.Generator().manual_seed(0)) - 1
    scores, numbers = Neighbors(rows).nearest(rows[:5], 3)
    for scale in (1e38, 1e-38, 1e-40):
        # Below 1e-38 a number keeps a few bits only.
        found, same = Neighbors(rows * scale).nearest(rows[:5] * scale, 3)
        assert torch.equal(same, numbers)
        torch.testing.assert_close(found, scores, atol=1e-5 if scale > 1e-39 else 1e-3, rtol=0)
