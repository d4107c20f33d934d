"""Which regular expressions could take forever, and that the usual ones do not count among them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from embloom.artifact.readers.patterns import is_catastrophic
from embloom.artifact.readers.tokenizer import PATTERN

# With a text on which Python may need hours.
FOREVER = {
    r"(?:a+)+$": "a" * 40 + "!",
    r"(?:a|aa)+$": "a" * 80 + "!",
    r"(?:\w+\s?)+:": "a" * 40,
    r"(?:a*)*b": "a" * 40,
    r"(?:a?b?)+x": "ab" * 40,
    r"(?:[a-z]+|\d)*!": "a" * 40,
    r"(?:.*a){12}": "b" + "ab" * 40,
    r"(?:(?:a+)+b)*": "a" * 40,
    r"(?:[\u0e01-\u0e2e]+)+x": "\u0e05" * 40,
    r"(?=(?:a+)+$)x": "a" * 40 + "!",
    r"(?:a{1,30}){1,30}$": "a" * 60 + "!",
    r"(?:x+x+)+y": "x" * 60,
}
USUAL = (
    PATTERN, f"(?:{PATTERN})|\n", r"\w+", r"\w+(?:['-]\w+)*", r"\w+(?:['-]\w+)*\b", r"\S+", r"(?:\w+@)+\w+\.",
    r"(?:[A-Z][a-z]+)+\b", r"(?:\d{3}-){2}\d{4}", r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}", r"(?:\d{3}\d{2})+x",
    r"https?://\S+|\w+|[^\w\s]", r"\$?\d+(?:[.,]\d+)*%?", r"(?:[^\W\d_]\.)+[^\W\d_]\b", r"(?u)\b\w\w+\b", r"[a-z]{3,}",
    r"(?:ab|cd)+e",
)  # fmt: skip


@pytest.mark.parametrize("pattern", FOREVER)
def test_what_could_take_forever_is_found(pattern: str) -> None:
    assert is_catastrophic(pattern)


@pytest.mark.parametrize("pattern", [r"(?:a+)+$", r"(?:\w+\s?)+:", r"(?:x+x+)+y"])
def test_it_would_take_forever(pattern: str) -> None:
    code = f"import re; re.findall({pattern!r}, {FOREVER[pattern]!r})"
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run([sys.executable, "-c", code], timeout=1, check=True)


@pytest.mark.parametrize("pattern", USUAL)
def test_the_usual_ones_are_quick(pattern: str) -> None:
    assert not is_catastrophic(pattern)
    for text in ("a" * 3000 + "!", "1,2." * 500, "A" * 3000, "a-" * 1500, "e\u0301" * 1500, "abcd" * 500):
        re.findall(pattern, text)
