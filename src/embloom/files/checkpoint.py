"""Checkpoint files: written whole or not at all, read without executing anything, checked for damage."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from embloom.files.atomic import write_whole
from embloom.files.tensors import read_archive

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
FORMAT_VERSION = 2


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint of tensors and plain containers, to the CPU.

    Raises:
        ValueError: the file is truncated, damaged, no checkpoint of embloom's, of another format, or asks for
            code to be executed.
    """
    checkpoint = read_archive(path)
    version = checkpoint.get("embloom_format") if isinstance(checkpoint, dict) else None
    if not isinstance(version, int):
        raise ValueError(f"{path} was not written by embloom")
    if version > FORMAT_VERSION:
        raise ValueError(f"{path} has format {version}, newer than this embloom reads ({FORMAT_VERSION}): upgrade it")
    if version < FORMAT_VERSION:
        raise ValueError(f"{path} has format {version}, from before embloom's first release: train it again")
    return checkpoint


def replace_last(folder: Path, fresh: Path) -> None:
    """Makes `fresh` the last checkpoint and keeps the one before it; a last one exists at every moment."""
    last = folder / LAST
    if last.exists():
        link(last, folder / PREVIOUS)
    fresh.replace(last)


def link(source: Path, target: Path) -> None:
    """Gives a file a second name, replacing what had it, without a moment in which it is missing."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:  # a file system without hard links
        write_whole(temporary, lambda file: file.write(source.read_bytes()))
    temporary.replace(target)


def newest_good(folder: Path) -> tuple[Path | None, list[str]]:
    """The checkpoint to resume from: `last` if it is sound, else the newest sound one.

    Returns:
        The path, None where there is no sound one, and a message for each that was passed over.
    """
    complaints: list[str] = []
    sound: list[tuple[int, Path]] = []
    for name in (LAST, PREVIOUS, BEST):
        path = folder / name
        if not path.exists():
            continue
        try:
            step = int(read_checkpoint(path)["global_step"])
        except (ValueError, KeyError, TypeError) as error:
            complaints.append(str(error))
            continue
        if name == LAST:
            return path, complaints
        sound.append((step, path))
    return (max(sound)[1] if sound else None), complaints
