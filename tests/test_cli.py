"""The command line: help at once, Hydra's features, a user's own loss, sweeps, completion, lists."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

import embloom
from embloom.assembly.compose import options_first
from embloom.assembly.groups import CONFIGS, GROUPS
from embloom.cli import COMMANDS
from harness import command, finish, fork

QUICK = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=3", "probe=[knn]", "callbacks=checkpoints")

HELP = """
import sys, time
sys.argv = ["embloom", *sys.argv[1:]]
from embloom.cli import main
main()
heavy = sorted({"torch", "hydra", "lightning", "numpy", "omegaconf", "rich"} & set(sys.modules))
print(heavy, time.process_time(), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], ["--version"], ["completion", "bash"]])
def test_help_answers_at_once(arguments: list[str], tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", HELP, *arguments], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    heavy, seconds = run.stderr.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert float(seconds) < 0.5
    assert run.stdout


def test_help_names_every_command_and_every_choice(tmp_path: Path) -> None:
    shown = command("--help", cwd=tmp_path).stdout
    for name in COMMANDS:
        assert f"embloom {name}" in shown
    for group in GROUPS:
        for path in (CONFIGS / group).glob("*.yaml"):
            assert re.search(rf"^  {group} .*\b{path.stem}\b", shown, re.MULTILINE), path
    assert command("--version", cwd=tmp_path).stdout.strip() == embloom.__version__


@pytest.mark.parametrize("arguments", [["--help", "--config-dir", "mine"], ["--help", "--config-dir=mine"]])
def test_help_lists_the_users_own_options(arguments: list[str], tmp_path: Path) -> None:
    for name in ("loss/margins.yaml", "encoder/two_towers.yaml", "unrelated/ignored.yaml"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text("")
    plain, own = command("--help", cwd=tmp_path).stdout, command(*arguments, cwd=tmp_path).stdout
    assert re.search(r"^  loss .*\bmargins\b", own, re.MULTILINE)
    assert re.search(r"^  encoder .*\bmlp\b.* two_towers\b", own, re.MULTILINE)
    assert "margins" not in plain
    assert "ignored" not in own
    absent = command("--help", "--config-dir", "absent", cwd=tmp_path)
    assert (absent.returncode, absent.stderr) == (2, "error: --config-dir absent: there is no such folder\n")


def test_cfg_job_prints_the_configuration_and_trains_nothing(tmp_path: Path) -> None:
    run = command(
        "train", "dataset=mnist", "--cfg", "job", "loss=[triplet,mse]", "encoder.layers=[1024,10]", cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    shown = yaml.safe_load(run.stdout)
    assert shown["dataset"]["_target_"] == "embloom.data.mnist.MNIST"
    assert list(shown["loss"]) == ["triplet", "mse"]
    assert shown["encoder"]["layers"] == [1024, 10]
    assert list(tmp_path.iterdir()) == []


def test_hydras_options_may_stand_anywhere() -> None:
    assert options_first(["seed=1", "-m", "loss=a,b"]) == ["-m", "seed=1", "loss=a,b"]
    assert options_first(["a=1", "--config-dir", "x=y", "+b=2"]) == ["--config-dir", "x=y", "a=1", "+b=2"]
    assert options_first(["a=1", "--config-dir=x", "--cfg", "job"]) == ["--config-dir=x", "--cfg", "job", "a=1"]
    assert options_first([]) == []


MINE = """
from torch import Tensor, nn


class Centre(nn.Module):
    def __init__(self, sizes: dict[str, int], pull: float) -> None:
        super().__init__()
        self.centres = nn.Embedding(sizes["label"], sizes["embedding"])
        self.pull = pull

    def forward(self, embedding: Tensor, label: Tensor) -> Tensor:
        return self.pull * (embedding - self.centres(label)).square().mean()
"""


def test_a_loss_of_the_users_own_takes_one_file_and_one_yaml(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "my_losses.py").write_text(MINE)
    (tmp_path / "conf" / "loss").mkdir(parents=True)
    (tmp_path / "conf" / "loss" / "centre.yaml").write_text(
        "centre: {_target_: my_losses.Centre, weight: 0.5, pull: 2}\n"
    )
    path = {"PYTHONPATH": os.pathsep.join([str(tmp_path / "code"), *sys.path])}
    typed = ("train", "loss=[cross_entropy,centre]", "--config-dir", "conf", "hydra.run.dir=run", *QUICK)
    run = command(*typed, cwd=tmp_path, env=path)
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    total = metrics["test/loss_cross_entropy"] + 0.5 * metrics["test/loss_centre"]
    assert metrics["test/loss"] == pytest.approx(total)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["loss"] == "cross_entropy+centre"
    # A resume works from any directory, and imports the user's code only where its folder is named again.
    (tmp_path / "elsewhere").mkdir()
    again = ("resume", "../run", "trainer.max_epochs=2", "callbacks=checkpoints")
    run = command(*again, cwd=tmp_path / "elsewhere", env=path)
    assert run.returncode == 2
    assert f"embloom resume ../run --config-dir {tmp_path / 'conf'}" in run.stderr
    run = command(*again, "--config-dir", "../conf", cwd=tmp_path / "elsewhere", env=path)
    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["epoch"] == 2


def test_a_sweep_of_two_makes_two_runs_that_the_list_tells_apart(tmp_path: Path) -> None:
    process = fork("train", *QUICK, "-m", "loss=mse,triplet", cwd=tmp_path)
    finish(process, tmp_path)
    runs = sorted(path.parent for path in tmp_path.glob("outputs/*/*/run.json"))
    assert [run.name for run in runs] == ["mse_1", "triplet_2"]
    assert all((run / "embeddings" / "card.json").exists() for run in runs)
    assert {path.name for path in tmp_path.iterdir()} == {"outputs", "output.txt"}  # no multirun.yaml and the like
    shown = command("runs", "--unfold", cwd=tmp_path, env={"COLUMNS": "200"}).stdout
    lines = re.findall(
        r"^ *finished +digits +mlp +\w+ +\w+_label 0\.\d{4} .* [kM]B +outputs/sweep_[\d_-]+/\w+_\d", shown, re.M
    )
    assert len(lines) == 2
    assert re.search(r"finished +2 of 2 +digits +mlp +mse,triplet ", command("runs", cwd=tmp_path).stdout)


def state(folder: Path, **changes: object) -> None:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text("")
    (folder / "run.json").write_text(json.dumps({"dataset": "d", "encoder": "e", "loss": "l", **changes}))


def test_runs_tells_what_became_of_each(tmp_path: Path) -> None:
    state(tmp_path / "outputs" / "a", state="running")
    state(tmp_path / "outputs" / "b", state="failed", reason="loss became nan", epoch=3)
    state(tmp_path / "outputs" / "c", state="stopped", reason="stopped by SIGINT")
    state(tmp_path / "outputs" / "d")
    (tmp_path / "outputs" / "d" / "run.json").write_text("garbage")
    shown = command("runs", cwd=tmp_path, env={"COLUMNS": "250"})
    assert shown.returncode == 0, shown.stderr
    for line in (
        "killed .*outputs/a",
        "outputs/b: failed in epoch 3: loss became nan",
        "stopped by SIGINT",
        "unreadable",
    ):
        assert re.search(line, shown.stdout), shown.stdout
    (tmp_path / "empty").mkdir()
    assert "no runs under empty" in command("runs", "empty", cwd=tmp_path).stdout


class Shell:
    """An interactive bash on a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.shown = ""
        # The command is installed beside the interpreter, or stands in for that.
        (folder / "embloom").write_text(f'#!/bin/sh\nexec {sys.executable} -m embloom "$@"\n')
        (folder / "embloom").chmod(0o755)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            path = f"{folder}{os.pathsep}{os.environ['PATH']}"
            kept = {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "dumb", "PS1": "ready> "}
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], kept)

    def type(self, text: str, until: str, seconds: float = 60) -> str:
        """Types, and returns what has been shown since, once that ends as it should."""
        self.shown = ""
        os.write(self.terminal, text.encode())
        end = time.monotonic() + seconds
        while not re.search(until, self.shown):
            assert time.monotonic() < end, self.shown
            if select.select([self.terminal], [], [], 0.2)[0]:
                self.shown += os.read(self.terminal, 4096).decode(errors="replace").replace("\a", "")
        return self.shown

    def close(self) -> None:
        os.write(self.terminal, b"\x03\nexit\n")
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def test_completion_completes_in_bash(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    try:
        shell.type(
            'eval "$(embloom completion bash)"; complete -p embloom\n', r"complete -F _embloom embloom\s+ready> $"
        )
        shell.type("embloom tr\t", r"embloom train $")
        shell.type("datas\t", r"dataset$")  # a group, and a node with keys: = and . go on
        shell.type("=fash\t", r"=fashion_mnist $")
        shell.type("encoder.lay\t", r"encoder\.layers=$")
    finally:
        shell.close()
