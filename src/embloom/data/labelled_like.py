"""Labelled texts, read as a trained embedding reads them: to probe its layers, or to start a classifier from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.artifact.readers.base import Reader
from embloom.artifact.readers.model_tokens import is_model_folder, reader_of_model
from embloom.artifact.readers.text import TextReader
from embloom.artifact.saving import artifact_folder, read_card
from embloom.assembly.build import build
from embloom.data.base import Split
from embloom.data.labelled_text import LabelledText
from embloom.files.tables import labelled


class LabelledLike(LabelledText):
    """As `LabelledText`, but for the words or pieces: those of a run, with their numbers.

    Args:
        like: a run folder, or its `embeddings/`, of an encoder of texts; or the folder of a pretrained model that has a
            `tokenizer.json`.
        batch_size, path, test_path, text, label, classes, train_size, val_fraction, test_fraction, split_seed: see
            `LabelledText`.

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
            resident=resident,
            seed=seed,
        )
        self.columns_of = (label, text)
        self.only = None if classes is None else [str(name) for name in classes]
        self.reads, self.vocabulary = reader_of(like)

    def measure(self) -> None:
        """Reads everything."""
        places = {"train": self.train_path, **({} if self.test_path is None else {"test": self.test_path})}
        read = {split: labelled(place, *self.columns_of) for split, place in places.items()}
        names = self.only or sorted(set(read["train"][0]))
        if len(names) < 2:
            raise ValueError(f"{self.train_path} has {len(names)} classes in its column or folders: it takes two")
        number = {name: i for i, name in enumerate(names)}
        found: dict[Any, dict[str, Tensor]] = {}
        for split, (labels, texts) in read.items():
            kept = [(number[label], text) for label, text in zip(labels, texts, strict=True) if label in number]
            if not kept or (self.only is None and len(kept) < len(labels)):
                raise ValueError(f"{places[split]} has no text of the classes {', '.join(names)}, or others than these")
            columns = self.reads([text for _, text in kept])
            found[split] = {**columns, "label": torch.tensor([label for label, _ in kept])}
        self.names = {"label": names}
        self.texts: dict[Split, dict[str, Tensor]] = self.parted(found)
        self.reader = self.reads
        self.sizes = {"token": len(self.vocabulary), "length": 1, "label": len(names)}


def reader_of(run: str) -> tuple[Reader, list[str]]:
    """What reads texts as a run or a pretrained model does, and its vocabulary.

    Raises:
        ValueError: there is no artifact, or it reads no texts.
    """
    if is_model_folder(Path(run).expanduser()):
        model = reader_of_model(Path(run).expanduser())
        return model, model.pieces()
    try:
        card = read_card(artifact_folder(run))
    except ValueError as error:
        raise ValueError(f"like={run}: {error}") from error
    tables = [table for table, column in card["columns"].items() if column == "token" and table in card["keys"]]
    names = card["keys"][tables[0]] if tables else card["column_keys"].get("token")
    reader = build(card["reader"], Reader, where="reader", supplied={"keys": {"token": names or []}})
    if not isinstance(reader, TextReader) or not names:
        raise ValueError(f"like={run}: it reads no texts: name a run of an encoder of texts")
    return reader, names
