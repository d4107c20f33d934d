"""Checkpoint files: written whole or not at all, read without executing anything, checked for damage."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from embloom.files.atomic import write_whole

LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
FORMAT_VERSION = 1


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's door to checkpoint files."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Writes beside `path`, to the disk, and only then takes its name."""
        try:
            write_whole(Path(path), lambda temporary: torch.save(checkpoint, temporary))
        except RuntimeError as error:
            # Closing its archive after a failed write, torch hides why the write failed.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """See `read_checkpoint`; `weights_only` is always on."""
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Deletes a file."""
        Path(path).unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint of tensors and plain containers, to the CPU.

    Raises:
        ValueError: the file is truncated, damaged, no checkpoint of embloom's, of a newer format, or asks for
            code to be executed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise ValueError(f"{path} is damaged ({damaged})")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"there is no checkpoint {path}") from error
    except ValueError:
        raise
    except Exception as error:  # zipfile and torch.load raise almost anything on garbage
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ValueError(f"{path} is no readable checkpoint: {reason}") from error
    version = checkpoint.get("embloom_format") if isinstance(checkpoint, dict) else None
    if not isinstance(version, int):
        raise ValueError(f"{path} was not written by embloom")
    if version > FORMAT_VERSION:
        raise ValueError(f"{path} has format {version}, newer than this embloom reads ({FORMAT_VERSION}): upgrade it")
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
