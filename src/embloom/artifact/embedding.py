"""A trained embedding, loaded from its artifact: without the data that trained it, Lightning or Hydra.

The artifact is a folder `embeddings/` with the weights in `layers.safetensors` and a `card.json` that says what they
are. Nothing in it can execute code; classes of the user's own are imported only from a folder that the caller names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from embloom.artifact.extractor import Extractor, check_width
from embloom.artifact.given import given
from embloom.artifact.in_context import by_position, occurrences
from embloom.artifact.readers.base import Reader
from embloom.artifact.saving import COMPATIBLE
from embloom.artifact.staged import Staged
from embloom.artifact.stages.base import Quantizer
from embloom.artifact.telling import told
from embloom.artifact.vectors import Vectors
from embloom.assembly.wiring import Wire
from embloom.encoders.base import Encoder

if TYPE_CHECKING:
    from embloom.artifact.recommendations import Recommendations
    from embloom.artifact.word_vectors import WordVectors


class Embedding:
    """A trained encoder.

    Attributes:
        encoder: the module, in evaluation mode, with what comes after it.
        card: what `card.json` says.
        layers: the names of the layers that can be asked for.
        keys: table name -> what its rows are called (vocabulary, items).
        reader: turns raw inputs into tensors.
        heads: the trained classifiers, by the name of their loss.
    """

    def __init__(self, encoder: Encoder, card: dict[str, Any], reader: Reader, heads: Mapping[str, Wire]) -> None:
        self.encoder, self.card, self.reader, self.heads = encoder.eval(), card, reader, dict(heads)
        self.layers: list[str] = list(card["layers"])
        self.keys: dict[str, list[str]] = card["keys"]
        self.wire = Wire(encoder, card["of"], "encoder")

    def extractor(
        self, layer: str | Sequence[str] = "embedding", combine: str = "concat", dims: int | None = None
    ) -> Extractor:
        """What computes some layers of raw inputs; see `Extractor`."""
        check_width(self.card, dims)
        return Extractor(self.wire, self.encoder, self.card["layers"], self.reader, layer, combine, dims)

    def encode(
        self,
        inputs: Any,
        layer: str | Sequence[str] = "embedding",
        batch_size: int = 1024,
        combine: str = "concat",
        column: str | None = None,
        dims: int | None = None,
    ) -> Tensor:
        """Embeds new inputs.

        Args:
            inputs: for images, a path of a file or a folder, a Pillow image, an array (H, W[, 3]) or (N, H, W[, 3])
                of bytes or of floats in 0..1, rows (N, features), or a list of any of these; for texts, a string, a
                list of strings, or a `Path` of a file or folder; for rows of numbers, an array, a data frame, a mapping
                of columns or a path; a generator of what a list may hold; and always a mapping from the names of the
                dataset's columns to tensors.
            layer: one of `layers`, a submodule of the encoder, or several of them.
            batch_size: how many at a time.
            combine: several layers side by side, `concat`, or their mean, `average`.
            column: of a table: the column of texts, or of the images' paths.
            dims: of an embedding trained with `loss.nested`, one of its widths; None is the whole.

        Returns:
            (N, width) on the CPU; what has a vector for each position is averaged over them.

        Raises:
            ValueError: there is no such layer, or the inputs do not fit.

        Example:
            >>> digits = embloom.load("outputs/cross_entropy/mlp-mnist-2026-11-21_10-30-00")
            >>> digits.encode(["seven.png"], layer="hidden_0").shape
            torch.Size([1, 512])
        """
        extract = self.extractor(layer, combine, dims)
        found = [extract(part.inputs) for part in given(self.reader, inputs, batch_size, column)]
        return torch.cat(found) if found else torch.empty(0, sum(dims or self.card["layers"][n] for n in extract.names))

    def in_context(
        self, text: str, word: str, layer: str | Sequence[str] = "embedding", combine: str = "concat"
    ) -> Tensor:
        """The vectors of a word in its sentence, of an encoder that reads words in context.

        Args:
            text: the sentence.
            word: one of its words; of several pieces it is their mean.
            layer: `embedding`, `hidden_3` or several of them.
            combine: several layers side by side, `concat`, or their mean, `average`.

        Returns:
            (N, width): as often as the word stands there.

        Raises:
            ValueError: the word is unknown or does not stand there, or a layer has no vector for each position.
        """
        named = [layer] if isinstance(layer, str) else layer
        extract = self.extractor([by_position(name, self.layers) for name in named], combine)
        _, found = occurrences(extract, [text], word)
        if not len(found):
            raise ValueError(f"'{word}' does not stand in {text!r}")
        return found

    @torch.no_grad()
    def predict(self, inputs: Any, head: str | None = None, batch_size: int = 1024) -> list[str]:
        """The classes of new inputs, by name, where a loss that classifies was trained with the encoder.

        Args:
            inputs: see `encode`.
            head: which loss; None where there is one only.
            batch_size: how many at a time.

        Raises:
            ValueError: there is no such head.
        """
        name = self.head_named(head)
        scores, label = self.heads[name], self.card["heads"][name]["label"]
        classes = self.card["labels"][label]
        plain, layers = self.encoder.plain, list(dict.fromkeys(scores.source.values()))  # as in training
        extract = Extractor(Wire(plain, self.card["of"], "encoder"), plain, plain.sizes, self.reader, layers)
        found: list[str] = []
        for part in given(self.reader, inputs, batch_size):
            rows = scores(extract.outputs(extract.read(part.inputs)))
            if rows.ndim != 2 or rows.shape[1] != len(classes):
                raise ValueError(f"head {name} has {rows.shape[-1]} scores for {len(classes)} classes: it is damaged")
            found += [classes[i] for i in rows.argmax(1).tolist()]
        return found

    def head_named(self, head: str | None) -> str:
        """The head that is meant.

        Raises:
            ValueError: there is none, or several.
        """
        there = self.card["heads"]
        if not there:
            raise ValueError("no loss that classifies was trained with this encoder: use encode, or a probe")
        if head is None and len(there) > 1:
            raise ValueError(f"several losses classify: name one, head={' or head='.join(map(repr, there))}")
        name = head or next(iter(there))
        if name not in there:
            raise ValueError(f"head={name}: there is no such head; available: {', '.join(there)}")
        if name not in self.heads:
            raise ValueError(f"the class of head {name} is not embloom's: load(path, config_dir=...) with its folder")
        return name

    @torch.no_grad()
    def decode(self, vectors: Any, batch_size: int = 1024) -> Any:
        """The decoder, where the encoder has one (autoencoders, PCA, bytes).

        Args:
            vectors: (N, width of `embedding`).
            batch_size: how many at a time.

        Returns:
            (N, features) on the CPU, rows as `encode` takes them; of images,
            `rows.reshape(-1, side, side)`; of texts as bytes, the texts.

        Raises:
            ValueError: the encoder has no decoder, or the vectors do not fit.
        """
        width = self.card["layers"]["embedding"]
        if self.encoder.plain.decodes and not self.encoder.decodes:
            raise ValueError("its vectors are no longer those of the decoder: decode those of the embedding before")
        if not self.encoder.decodes:
            raise ValueError("this encoder has no decoder: train one with experiment=autoencoder")
        rows = torch.as_tensor(vectors, dtype=torch.float32)
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"vectors of shape {tuple(rows.shape)} do not fit (N, {width})")
        return self.reader.restored(torch.cat([self.encoder.decode(part) for part in rows.split(batch_size)]))

    def table(self, layer: str, dims: int | None = None) -> Tensor:
        """The rows (count, width) of an embedding layer that is a table; with `dims`, of one of its nested widths.

        Raises:
            ValueError: it is none, or has no such width.
        """
        check_width(self.card, dims)
        table = self.encoder.tables().get(layer)
        if table is None:
            raise ValueError(f"layer '{layer}' is no table: use encode(inputs, layer='{layer}')")
        if dims is None:
            return table.detach()
        cut = self.encoder.cut(self.encoder.tables(), dims)
        if layer not in cut:
            raise ValueError(f"layer {layer} has no nested widths: {', '.join(cut)} may be shortened")
        return cut[layer].detach()

    @cached_property
    def words(self) -> WordVectors:
        """Questions by name to a table with named rows: neighbors, analogies, averages, outliers.

        Raises:
            ValueError: its rows have no names.
        """
        from embloom.artifact.word_vectors import WordVectors

        name = self.main_table()
        if name is None:
            raise ValueError("this embedding has no words: its rows have no names. Train one with experiment=skipgram")
        spell = self.encoder.spelled if self.encoder.spells and name == "embedding" else None
        return WordVectors(self.keys[name], self.table(name), spell, self.quantizer(name))

    @cached_property
    def recommendations(self) -> Recommendations:
        """Questions by name to an encoder of people and items.

        Raises:
            ValueError: it is none.
        """
        from embloom.artifact.recommendations import Recommendations

        return Recommendations(self.encoder.plain, self.keys.get("users", []), self.keys.get("items", []))

    def recommend(
        self, user: str | None = None, items: Sequence[str] | None = None, top: int = 10, exclude_seen: bool = True
    ) -> list[tuple[str, float]]:
        """The items that somebody would like best, with their scores.

        Args:
            user: somebody who was there in training; or
            items: what somebody new had.
            top: how many.
            exclude_seen: leave out what they had.

        Raises:
            ValueError: somebody or something is unknown, or the encoder does not recommend.

        Example:
            >>> films = embloom.load("outputs/item_softmax/matrix_factorization-interactions-2026-11-21_10-30-00")
            >>> films.recommend("user_017", top=1)
            [('Western 07 (1984)', 0.71)]
        """
        if (user is None) == (items is None):
            raise ValueError("give either a user or items=[...], what somebody new had")
        if user is not None:
            return self.recommendations.for_user(user, top, exclude_seen)
        return self.recommendations.for_items(list(items or ()), top, exclude_seen)

    def main_table(self) -> str | None:
        """The table of named rows that is meant where none is named: `embedding`, or the first."""
        return "embedding" if "embedding" in self.keys else next(iter(self.keys), None)

    def __repr__(self) -> str:
        return "\n".join(told(self.card))

    @property
    def content_hash(self) -> str:
        """Equal hashes are equal embeddings: the same weights, encoder, inputs and row names."""
        return self.card["content_hash"]

    def vectors(
        self, inputs: Any = None, layer: str | None = None, names: Sequence[str] = (), dims: int | None = None
    ) -> Vectors:
        """Vectors that know where they come from: of new inputs, or the named rows of a table.

        Args:
            inputs: see `encode`; None: the rows of a table.
            layer: which layer or table.
            names: what the inputs are called; else by their paths, or texts by themselves.
            dims: see `encode`.
        """
        if inputs is not None:
            layer = layer or "embedding"
            extract, called, rows = self.extractor(layer, dims=dims), list(names), []
            for part in given(self.reader, inputs):
                called += [] if names else part.names
                rows.append(extract(part.inputs))
            found = torch.cat(rows) if rows else torch.empty(0, dims or self.card["layers"].get(layer, 0))
            return self.own(found, called if len(called) == len(found) else [], layer, dims)
        layer = layer or self.main_table()
        if layer is None:
            raise ValueError("this embedding has no table of named rows: give inputs to encode")
        return self.own(self.table(layer, dims), self.keys.get(layer, []), layer, dims)

    def own(self, rows: Tensor, names: Sequence[str], layer: str, dims: int | None = None) -> Vectors:
        """Rows of a layer with where they come from, what else they may be compared with, and how they are rounded."""
        if dims is not None:
            return Vectors(rows, list(names), self.content_hash, layer)
        spaces = [(content_hash, name) for content_hash, name in self.card.get(COMPATIBLE, {}).get(layer, [])]
        return Vectors(rows, list(names), self.content_hash, layer, spaces=spaces, quantizer=self.quantizer(layer))

    def quantizer(self, layer: str) -> Quantizer | None:
        """What rounds the vectors of a layer, if anything does."""
        last = self.encoder.quantizer(layer) if isinstance(self.encoder, Staged) else None
        return last.stage if last is not None and isinstance(last.stage, Quantizer) else None
