"""The documents as tests read them: fenced blocks, the commands and the files in them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LANGUAGES = ("sh", "python", "yaml", "text")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Hydra wants its own comment to be the first.
NAMED = re.compile(r"(?:# @package .*\n)?# ([\w/.]+\.(?:py|yaml|sh))\n")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: what stands behind the fence.
        text: what it holds.
    """

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is, where its first line says so: `# mine/two.py`."""
        found = NAMED.match(self.text)
        return found[1] if found else None

    def commands(self) -> list[list[str]]:
        """Its lines as a shell parts them, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(document: Path) -> list[Block]:
    """All fenced blocks of a document."""
    return [Block(language, text) for language, text in FENCE.findall(document.read_text(encoding="utf-8"))]


def commands(document: Path) -> list[list[str]]:
    """All commands of a document, in order."""
    shell = [block for block in blocks(document) if block.language == "sh" and not block.file]
    return [words for block in shell for words in block.commands()]


def python(document: Path) -> str:
    """All Python of a document that is no file, in order."""
    return "\n".join(block.text for block in blocks(document) if block.language == "python" and not block.file)


def files(document: Path) -> dict[str, str]:
    """The files that a document shows: path -> text."""
    return {block.file: block.text for block in blocks(document) if block.file}


def write_files(document: Path, folder: Path) -> None:
    """Writes them under a folder."""
    for name, text in files(document).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
