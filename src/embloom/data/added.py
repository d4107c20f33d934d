"""Columns that a dataset has from elsewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from embloom.artifact.lineage import Parent
from embloom.artifact.readers.base import Reader

RAW = "upstream_"  # begins the names of columns that are added, before a dataset's `transform` has seen them


class Added(ABC):
    """Columns that come from elsewhere than a dataset's own data; see `dataset.features`.

    Attributes:
        sizes: column -> width.
    """

    sizes: dict[str, int]

    @abstractmethod
    def check(self, dataset: Any) -> None:
        """Raises a ValueError where they do not fit a dataset, whose sizes are known."""

    @abstractmethod
    def attach(self, dataset: Any) -> None:
        """Gives them to a dataset that has read its data, by its `attach`."""

    @abstractmethod
    def placed(self, columns: dict[str, Tensor]) -> dict[str, Tensor]:
        """A transformed batch with them under their names."""

    @abstractmethod
    def identity(self) -> list[dict[str, str]]:
        """What decides them, beside the data."""

    @abstractmethod
    def reader(self, inner: Reader | None, needed: Sequence[str], keys: Mapping[str, Sequence[str]]) -> Reader:
        """What makes them of raw inputs, for an encoder that needs some columns."""

    @property
    @abstractmethod
    def taken(self) -> set[str]:
        """The dataset's columns that they are made of."""

    @abstractmethod
    def parents(self) -> list[Parent]:
        """The embeddings that they come from, for the card."""
