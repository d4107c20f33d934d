"""What to type where an encoder is not the one that its initial weights were trained in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embloom.artifact.weights import Source

WITHOUT_EFFECT = ("dropout", "sparse", "dtype", "pretrained", "frozen", "seed")  # on what weights compute


def differing(here: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """The settings of the source's encoder, as they are typed, that change what an encoder of the same kind computes,
    and are others here. Widths are left out where they may be written in several ways."""
    if here.get("_target_") != there.get("_target_"):
        return []
    found = []
    for name, value in there.items():
        plain = isinstance(value, (bool, int, float)) or (isinstance(value, str) and value.isalpha())
        if plain and name in here and here[name] != value and not name.endswith(WITHOUT_EFFECT):
            found.append(f"encoder.{name}={str(value).lower() if isinstance(value, bool) else value}")
    return found


def advice(
    source: Source, settings: Mapping[str, Any], other: Sequence[str], names: Sequence[str], of_words: bool
) -> str:
    """What to type where nothing of a source fits.

    Args:
        source: it.
        settings: of the encoder.
        other: see `differing`.
        names: of the encoder's tensors.
        of_words: whether the encoder has a row for each word.
    """
    there, here = (str(node.get("_target_", "")).rpartition(".")[2] for node in (source.encoder, settings))
    if other:
        return f": add the settings that it was trained with: {' '.join(other)}"
    if there and there != here:
        table = f"; vectors of words do, after embloom export {source.path} --to word2vec -o words.vec"
        return f": it is {there}, and this is {here}" + (table if source.keys and of_words else "")
    return (
        f", which has {', '.join(names)}; it has {', '.join(source.weights)}. Name what goes where: "
        "'init_from.map={here: there}'"
    )
