"""What the README shows works as it is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness import command, finish, fork

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```\w*\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def shown(start: str) -> list[list[str]]:
    """The arguments of every `embloom ...` line of a code block, without the comment at its end; not of those that
    leave something out (`...`, RUN)."""
    lines = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
    commands = [re.split(r"\s{3,}|\s# ", line)[0] for line in lines if line.startswith(f"embloom {start}")]
    return [shlex.split(line)[1:] for line in commands if not re.search(r"\.\.\.|RUN", line)]


def write_files(folder: Path) -> None:
    """Blocks that begin with `# mine/...` are files."""
    for block in BLOCKS:
        if found := re.match(r"# (mine/\S+)\n", block):
            path = folder / found[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block)


@pytest.mark.parametrize("arguments", shown("train --config-dir mine"), ids=" ".join)
def test_own_parts(arguments: list[str], tmp_path: Path) -> None:
    write_files(tmp_path)
    assert len(list(tmp_path.rglob("*.py"))) == 3
    # A command of its own: what is imported from the user's folder must not stay in other tests.
    found = command(*arguments, "trainer.max_epochs=1", cwd=tmp_path)
    assert found.returncode == 0, found.stderr
    assert "done: outputs/" in found.stdout


def test_a_loss_of_torch_needs_a_yaml_only(tmp_path: Path) -> None:
    group = tmp_path / "mine" / "loss"
    group.mkdir(parents=True)
    (group / "multi_margin.yaml").write_text(
        "multi_margin:\n  _target_: torch.nn.MultiMarginLoss\n  weight: 1.0\n"
        "  of: {input: embedding, target: label}\n  margin: 0.5\n"
    )
    finish(fork("train", "--config-dir", "mine", "loss=multi_margin", "trainer.max_epochs=1", cwd=tmp_path), tmp_path)


@pytest.mark.parametrize("arguments", [a for a in shown("train") if "--config-dir" not in a], ids=" ".join)
def test_every_training_command_composes(arguments: list[str], tmp_path: Path) -> None:
    """With one job's settings printed instead of a training; a sweep's first values."""
    single = [re.sub(r"^([\w.]+=[^\[,]*),.*", r"\1", a) for a in arguments if a not in ("-m", "--cfg", "job")]
    fork_ = fork(*single, "--cfg", "job", "--resolve", cwd=tmp_path)
    finish(fork_, tmp_path)
    assert "_target_: embloom" in (tmp_path / "output.txt").read_text()
