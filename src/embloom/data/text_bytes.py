"""Texts with a class label, as the bytes that they are written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from embloom.artifact.readers.text_bytes import TextBytesReader
from embloom.data.labelled_text import LabelledText
from embloom.data.tokenized_texts import LabelledSource


class TextBytes(LabelledText):
    """Columns `token` (T,), the bytes of all texts of a batch in a row, uint8, `length` (B,), how many each has, and
    `label`.

    Args:
        path, test_path, text, label, classes, train_size, val_fraction, test_fraction, split_seed, cache: see
            `LabelledText`.

    Raises:
        ValueError: an option is out of range; on `measure`, the texts cannot be read.
    """

    def __init__(
        self,
        batch_size: int,
        path: str,
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
        self.source = ByteSource(**vars(self.source))

    def measure(self) -> None:
        """Reads everything, once into the cache."""
        super().measure()
        self.reader = TextBytesReader()
        self.sizes["token"] = 256

    def keys(self) -> dict[str, list[str]]:
        """Bytes have no names."""
        return {}


class ByteSource(LabelledSource):
    """Texts as bytes."""

    def tokens(self, texts: Mapping[str, Sequence[str]]) -> tuple[dict[str, dict[str, Tensor]], list[str]]:
        """The bytes, which need no vocabulary."""
        read = TextBytesReader()
        return {split: read(some) for split, some in texts.items()}, []
