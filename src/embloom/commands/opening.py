"""Opening the run that a command is about, with the user's own parts where it was trained with some."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embloom.files.run_state import recorded_config_dirs, with_config_dirs

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
