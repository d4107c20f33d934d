"""Walks from an embedding to those that it comes from, as far as they are still there.

A card names a parent by the hash of its content and by the path where it was. What stands at that path now may be
another one; the parent is then looked for by its hash, among the runs beside its child and in `outputs`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embloom.artifact.lineage import Parent, parents_of
from embloom.artifact.saving import CARD, HUB_CARD, artifact_folder, read_card
from embloom.files.seal import file_hash

HASH = re.compile(rb'"content_hash": "([^"]{1,99})"')
OUTPUTS = "outputs"
DEEPEST, MOST = 40, 1000  # levels and lines of a walk
LEVELS, FOLDERS = 5, 20_000  # of folders that are searched


@dataclass
class Ancestor:
    """One line of a lineage.

    Attributes:
        how: what its child did with it; '' for the embedding that was asked about.
        path: where it was.
        content_hash: of its artifact.
        folder: where it is; None where it is not found.
        card: what its card says; None where it has none.
        note: what is odd.
    """

    how: str
    path: str
    content_hash: str
    folder: Path | None = None
    card: Mapping[str, Any] | None = None
    note: str = ""


def walked(folder: Path) -> Iterator[tuple[int, Ancestor]]:
    """An embedding and all that it comes from, depth first, each with its depth.

    An embedding that several others come from is followed once; a circle, which only a forged card can make, ends where
    it closes.

    Args:
        folder: of an artifact.

    Raises:
        ValueError: there is no artifact.
    """
    card = read_card(folder)
    finder = Finder(folder)
    first = Ancestor("", str(folder), card["content_hash"], folder, card)
    waiting: list[tuple[int, Ancestor, tuple[Path, ...]]] = [(0, first, (folder.resolve(),))]
    followed: set[Path] = set()
    for _ in range(MOST):
        if not waiting:
            return
        depth, one, line = waiting.pop()
        place = one.folder.resolve() if one.folder else None
        again = place in followed
        if depth and place in line[:-1]:
            one.note, again = "one of those that come from it: the cards go round in a circle", True
        elif again and one.card is not None and parents_of(one.card):
            one.note = "what it comes from stands above"
        if again:
            one.card = None
        yield depth, one
        if one.card is None or place is None or depth == DEEPEST:
            continue
        followed.add(place)
        parents = [finder.found(parent) for parent in parents_of(one.card)]
        waiting += [(depth + 1, p, (*line, (p.folder or Path()).resolve())) for p in reversed(parents)]


class Finder:
    """Finds artifacts by path and hash.

    Args:
        folder: the artifact whose neighborhood is searched.
    """

    def __init__(self, folder: Path) -> None:
        run = folder.resolve().parent if folder.name == "embeddings" else folder.resolve()
        above = next((place for place in run.parents if place.name == OUTPUTS), run.parent)
        self.beside, self.roots = run.parent, list(dict.fromkeys([above, Path(OUTPUTS).resolve()]))
        self.known: dict[str, list[Path]] | None = None

    def found(self, parent: Parent) -> Ancestor:
        """Where a parent is now, and what its card says."""
        made = Ancestor(parent.how, parent.path, parent.content_hash)
        for place in (Path(parent.path), self.beside / Path(parent.path).name):
            try:
                if self.is_it(place, parent.content_hash, made):
                    made.note = ""
                    return made
            except (OSError, ValueError, RuntimeError):  # no artifact, or no path of this machine
                continue
        for place in self.by_hash(parent.content_hash):
            card = readable(place)
            if card is not None and card["content_hash"] == parent.content_hash:
                made.note = f"{made.note}; found by its hash".removeprefix("; ")
                made.folder, made.card = place, card
                return made
        made.note = made.note or "not found"
        return made

    def is_it(self, place: Path, content_hash: str, made: Ancestor) -> bool:
        """Looks at a path, and notes what is there."""
        if place.expanduser().is_file():
            there = f"sha256:{file_hash(place.expanduser())}"
            made.folder = place if there == content_hash else None
        else:
            folder = artifact_folder(place)
            card = read_card(folder)
            there = card["content_hash"]
            made.folder, made.card = (folder, card) if there == content_hash else (None, None)
        if there != content_hash:
            short = there.removeprefix("sha256:")[:12]
            made.note = made.note or f"another embedding ({short}) is at its path now"
        return there == content_hash

    def by_hash(self, content_hash: str) -> list[Path]:
        """Folders whose card mentions the hash as one."""
        if self.known is None:
            self.known = {}
            for place, content in cards(self.roots):
                for found in HASH.findall(content):
                    self.known.setdefault(found.decode(errors="replace"), []).append(place)
        return self.known.get(content_hash, [])


def cards(roots: list[Path]) -> Iterator[tuple[Path, bytes]]:
    """The artifacts' folders below some folders, with the content of their cards; links are not followed."""
    seen: set[str] = set()
    for root in roots:
        for number, (folder, inner, files) in enumerate(os.walk(root)):
            if number == FOLDERS:
                break
            inner[:] = sorted(name for name in inner if name[0] != ".")
            if len(Path(folder).parts) - len(root.parts) >= LEVELS:
                inner.clear()
            name = next((name for name in (CARD, HUB_CARD) if name in files), None)
            if name is not None and folder not in seen and os.path.isfile(os.path.join(folder, name)):
                seen.add(folder)
                try:
                    yield Path(folder), Path(folder, name).read_bytes()
                except OSError:
                    continue


def readable(folder: Path) -> dict[str, Any] | None:
    """A card, or None where it is damaged."""
    try:
        return read_card(folder)
    except (ValueError, OSError):
        return None
