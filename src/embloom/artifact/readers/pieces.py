"""Texts to the numbers of pieces of words, of a byte-pair vocabulary that the `tokenizers` library trains."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embloom.artifact.readers.text import TextReader

INNER = "##"  # begins a piece that goes on a word
ENDLESS = re.compile(r"\S{1000,}")  # no word: nothing is learned from it
CHARACTERS = 1000  # different ones that a vocabulary begins with, at most


class PieceReader(TextReader):
    """Turns texts into the numbers of pieces: frequent words are one piece, others are spelled from several.

    Byte-pair encoding (Sennrich et al. 2016) within words and signs; a piece that goes on a word begins with ##. The
    vocabulary and the merges are all there is to it: plain data, from which the tokenizer is built anew.

    Args:
        merges: pairs of pieces that become one, in order.
        lowercase: fold the case.
        vocabulary: the pieces that are numbered, in order.
        keys: column -> names of its numbers, of which those of `token` are the vocabulary.

    Raises:
        ValueError: the library is missing, or merges and vocabulary do not fit together.
    """

    def __init__(
        self,
        merges: Sequence[Sequence[str]],
        lowercase: bool = True,
        vocabulary: Sequence[str] | None = None,
        keys: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(lowercase=lowercase, vocabulary=vocabulary or (), keys=keys)
        pieces = list(vocabulary if vocabulary is not None else (keys or {}).get("token", ()))
        self.known = {piece: number for number, piece in enumerate(pieces)}
        self.merges = [(str(first), str(second)) for first, second in merges]
        models = library().models
        try:
            model = models.BPE(vocab=self.known, merges=self.merges, continuing_subword_prefix=INNER)
        except Exception as error:  # the library has no class of its own for what it refuses
            raise ValueError(f"merges: they do not fit the vocabulary of {len(pieces)} pieces: {error}") from error
        self.model = around(model, lowercase)

    def options(self) -> dict[str, Any]:
        """The merges; the vocabulary is among the keys."""
        return {"merges": [list(pair) for pair in self.merges], "lowercase": self.text.lowercase}

    def of_some(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Numbers of the pieces of texts that fit into memory, and how many each has."""
        found = [encoding.ids for encoding in self.model.encode_batch(list(texts), add_special_tokens=False)]
        lengths = np.array([len(ids) for ids in found], np.int64)
        ids = np.fromiter((number for ids in found for number in ids), np.int32, int(lengths.sum()))
        return ids, lengths


def library() -> Any:
    """The `tokenizers` library.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import tokenizers
        import tokenizers.models
    except ImportError as error:
        raise ValueError("pieces of words need the tokenizers library: pip install 'embloom[bpe]'") from error
    return tokenizers


def around(model: Any, lowercase: bool) -> Any:
    """A model of the library's with what it sees of a text: words and signs, in one form of Unicode."""
    from tokenizers import normalizers, pre_tokenizers

    made = library().Tokenizer(model)
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), *([normalizers.Lowercase()] if lowercase else [])])
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def trained(texts: Iterable[str], size: int, lowercase: bool) -> tuple[list[str], list[list[str]]]:
    """Finds the pieces of a vocabulary.

    Args:
        texts: to learn from.
        size: how many pieces, at most.
        lowercase: fold the case.

    Returns:
        The pieces and the merges.
    """
    import json

    tokenizers = library()
    from tokenizers import trainers

    made = around(tokenizers.models.BPE(continuing_subword_prefix=INNER), lowercase)
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, limit_alphabet=min(CHARACTERS, size // 4), continuing_subword_prefix=INNER,
        show_progress=False,
    )  # fmt: skip
    # The time that a word takes grows with the square of its length, and nothing interrupts the library.
    made.train_from_iterator((ENDLESS.sub(" ", text) for text in texts), trainer)
    model = json.loads(made.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].__getitem__)
    merges = [list(pair) if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    return pieces, merges
