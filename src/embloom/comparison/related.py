"""What the lineage of one version says of the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from embloom.artifact.ancestry import walked
from embloom.artifact.saving import artifact_folder
from embloom.comparison.collect import Recorded

# What is done to a parent so that its vectors and the child's lie in one space.
ONE_SPACE = ("grown from", "aligned to", "compatible with")


def relation(runs: Sequence[Recorded], hashes: tuple[str, str]) -> tuple[str, bool]:
    """What the lineage of one says about the other, and whether that promises one space."""
    for child, parent, what in ((1, 0, "the second"), (0, 1, "the first")):
        if runs[child].vectors is not None or not hashes[parent]:
            continue
        for steps in paths(runs[child].folder, hashes[parent]):
            way = ", which was ".join(f"{how} {'the other' if i == len(steps) - 1 else 'one'}"
                                      for i, how in enumerate(steps))  # fmt: skip
            return f"{what} was {way}", all(how in ONE_SPACE for how in steps)
    return "", False


def paths(folder: Path, content_hash: str) -> Iterator[list[str]]:
    """What was done, step by step, from an embedding back to another one."""
    steps: list[str] = []
    try:
        for depth, one in walked(artifact_folder(folder)):
            steps[max(0, depth - 1) :] = [one.how] if depth else []
            if depth and one.content_hash == content_hash:
                yield list(steps)
    except (ValueError, OSError):
        return
