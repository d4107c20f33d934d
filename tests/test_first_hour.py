"""The first hour of a new user, played from the shell and from Python; and that the player sees what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLAYER = ROOT / "scripts" / "first_hour"
LEAST = 30
FAULTY = """
import sys
sys.stdout.write({text!r})
sys.exit({status})
"""


def play(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The script, as it is typed."""
    command = [sys.executable, str(PLAYER), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def _terminal() -> None:
    pytest.importorskip("pyte", reason="emulating a terminal takes pyte, which the extra `dev` brings")


@pytest.mark.usefixtures("_terminal")
def test_there_are_thirty_tasks_and_one_is_played() -> None:
    assert len(play("--list").stdout.splitlines()) >= LEAST
    done = play("help_fits")
    assert done.returncode == 0, done.stdout
    assert "1 tasks, 0 not as they should be" in done.stdout
    assert play("nothing_such").returncode == 2


@pytest.mark.usefixtures("_terminal")
@pytest.mark.parametrize(
    ("text", "status", "width", "said"),
    [
        ("all is well\n", 0, 80, ""),
        ("\x1b[31mred\x1b[0m\n", 0, 80, ""),
        ("first\rlast \n", 0, 80, ""),
        ("x" * 81 + "\n", 0, 80, "run over 80 columns"),
        ("é" * 80 + "\n", 0, 80, ""),
        ("東" * 41 + "\n", 0, 80, "run over 80 columns"),
        ("x" * 81 + "\n", 0, 200, ""),
        ("a name that is cu…\n", 0, 80, "is cut"),
        ("\x1b[31mred\x1b[0m\n", 0, 0, "escape codes"),
        ("Traceback (most recent call last):\n", 0, 0, "a traceback"),
        ("all is well\n", 3, 80, "exit status 3, not 0"),
        ("embloom resume outputs/" + "x" * 80 + "\n", 0, 80, ""),  # to be copied
    ],
)
def test_the_player_sees_what_is_wrong(
    text: str, status: int, width: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PLAYER))
    from screen import run

    (tmp_path / "says.py").write_text(FAULTY.format(text=text, status=status))
    shown = run(["python", "says.py"], tmp_path, width)
    faults = shown.faults(0)
    assert bool(faults) == bool(said), faults
    assert said in " ".join(faults)
    if "\r" in text:
        assert shown.lines == ["last"]


@pytest.mark.slow
@pytest.mark.usefixtures("_terminal")
def test_the_whole_hour(tmp_path: Path) -> None:
    """Set EMBLOOM_SCREENSHOTS to a folder to look at the pages afterwards."""
    keep = os.environ.get("EMBLOOM_SCREENSHOTS", str(tmp_path / "screenshots"))
    done = play("--folder", str(tmp_path / "hour"), "--screenshots", keep)
    assert done.returncode == 0, done.stdout
