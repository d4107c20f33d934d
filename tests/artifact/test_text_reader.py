"""Texts of any script become the words that their readers see."""

# ruff: noqa: RUF001 - letters that look alike are what this is about
from __future__ import annotations

import gzip
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from embloom.artifact.readers.text import TextReader


def words(text: str, **options: Any) -> list[str]:
    """The words that a reader of every word finds, in order."""
    reader = TextReader(**options)
    tokens = reader([text])["token"].tolist()
    met = [word for word in reader.tokenizer.words if word != "\n"]
    return [met[number] for number in tokens]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¡El niño comió piñas, camarón y güisqui!", ["el", "niño", "comió", "piñas", "camarón", "y", "güisqui"]),
        ("मैं हिन्दी में किताबें पढ़ता हूँ।", ["मैं", "हिन्दी", "में", "किताबें", "पढ़ता", "हूँ"]),
        ("Don't say it’s his, don’t.", ["don't", "say", "it’s", "his", "don’t"]),
        ("'quoted' rock'n'roll o'", ["quoted", "rock'n", "roll", "o"]),
        ("Ἡ ΟΔΟΣ· Straße", ["ἡ", "οδοσ", "strasse"]),
        ("Привет, мир: ёлка", ["привет", "мир", "ёлка"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("السَّلامُ عليكم", ["السَّلامُ", "عليكم"]),
        ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"]),
        ("ภาษาไทย ที่นี่", ["ภาษาไทย", "ที่นี่"]),
        ("தமிழ் வணக்கம்", ["தமிழ்", "வணக்கம்"]),
        ("東京に行く", ["東京に行く"]),
        ("route 66, 3.14 and _under_score_", ["route", "66", "3", "14", "and", "under", "score"]),
        ("word2vec e-mail", ["word2vec", "e", "mail"]),
        ("... — !?", []),
    ],
)
def test_words_of_any_script(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_no_script_breaks_a_word_at_a_mark() -> None:
    """Of every mark that is written on or beside letters; those of symbols, emoji and musical notes are none."""
    letters = [chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc")]
    marks = [mark for mark in letters if not re.match("[\u20d0-\u20ff\ufe00-\ufe0f]", mark)]
    broken = [mark for mark in marks if len(words(f"a{mark}b", lowercase=False)) != 1]
    assert len(marks) > 1000
    assert len(broken) < 10, broken  # Unicode gets new ones


def test_punctuation_and_symbols_are_no_part_of_words() -> None:
    signs = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code))[0] in "PSZ"]
    inside = [sign for sign in signs if sign not in "'\u2019" and words(f"a{sign}b") != ["a", "b"]]
    assert len(inside) < 10, inside


@pytest.mark.parametrize("text", ["niño", "Å", "किताब", "ñandú", "l'été"])
def test_decomposed_letters_stay_in_their_word(text: str) -> None:
    (found,) = words(unicodedata.normalize("NFD", text))
    assert unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", text.casefold())


def test_case_is_kept_on_demand() -> None:
    assert words("Don't Panic", lowercase=False) == ["Don't", "Panic"]
    assert words("a-b a_b", pattern="[a-z-]+") == ["a-b", "a", "b"]


def test_words_get_the_numbers_of_the_vocabulary() -> None:
    reader = TextReader(keys={"token": ["film", "good", "don't"]})
    found = reader(["Good film, don't miss it", "", "???", "film\nfilm"])
    assert found["token"].tolist() == [1, 0, 2, 0, 0]
    assert found["length"].tolist() == [3, 0, 0, 2]
    # What it has met before does not change what it says later.
    assert reader("a good one")["token"].tolist() == [1]
    assert reader(["miss it", "don't"])["length"].tolist() == [0, 1]
    assert reader([])["token"].tolist() == []


def test_texts_from_lines_tables_and_files(tmp_path: Path) -> None:
    texts = ["a good film", "", "not, so good"]
    (tmp_path / "lines.txt").write_text("\n".join(texts) + "\n")
    (tmp_path / "lines.txt.gz").write_bytes(gzip.compress(("\r\n".join(texts) + "\n").encode()))
    (tmp_path / "cells.csv").write_text('id,text,other\n1,a good film,x\n2,,x\n3,"not, so good",x\n')
    (tmp_path / "files").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "files" / f"{number}.txt").write_text(text)
    reader = TextReader()
    for name in ("lines.txt", "lines.txt.gz", "cells.csv"):
        parts = list(reader.open(str(tmp_path / name), None, 2).parts)
        assert [text for part in parts for text in part.inputs] == texts
        assert [name for part in parts for name in part.names] == ["0", "1", "2"]
    inputs = reader.open(str(tmp_path / "files"), None, 2)
    assert inputs.count == 3
    parts = list(inputs.parts)
    assert [text for part in parts for text in part.inputs] == texts
    assert [Path(name).name for part in parts for name in part.names] == ["0.txt", "1.txt", "2.txt"]
    with pytest.raises(ValueError, match="has no column 'label' but id, text, other"):
        list(reader.open(str(tmp_path / "cells.csv"), "label", 2).parts)


def test_its_options_make_it_again() -> None:
    reader = TextReader(pattern="[a-z]+", lowercase=False, vocabulary=["b", "a"])
    again = TextReader(**reader.options(), keys={"token": ["b", "a"]})
    assert again(["a Bb a"])["token"].tolist() == reader(["a Bb a"])["token"].tolist()


@pytest.mark.parametrize("pattern", ["(", "(a)b"])
def test_a_pattern_that_is_none_is_named(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^pattern="):
        TextReader(pattern=pattern)
