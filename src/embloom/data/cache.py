"""A cache of folders that are built once, by whoever comes first, and checked each time they are opened."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from embloom.files.seal import file_hash

SEAL = "seal.json"  # the hashes of an entry's files
HASH = "blake2b"  # twice as fast as sha256, which counts where every byte of a corpus is read


def default_cache() -> Path:
    """`EMBLOOM_CACHE`, or `embloom` in the user's cache folder."""
    if place := os.environ.get("EMBLOOM_CACHE"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "embloom"


def cached(cache: Path, key: str, files: Sequence[str], build: Callable[[Path], None]) -> Path:
    """An entry of the cache, built if it is not there, or not sound.

    Args:
        cache: the folder of all entries.
        key: the entry's name.
        files: what it must hold.
        build: writes them into a folder.

    Raises:
        OSError: it cannot be written.
    """
    entry = cache / key
    damage = damage_of(entry, files)
    if damage is not None:
        cache.mkdir(parents=True, exist_ok=True)
        with _lock(cache / f"{key}.lock"):
            damage = damage_of(entry, files)
            if damage:
                print(f"warning: the cache {entry} is damaged ({damage}): it is built again", file=sys.stderr)
                shutil.rmtree(entry)
            if damage is not None:
                _build_entry(cache, key, build)
    return entry


def _build_entry(cache: Path, key: str, build: Callable[[Path], None]) -> None:
    # Whoever holds the lock is alone, so an unfinished folder of this key was left by a process that died.
    for left in cache.glob(f"{key}.*.building"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{key}.", suffix=".building", dir=cache))
    try:
        build(folder)
        seal(folder)
        os.rename(folder, cache / key)
        sync(cache)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold a file's lock; the system releases it when the process dies."""
    try:
        import fcntl
    except ImportError:  # no such locks here: two builds at once do the work twice, and the first one stays
        yield
        return
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def seal(folder: Path) -> None:
    """Writes down what every file of an entry holds, and brings all of it to the disk."""
    digests = {path.name: file_hash(path, HASH) for path in sorted(folder.iterdir())}
    (folder / SEAL).write_text(json.dumps(digests), encoding="utf-8")
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def sync(path: Path) -> None:
    """Brings a file, or a folder's list of files, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def damage_of(entry: Path, files: Sequence[str]) -> str | None:
    """What is wrong with an entry: None where nothing is, "" where there is no entry.

    Every byte is read; a gigabyte takes about a second.
    """
    if not entry.is_dir():
        return ""
    try:
        digests = json.loads((entry / SEAL).read_text(encoding="utf-8"))
        for name in files:
            if file_hash(entry / name, HASH) != digests[name]:
                return f"{name} is not what was written"
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{SEAL}: {type(error).__name__}"
    return None
