"""What every encoder offers: named tensors in, a dict of named layers out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn


class Encoder(nn.Module):
    """Turns columns of a batch into layers. Derive your own from this: set `sizes`, write `forward`.

    `forward` takes tensors by the names of its parameters and returns a dict, fresh each time, with at least the
    layers of `sizes`. The constructor may ask, by parameter name, for `sizes` (the dataset's columns) and for anything
    that the dataset `supplies`.

    Attributes:
        sizes: layer -> its width, of everything that `forward` returns.
        rows: table -> the dataset's column that numbers its rows, so that they get names.
        start_only: options that a trained encoder does not need to be built again.
        sparse: whether gradients name only the rows of tables that a batch touched.
        nested: layers whose first numbers can be an embedding of their own (`loss.nested`), all cut to one width; the
            first of them says how wide they are.
    """

    sizes: dict[str, int]
    rows: ClassVar[Mapping[str, str]] = {}
    start_only: ClassVar[tuple[str, ...]] = ()
    sparse: bool = False
    nested: ClassVar[tuple[str, ...]] = ("embedding",)

    # Named tensors -> layer -> tensor; subclasses name the tensors that they take.
    forward: Callable[..., dict[str, Tensor]]

    def tables(self) -> dict[str, Tensor]:
        """Layers that are tables of the encoder's own, (rows, width), and not made of a batch."""
        return {}

    def activations(self) -> list[str]:
        """Layers that are made of a batch, one row a sample, and worth probing; the others are outputs for losses."""
        return [name for name in self.sizes if name not in self.tables()]

    def layers(self) -> list[str]:
        """What the artifact offers: tables and activations."""
        return [*self.tables(), *self.activations()]

    def cut(self, tensors: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
        """Those of the tensors that are `nested`, (..., D), as an embedding of `width` numbers has them: the first ones
        (Kusupati et al. 2022)."""
        return {name: tensors[name][..., :width] for name in self.nested if name in tensors}

    def decode(self, embedding: Tensor) -> Tensor:
        """The decoder, of an encoder that has one: (B, D) -> (B, features)."""
        raise NotImplementedError(f"{type(self).__name__} has no decoder")

    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes the weights, of an encoder that is not trained, from the training split's batches; tensors have the
        names of `forward`'s parameters."""
        raise NotImplementedError(f"{type(self).__name__} is trained, not computed")

    def scores(self, user: Tensor) -> Tensor:
        """How much people would like each item, of an encoder that recommends: numbers of people (B,) -> (B, items)."""
        raise NotImplementedError(f"{type(self).__name__} does not recommend")

    def spelled(self, words: Sequence[str]) -> Tensor:
        """Vectors (N, D) of words that are not in the vocabulary, from their letters; 0 for one that has none."""
        raise NotImplementedError(f"{type(self).__name__} knows the words of its vocabulary only")

    @property
    def spells(self) -> bool:
        """Whether words that were never seen have vectors in its table `embedding`."""
        return type(self).spelled is not Encoder.spelled

    @property
    def plain(self) -> Encoder:
        """The encoder without what comes after it, see `embloom.artifact.staged`."""
        return self

    @property
    def recommends(self) -> bool:
        """Whether it scores items for people."""
        return type(self).scores is not Encoder.scores

    @property
    def decodes(self) -> bool:
        """Whether it has a decoder."""
        return type(self).decode is not Encoder.decode

    @property
    def computed(self) -> bool:
        """Whether `fit` computes the weights."""
        return type(self).fit is not Encoder.fit

    def kept_options(self) -> dict[str, Any]:
        """Options that the artifact keeps beside those of the configuration, so that it is built without the files
        that a training read."""
        return {}

    def start(self) -> list[str]:
        """Called once where a training starts from scratch, to read weights from elsewhere; returns lines to print."""
        return []
