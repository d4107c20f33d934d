"""Texts to the token ids of a pretrained model, by the tokenizer that came with it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.pieces import library
from embloom.artifact.readers.text import TextReader
from embloom.assembly.parameters import positive_integers
from embloom.files.tensors import first_line

FILE, ABOUT, MODEL = "tokenizer.json", "tokenizer_config.json", "config.json"
LONGEST = 512  # tokens of a text, where the model does not say


class ModelTokenReader(TextReader):
    """Turns texts into the token ids of a pretrained model, with the tokens that it sets around them.

    Args:
        tokenizer_json: what `tokenizer.json` says: plain data, from which the tokenizers library builds it.
        max_length: longer texts are cut after so many tokens.
        vocabulary: what the tokens are called.
        keys: column -> names of its numbers.

    Raises:
        ValueError: the library is missing, or it is no tokenizer of the library's.
    """

    def __init__(
        self,
        tokenizer_json: str,
        max_length: int = LONGEST,
        vocabulary: Sequence[str] | None = None,
        keys: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(vocabulary=vocabulary, keys=keys)
        positive_integers(max_length=max_length)
        self.json, self.max_length = tokenizer_json, max_length
        try:
            self.model = library().Tokenizer.from_str(tokenizer_json)
        except ValueError:
            raise
        except Exception as error:  # the library has no class of its own for what it refuses
            raise ValueError(f"tokenizer_json is no tokenizer: {first_line(error)}") from error
        self.model.no_padding()
        self.model.enable_truncation(max_length)

    def options(self) -> dict[str, Any]:
        """The tokenizer itself."""
        return {"tokenizer_json": self.json, "max_length": self.max_length}

    def pieces(self) -> list[str]:
        """What the tokens are called, by number."""
        names = self.model.get_vocab(with_added_tokens=True)
        found = [""] * (max(names.values(), default=-1) + 1)
        for name, number in names.items():
            found[number] = name
        return found

    def of_some(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Token ids of texts that fit into memory, and how many each has."""
        found = [encoding.ids for encoding in self.model.encode_batch(list(texts))]
        lengths = np.array([len(ids) for ids in found], np.int64)
        return np.fromiter((number for ids in found for number in ids), np.int32, int(lengths.sum())), lengths


def is_model_folder(place: Path) -> bool:
    """Whether a folder holds a pretrained model with its tokenizer."""
    return (place / FILE).is_file()


def reader_of_model(place: Path) -> ModelTokenReader:
    """The tokenizer in the folder of a pretrained model.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        text = (place / FILE).read_text(encoding="utf-8")
        about, model = (
            json.loads((place / name).read_text(encoding="utf-8")) if (place / name).is_file() else {}
            for name in (ABOUT, MODEL)
        )
        return ModelTokenReader(text, longest(about, model))
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"the tokenizer in {place} cannot be read: {first_line(error)}") from error


def longest(about: Mapping[str, Any], model: Mapping[str, Any]) -> int:
    """So many tokens a model takes: what its tokenizer says, and no more than it has positions.

    Args:
        about: the tokenizer's settings.
        model: the model's, `config.json`.
    """
    said = about.get("model_max_length")
    most = int(said) if isinstance(said, (int, float)) and 0 < said < 1e6 else LONGEST
    positions = model.get("max_position_embeddings", model.get("n_positions"))
    if not isinstance(positions, int) or positions < 1:
        return most
    if "roberta" in str(model.get("model_type")):  # which count from the number of the padding on
        positions -= int(model.get("pad_token_id") or 0) + 1
    return min(most, positions)
