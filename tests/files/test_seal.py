"""Seals tell damage."""

from __future__ import annotations

import json

import pytest

from embloom.files.seal import SEAL, check_seal, sealed, sealed_text, unsealed_text


def test_a_changed_value_is_noticed_and_a_file_without_a_seal_is_taken() -> None:
    content = {"a": 1, "b": {"c": [1.5, None, "x"]}, "metrics": {"loss": float("nan")}}
    written = json.loads(json.dumps(sealed(content)))
    check_seal(written)
    check_seal(content)
    assert {key: value for key, value in written.items() if key != SEAL}.keys() == content.keys()
    with pytest.raises(ValueError, match="damaged, or was changed by hand"):
        check_seal({**written, "a": 2})
    with pytest.raises(ValueError, match="damaged, or was changed by hand"):
        check_seal({**written, "more": 2})


@pytest.mark.parametrize("damage", ["", "a: 1\n", "# embloom seal: 12\na: 1\n", "SHORT", "LONG", "OTHER"])
def test_a_text_is_taken_with_its_seal_only(damage: str) -> None:
    text = sealed_text("a: 1\nb: 2\n")
    assert unsealed_text(text) == "a: 1\nb: 2\n"
    changed = {"SHORT": text[:-5], "LONG": text + "c: 3\n", "OTHER": text.replace("2\n", "3\n")}.get(damage, damage)
    with pytest.raises(ValueError, match="damaged, or was changed by hand"):
        unsealed_text(changed)
