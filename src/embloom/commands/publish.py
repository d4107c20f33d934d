"""`embloom publish`: a trained embedding as a folder that can be given away, as the Hugging Face hub expects it.

A model card `README.md`, `config.json` and `model.safetensors`; nothing is sent anywhere. `embloom.load` reads it back:
the weights are copied byte by byte, so the content hash stays.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embloom.commands.opening import opened, own_option
from embloom.files.atomic import write_whole
from embloom.files.run_folder import is_locked
from embloom.files.run_state import STATE, read_state, resume_command
from embloom.files.seal import sealed

LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,40}")
UNKNOWN = "unknown"  # as the hub says it
# An absolute path, or one from the home folder, up to its last part; addresses of the web are none.
FOLDERS = re.compile(r"(?<![\w:/.~])(?:~|/|\.\./)[^\s'\"=,;:()\[\]{}]*/")
NOT_PUBLISHED = ("logger",)  # groups of the configuration: where somebody logs is theirs
HELD = {"users": "people"}  # tables whose rows are named after somebody


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom publish", description=__doc__)
    made.add_argument("run", metavar="RUN", help="the folder of a finished run")
    made.add_argument("folder", metavar="FOLDER", type=Path, help="a new folder")
    made.add_argument(
        "--license",
        default=UNKNOWN,
        metavar="ID",
        help="of what was trained, as the hub writes it: mit, cc-by-4.0, ...",
    )
    own_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: the run has not finished or is damaged, or there is something at the folder.
    """
    options = parser().parse_args(arguments)
    if not LICENSE.fullmatch(options.license):
        raise ValueError(f"--license {options.license}: write it as the Hugging Face hub does: mit, apache-2.0, ...")
    check_free(options.folder)
    check_finished(Path(options.run))
    card = publish(options.run, options.folder, options.license, options.config_dir)
    where = shlex.quote(str(options.folder))
    print(f"published: {options.folder} (README.md, config.json, model.safetensors)")
    for table, who in HELD.items():
        if names := card["keys"].get(table):
            print(f"it holds the names of {len(names):,} {who} and what they had: may you give that away?")
    if options.license == UNKNOWN:
        print("license: unknown; say it with --license, or in the first lines of README.md")
    print(f"read it with:     embloom card {where}, or embloom.load({str(options.folder)!r}) in Python")
    print(f"upload it with:   hf upload NAME {where}")


def check_finished(run: Path) -> None:
    """Refuses a run that has not ended well: its artifact, if there is one, is of an earlier training.

    Raises:
        ValueError: it runs, was stopped or killed, failed, or what it says cannot be read.
    """
    for folder in (run, run.parent) if run.name == "embeddings" else (run,):
        if not (folder / STATE).is_file():
            continue
        state = read_state(folder)
        if is_locked(folder):
            raise ValueError(f"{folder} is in use by another embloom process: wait for it")
        if state.state != "finished":
            what = {"running": "was killed", "failed": "failed"}.get(state.state, "was stopped")
            raise ValueError(f"{folder} {what} and has not finished: {resume_command(folder, state.config_dirs)}")


def check_free(folder: Path) -> None:
    """Nothing is ever overwritten.

    Raises:
        ValueError: there is something at that place.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise ValueError(f"there is something at {folder} already, and nothing is overwritten: name a new folder")


def publish(run: str, folder: Path, license_name: str, config_dir: str | None) -> dict[str, Any]:
    """Writes the folder, whole or not at all.

    Returns:
        The card in it.

    Raises:
        ValueError: the artifact is damaged, needs parts that nobody named, or somebody was faster.
    """
    from embloom.artifact.saving import HUB_CARD, HUB_LAYERS, artifact_folder, content_hash, files_of, read
    from embloom.commands.model_card import readme
    from embloom.encoders.recommender import Recommender

    embedding = opened(run, config_dir)
    content = files_of(artifact_folder(run))[1].read_bytes()
    card = sealed(public(embedding.card))
    if content_hash(content, card) != embedding.content_hash:
        raise ValueError(f"{run} has changed while it was read: is it being trained?")
    text = readme(card, folder.resolve().name, license_name, isinstance(embedding.encoder, Recommender))
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        made.mkdir()
        write_whole(made / HUB_LAYERS, lambda file: file.write(content))
        write_whole(made / HUB_CARD, lambda file: file.write(json.dumps(card, indent=2, ensure_ascii=False).encode()))
        write_whole(made / "README.md", lambda file: file.write(text.encode()))
        read(made)
        check_free(folder)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return card


def public(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card without what is nobody else's: folders of this machine, where it was logged; and without figures that
    JSON has not (NaN). What the content hash is about stays as it is."""
    from embloom.artifact.saving import AFTER, HASHED

    config = {group: node for group, node in card.get("config", {}).items() if group not in NOT_PUBLISHED}
    kept = [key for key in (*HASHED, AFTER) if key in card]
    told = {key: value for key, value in card.items() if key not in kept and key != "config"}
    return {**{key: card[key] for key in kept}, **without_folders(told), "config": without_folders(config)}


def without_folders(value: Any) -> Any:
    """Of every path of this machine its last part; no number that is none, since JSON has no word for it."""
    if isinstance(value, Mapping):
        return {key: without_folders(inner) for key, inner in value.items() if not is_nan(inner)}
    if isinstance(value, list):
        return [without_folders(inner) for inner in value if not is_nan(inner)]
    if not isinstance(value, str):
        return value
    whole = value.startswith(("/", "~", "../")) and "\n" not in value
    parts = [part for part in Path(value).parts if part != "embeddings"] if whole else []
    return parts[-1] if parts else FOLDERS.sub("", value)


def is_nan(value: Any) -> bool:
    """NaN or an infinity."""
    return isinstance(value, float) and not math.isfinite(value)
