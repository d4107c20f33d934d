"""Opening the run that a command is about, with the user's own parts where it was trained with some."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embloom.files.run_state import RunState, recorded_config_dirs, resume_command, with_config_dirs
from embloom.files.sweep import Sweep

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding


def own_option(parser: argparse.ArgumentParser) -> None:
    """`--config-dir`, for every command that loads a run."""
    parser.add_argument(
        "--config-dir", metavar="DIR", help="your own configs and Python files, where the run was trained with some"
    )


def opened(run: str, config_dir: str | None) -> Embedding:
    """Loads an artifact.

    Raises:
        ValueError: it cannot be; where its parts are the user's own, the message says what to add to the command.
    """
    from embloom.artifact.embedding import load

    try:
        return load(run, config_dir)
    except ValueError as error:
        raise ValueError(f"{error}{advice(run, config_dir, str(error))}") from error


def advice(run: str, config_dir: str | None, message: str) -> str:
    """What to add to the command, where the run remembers a folder of the user's own."""
    remembered: Sequence[str] = recorded_config_dirs(Path(run))
    if config_dir is not None or not remembered or "config-dir" not in message:
        return ""
    return f"\nif you trust that folder, add {' '.join(with_config_dirs(remembered))}"


def check_parts_named(
    folder: Path, state: RunState | Sweep, config_dirs: Sequence[str | Path], handed: Mapping[str, Any]
) -> None:
    """Asks for the user's own parts, which no file may name.

    Raises:
        ValueError: a folder or a class that the run was trained with is not named again.
    """
    named = {str(Path(place).expanduser().resolve()) for place in config_dirs}
    missing = [place for place in state.config_dirs if place not in named]
    if missing and not named:
        raise ValueError(
            f"{folder} was trained with your own parts in {missing[0]}: name that folder again, as no file's word is "
            f"enough to import it: {resume_command(folder, missing)}"
        )
    lost = [group for group in state.handed if group not in handed]
    if lost:
        again = f"sweep([...], folder={str(folder)!r}" if isinstance(state, Sweep) else f"resume({str(folder)!r}"
        raise ValueError(
            f"{folder} was trained with classes that were handed over in Python: continue it there, "
            f"embloom.{again}, parts={{{', '.join(f'{group!r}: ...' for group in lost)}}})"
        )
