"""Hashes of files, and seals: a file carries a hash of the rest of itself, so that damage is not believed.

They tell damage, not forgery: whoever writes a file can compute them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SEAL = "seal"
LINE = "# embloom seal: "  # of text, in its first line


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping that will be JSON, with its seal."""
    rest = {key: value for key, value in content.items() if key != SEAL}
    return {**rest, SEAL: seal_of(rest)}


def seal_of(content: Mapping[str, Any], before: bytes = b"") -> str:
    """A hash of what a reader of the JSON will see, and of what comes before it."""
    # Through JSON and back: a tuple is a list to that reader, and a number as a key a text.
    described = json.dumps(json.loads(json.dumps(content)), sort_keys=True)
    digest = hashlib.sha256(before)
    digest.update(described.encode())
    return digest.hexdigest()


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Identifies a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def check_seal(content: Mapping[str, Any]) -> None:
    """Compares a mapping with its seal; one that has none was written by hand or by another program.

    Raises:
        ValueError: they do not fit.
    """
    if SEAL in content and sealed(content)[SEAL] != content[SEAL]:
        raise ValueError("it is not what embloom wrote there: it is damaged, or was changed by hand")


def sealed_text(text: str) -> str:
    """A text behind a line with its seal."""
    return f"{LINE}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def unsealed_text(text: str) -> str:
    """The text behind its seal.

    Raises:
        ValueError: it has none, or they do not fit.
    """
    rest = text.partition("\n")[2]
    if sealed_text(rest) != text:
        raise ValueError("it is not what embloom wrote there: it is damaged, or was changed by hand")
    return rest
