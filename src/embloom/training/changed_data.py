"""Whether a resumed run sees the data that its checkpoint was trained on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

WHAT = {
    "dataset": "the kind of dataset",
    "rows": "the number of samples",
    "sizes": "the sizes of columns",
    "classes": "the names or the order of classes",
    "keys": "the names or the order of rows (words, items)",
    "content": "the content",
}


def check_same_data(now: Mapping[str, Any], then: Mapping[str, Any], folder: Path, accept: bool) -> None:
    """Refuses to go on with other data.

    Args:
        now: `Dataset.fingerprint` of the data as it is.
        then: that of the checkpoint.
        folder: the run folder, for the message.
        accept: only warn.

    Raises:
        ValueError: they differ, and that is not accepted or cannot be.
    """
    differ = [key for key in WHAT if now.get(key) != then.get(key)]
    if not differ:
        return
    said = "; ".join(f"{WHAT[key]}{change(then.get(key), now.get(key))}" for key in differ)
    if {"dataset", "sizes", "classes", "keys"} & set(differ):
        raise ValueError(
            f"the data has changed since {folder} was trained on it, and its weights would belong to other things: "
            f"{said}. Bring the data back, or start a new run; init_from={folder} takes over what fits"
        )
    if not accept:
        raise ValueError(
            f"the data has changed since {folder} was trained on it: {said}. Bring it back, or go on all the same with "
            "--accept-changed-data"
        )
    print(f"warning: the data has changed: {said}", file=sys.stderr)


def change(then: Any, now: Any) -> str:
    """`: train 300 -> 301`, what differs of two mappings, where that is short enough to read."""
    if not isinstance(then, Mapping) or not isinstance(now, Mapping):
        return ""
    differ = [key for key in {**then, **now} if then.get(key) != now.get(key)]
    text = ": " + ", ".join(f"{key} {then.get(key, 'none')} -> {now.get(key, 'none')}" for key in differ)
    return text if len(text) < 200 else ""
