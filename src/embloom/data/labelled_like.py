"""Labelled texts, read as a trained embedding reads them: to probe its layers, or to start a classifier from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from embloom.artifact.readers.base import Reader
from embloom.artifact.readers.model_tokens import is_model_folder, reader_of_model
from embloom.artifact.readers.text import TextReader
from embloom.artifact.readers.tokenizer import tokenizer_identity
from embloom.artifact.saving import artifact_folder, read_card
from embloom.assembly.build import build
from embloom.data.labelled_text import LabelledText
from embloom.data.tokenized_texts import LabelledSource


class LabelledLike(LabelledText):
    """As `LabelledText`, but for the words or pieces: those of a run, with their numbers.

    Args:
        like: a run folder, or its `embeddings/`, of an encoder of texts; or the folder of a pretrained model that has a
            `tokenizer.json`.
        batch_size, path, test_path, text, label, classes, train_size, val_fraction, test_fraction, split_seed,
            cache: see `LabelledText`.

    Raises:
        ValueError: an option is out of range, or the run reads no texts; on `measure`, the texts cannot be read.
    """

    def __init__(
        self,
        batch_size: int,
        path: str,
        like: str,
        test_path: str | None = None,
        text: str = "text",
        label: str = "label",
        classes: Sequence[str] | None = None,
        train_size: int | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        split_seed: int = 0,
        cache: str | None = None,
        resident: bool | str = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(
            batch_size,
            path,
            test_path=test_path,
            text=text,
            label=label,
            classes=classes,
            train_size=train_size,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            cache=cache,
            resident=resident,
            seed=seed,
        )
        self.like = read_as(like)
        self.source = LikeSource(**vars(self.source), like=self.like)

    def measure(self) -> None:
        """Reads everything, once into the cache."""
        super().measure()
        self.reader = self.like.reader


@dataclass(frozen=True)
class Like:
    """How texts are read.

    Attributes:
        reader: what does it.
        vocabulary: its words or pieces.
        identity: a hash of both.
    """

    reader: TextReader
    vocabulary: list[str]
    identity: str


@dataclass(frozen=True)
class LikeSource(LabelledSource):
    """Texts read as something else reads them."""

    like: Like = field(kw_only=True)

    def described(self) -> dict[str, Any]:
        """See `LabelledSource`."""
        return {**super().described(), "like": self.like.identity}

    def tokens(self, texts: Mapping[str, Sequence[str]]) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
        """See `LabelledSource`."""
        return {split: self.like.reader(some) for split, some in texts.items()}, self.like.vocabulary


def read_as(run: str) -> Like:
    """How a run or a pretrained model reads texts.

    Raises:
        ValueError: there is no artifact, or it reads no texts.
    """
    folder = Path(run).expanduser()
    if not folder.exists():
        raise ValueError(
            f"like={run} is not there: name a run of an encoder of texts, or the folder of a pretrained model with its "
            "tokenizer.json"
        )
    if is_model_folder(folder):
        model = reader_of_model(folder)
        return like(model, model.pieces())
    try:
        card = read_card(artifact_folder(run))
    except ValueError as error:
        lacks = (folder / "config.json").is_file() and "there is no tokenizer.json: save the tokenizer beside the model"
        raise ValueError(f"like={run}: {lacks or error}") from error
    tables = [table for table, column in card["columns"].items() if column == "token" and table in card["keys"]]
    names = card["keys"][tables[0]] if tables else card["column_keys"].get("token")
    reader = build(card["reader"], Reader, where="reader", supplied={"keys": {"token": names or []}})
    if not isinstance(reader, TextReader) or not names:
        raise ValueError(f"like={run}: it reads no texts: name a run of an encoder of texts")
    return like(reader, names)


def like(reader: TextReader, vocabulary: list[str]) -> Like:
    """With its identity."""
    options = reader.options()
    source = tokenizer_identity(options.get("tokenizer"))
    described = json.dumps([type(reader).__name__, options, source, vocabulary], sort_keys=True).encode()
    return Like(reader, vocabulary, hashlib.blake2b(described, digest_size=16).hexdigest())
