"""Text to tokens: what is a word, and provisional numbers for words; nothing here needs torch."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.patterns import is_catastrophic
from embloom.assembly.own import TRUST

# Each different word takes some 300 bytes of memory. Texts of a gigabyte have one or two million.
MOST_WORDS, FRESH = 2_000_000, 200  # and one more for so many bytes
BREAK = 0  # the provisional id that ends a document
# Letters and digits of any script, with the marks that some scripts write on, beside or (joiners) between their
# letters, which Python's \w leaves out; and what follows an apostrophe: don't, l'eau is l'eau.
MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u0711-\u07f3\u07fd\u0816-\u082d\u0859-\u085b\u0898-\u08e1\u08e3-\u0963"
    "\u0981-\u09e3\u09fe-\u0a75\u0a81-\u0ae3\u0afa-\u0b63\u0b82-\u0bd7\u0c00-\u0c63\u0c81-\u0c83\u0cbc-\u0d4d"
    "\u0d57-\u0d63\u0d81-\u0df3\u0e31-\u0e3a\u0e47-\u0e4e\u0eb1-\u0ecd\u0f18-\u0f19\u0f35\u0f37\u0f39\u0f3e-\u0f84"
    "\u0f86-\u0fbc\u0fc6\u102b-\u103e\u1056-\u109d\u135d-\u135f\u1712-\u1734\u1752-\u17d3\u17dd\u180b-\u180d"
    "\u180f-\u193b\u1a17-\u1a1b\u1a55-\u1a7f\u1ab0-\u1b44\u1b6b-\u1b73\u1b80-\u1bf3\u1c24-\u1c37\u1cd0-\u1cd2"
    "\u1cd4-\u1dff\u2cef-\u2cf1\u2d7f-\u2dff\u302a-\u302f\u3099-\u309a\ua66f\ua674-\ua67d\ua69e-\ua6f1\ua802-\ua827"
    "\ua82c\ua880-\ua8c5\ua8e0-\ua8f1\ua8ff-\ua92d\ua947-\ua953\ua980-\ua9c0\ua9e5-\uaa4d\uaa7b-\uaac1\uaaeb-\uaaef"
    "\uaaf5-\uaaf6\uabe3-\uabea\uabec-\uabed\ufb1e\ufe20-\ufe2f\U00010d24-\U00010d27\U00011100-\U00011134"
    "\U00011145-\U00011146\U0001e944-\U0001e94a\u200c\u200d"
)
REST = rf"(?:[{MARKS}]+[^\W_]*)*"
PATTERN = rf"[^\W_]+{REST}(?:['\u2019][^\W\d_]+{REST})?"

Ids = NDArray[np.int32]


class Tokenizer(ABC):
    """Derive your own from this. A configuration can name such classes only, since it may be anybody's: a function
    that it names, `os:system` say, would be given the text."""

    @abstractmethod
    def __call__(self, text: str) -> Iterable[str]:
        """The tokens of a document."""


@dataclass(frozen=True)
class TextOptions:
    """How bytes become documents of tokens; part of the cache's key."""

    pattern: str = PATTERN
    lowercase: bool = True
    document: str = "line"  # or "file"
    tokenizer: str | None = None  # "package.module.Class", a `Tokenizer` instead of the pattern


@dataclass(frozen=True)
class Block:
    """A run of whole lines (or, in a line longer than a block, of whole words)."""

    data: bytes
    starts_document: bool


def load_tokenizer(name: str) -> Tokenizer:
    """Import a tokenizer, `package.module.Class`.

    Raises:
        ValueError: it cannot be imported or made, or is no `Tokenizer`.
    """
    module, _, attribute = name.rpartition(".")
    advice = "write package.module.Class, derived from embloom.artifact.readers.tokenizer.Tokenizer"
    try:
        found = getattr(TRUST.module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"tokenizer={name}: {error}; {advice}") from error
    if not (isinstance(found, type) and issubclass(found, Tokenizer)):
        raise ValueError(f"tokenizer={name} is no tokenizer: {advice}")
    try:
        return found()
    except TypeError as error:
        raise ValueError(f"tokenizer={name}: {error}") from error


def tokenizer_identity(name: str | None) -> str:
    """Name a tokenizer together with its source, so that an edited one gets its own cache."""
    if name is None:
        return ""
    try:
        return name + inspect.getsource(type(load_tokenizer(name)))
    except (OSError, TypeError):
        return name


def compile_pattern(pattern: str, by_line: bool) -> re.Pattern[str]:
    """Compile what finds the tokens, and the line ends when they end documents.

    Raises:
        ValueError: it is no regular expression, has a capturing group, or could take forever.
    """
    try:
        compiled = re.compile(f"(?:{pattern})|\n" if by_line else pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"pattern={pattern} is not a regular expression: {error}") from None
    if compiled.groups:
        raise ValueError(f"pattern={pattern}: write its groups as (?:...)")
    if is_catastrophic(pattern):
        raise ValueError(
            f"pattern={pattern}: it could take forever, as it repeats what takes the same characters in several ways. "
            r"Write such a repeat as in \w+(?:-\w+)*, where each round begins with a character of its own"
        )
    return compiled


class Interner(dict[str, int]):
    """Word -> provisional id from 1 up, in order of first sight; id 0 ends a document."""

    def __init__(self) -> None:
        super().__init__()
        self._ids = count(1)

    def __missing__(self, word: str) -> int:
        new = self[word] = next(self._ids)
        return new


class BlockTokenizer:
    """Turns blocks into provisional ids, growing one interner, and counts the undecodable bytes."""

    def __init__(self, options: TextOptions) -> None:
        self.options = options
        self.words = Interner()
        self.bad_bytes = self.bytes = 0
        self._custom = load_tokenizer(options.tokenizer) if options.tokenizer else None
        self._find = compile_pattern(options.pattern, options.document == "line").findall
        self.words["\n"] = BREAK

    def __call__(self, block: Block) -> Ids:
        """Return the provisional ids of a block, `BREAK` after each line and before a new document.

        Raises:
            ValueError: there are far more different words than any text has.
        """
        text = self._decode(block.data)
        words = self._split(text) if self._custom else self._find(text)
        ids = np.fromiter(map(self.words.__getitem__, words), np.int32, len(words))
        self.bytes += len(block.data)
        if len(self.words) > MOST_WORDS + self.bytes // FRESH:
            raise ValueError(
                f"{len(self.words):,} different words in {self.bytes >> 20:,} MiB: that is no text: choose what "
                "a word is with dataset.pattern"
            )
        return np.concatenate([np.array([BREAK], np.int32), ids]) if block.starts_document else ids

    def _split(self, text: str) -> list[str]:
        assert self._custom is not None
        parts = text.split("\n") if self.options.document == "line" else [text]
        words: list[str] = []
        for number, part in enumerate(parts):
            if number:
                words.append("\n")
            words.extend(self._custom(part))
        return words

    def _decode(self, data: bytes) -> str:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode(errors="replace")
            self.bad_bytes += text.count("\ufffd") - data.count("\ufffd".encode())
        return text.casefold() if self.options.lowercase else text
