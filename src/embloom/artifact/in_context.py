"""The vectors of a word among the others of its text, and the last of an encoder's layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from embloom.artifact.extractor import Extractor
from embloom.artifact.readers.pieces import INNER
from embloom.artifact.readers.text import TextReader
from embloom.assembly.parameters import positive_integers

HIDDEN, TOKENS = re.compile(r"hidden_(\d+)"), "tokens"


def last_layers(layers: Iterable[str], count: int) -> list[str]:
    """The last hidden layers, in order.

    Raises:
        ValueError: there are not so many.
    """
    positive_integers(last=count)
    found = sorted((int(match[1]), name) for name in layers if (match := HIDDEN.fullmatch(name)))
    if len(found) < count:
        there = ", ".join(name for _, name in found) or "none"
        raise ValueError(f"last={count}: there are {len(found)} hidden layers: {there}")
    return [name for _, name in found[-count:]]


def by_position(layer: str, layers: Iterable[str]) -> str:
    """What has a vector for each position, of a layer that is their mean: `hidden_3` -> `tokens_3`.

    Raises:
        ValueError: there is none.
    """
    found = HIDDEN.fullmatch(layer)
    name = f"{TOKENS}_{found[1]}" if found else TOKENS if layer == "embedding" else layer
    if name not in layers or not name.startswith(TOKENS):
        raise ValueError(
            f"layer '{layer}' has no vector for each position: it takes a run of encoder=transformer or encoder=lstm, "
            "and embedding or hidden_0, hidden_1, ..."
        )
    return name


def occurrences(extract: Extractor, texts: Sequence[str], word: str) -> tuple[list[int], Tensor]:
    """The vectors of a word wherever it stands in some texts, the mean of those of its pieces.

    Args:
        extract: of layers by position.
        texts: raw ones.
        word: as it stands in them; several words are taken as they follow each other.

    Returns:
        Which text each occurrence is in (N,), and the vectors (N, D).

    Raises:
        ValueError: the word is unknown, or the run reads no texts.
    """
    reader = extract.reader
    if not isinstance(reader, TextReader) or reader.known is None:
        raise ValueError("this run reads no texts")
    wanted = reader([word])["token"].long()
    if not len(wanted):
        raise ValueError(f"'{word}' is not in the vocabulary of {len(reader.known):,}")
    columns = reader(list(texts))
    token, length = columns["token"].long(), columns["length"]
    text = torch.repeat_interleave(length)
    # A word ends where the next piece does not go on it.
    inner = torch.tensor([name.startswith(INNER) for name in reader.known] or [False])
    begins = [start for start in (token == wanted[0]).nonzero()[:, 0].tolist()
              if stands(token, text, inner, start, wanted)]  # fmt: skip
    if not len(token):
        return [], torch.empty(0, 0)
    outputs = extract.outputs(columns)
    vectors = [outputs[name].float() for name in extract.names]
    whole = torch.cat(vectors, 1) if extract.combine == "concat" else torch.stack(vectors).mean(0)
    found = [whole[start : start + len(wanted)].mean(0) for start in begins]
    return [int(text[start]) for start in begins], torch.stack(found) if found else whole[:0]


def stands(token: Tensor, text: Tensor, inner: Tensor, start: int, wanted: Tensor) -> bool:
    """Whether a word's pieces stand at a place, all of one text, and the word ends with them."""
    end = start + len(wanted)
    if end > len(token) or not torch.equal(token[start:end], wanted) or text[start] != text[end - 1]:
        return False
    return end == len(token) or bool(text[end] != text[start]) or not bool(inner[token[end]])
