"""Opening the run that a command is about, with the user's own parts where it was trained with some."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embloom.files.run_state import RunState, printable, recorded_config_dirs, resume_command, with_config_dirs
from embloom.files.sweep import Sweep

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding
    from embloom.artifact.vectors import Vectors
    from embloom.artifact.word_vectors import WordVectors


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
    from embloom.artifact.loading import load

    try:
        return load(run, config_dir)
    except ValueError as error:
        raise ValueError(f"{error}{advice(run, config_dir, str(error))}") from error


def names_option(parser: argparse.ArgumentParser) -> None:
    """`--names`, for every command that takes files of vectors."""
    parser.add_argument(
        "--names", metavar="FILE", action="append", default=[],
        help="a file with a name a line, for vectors that have none (.npy); again for another file",
    )  # fmt: skip


def read_vectors(path: str, names: Sequence[str] = ()) -> Vectors:
    """Vectors from a file; what is odd about it is said.

    Raises:
        ValueError: it cannot be read.
    """
    from embloom.artifact.vector_files import read_vector_file

    if len(names) > 1:
        raise ValueError(f"--names {' --names '.join(names)}: one file of vectors takes one file of names")
    found = read_vector_file(path, next(iter(names), None))
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    return found


def words_at(place: str, config_dir: str | None, names: Sequence[str]) -> WordVectors:
    """The words of a run, or of a file of vectors.

    Raises:
        ValueError: it has none.
    """
    if Path(place).is_file():
        return read_vectors(place, names).words
    if names:
        raise ValueError(f"--names {names[0]}: the rows of a run have names; it is for files of vectors")
    return opened(place, config_dir).words


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


def say_spelled(words: WordVectors, asked: Sequence[str]) -> None:
    """Which words are unknown, apart from the answers: a misspelled one has neighbors, too."""
    for word in words.spelled(asked):
        print(f"note: '{printable(word)}' is not in the vocabulary: spelled out from its letters", file=sys.stderr)
