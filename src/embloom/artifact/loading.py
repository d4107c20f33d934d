"""Opens an artifact: builds what its card describes, with the weights that lie beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from embloom.artifact.assembling import check_shapes, classes_by_target, heads
from embloom.artifact.embedding import Embedding
from embloom.artifact.lineage import parents_of
from embloom.artifact.readers.base import Reader
from embloom.artifact.saving import SUPPLIED, artifact_folder, encoder_weights, read
from embloom.artifact.staged import staged
from embloom.assembly.build import build
from embloom.assembly.own import parts as own_parts
from embloom.encoders.base import Encoder
from embloom.files.tensors import first_line


def load(path: str | Path, config_dir: str | Path | None = None, parts: Mapping[str, Any] | None = None) -> Embedding:
    """Opens a trained embedding.

    Args:
        path: a run folder, or its `embeddings/`.
        config_dir: the folder of your own parts, where the run was trained with some. A file cannot name it: importing
            what a file names would run it.
        parts: classes of your own, as handed to `embloom.train`: `{"encoder": Two, "loss": {"cosine": Cosine}}`.

    Raises:
        ValueError: there is no artifact, it is damaged, of another format, or made of parts that nobody named.
    """
    folder = artifact_folder(path)
    card, weights = read(folder)
    with own_parts([config_dir] if config_dir else [], classes_by_target(card, parts or {})):
        try:
            return assembled(card, weights)
        except (RuntimeError, MemoryError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{folder}: the card and the weights do not fit together: {first_line(error)}") from error


def assembled(card: dict[str, Any], weights: Mapping[str, Tensor]) -> Embedding:
    """Builds what a card describes."""
    supplied = {name.removeprefix(SUPPLIED): w for name, w in weights.items() if name.startswith(SUPPLIED)}
    offered = {**card["supplied"], **supplied}
    check_shapes(card["encoder"], offered, encoder_weights(weights))
    encoder = build(card["encoder"], Encoder, where="encoder", supplied=offered)
    encoder.load_state_dict(encoder_weights(weights))
    by_column = {column: card["keys"][table] for table, column in card["columns"].items() if table in card["keys"]}
    keys = {**card["column_keys"], **by_column}
    paths = {one.content_hash: one.path for one in parents_of(card)}
    reader = build(card["reader"], Reader, where="reader", supplied={"keys": keys, "upstream_paths": paths})
    whole = staged(encoder, card, weights)
    if off := [name for name, width in card["layers"].items() if whole.sizes.get(name, width) != width]:
        raise ValueError(f"layers.{off[0]}={card['layers'][off[0]]}: its vectors have {whole.sizes[off[0]]} numbers")
    return Embedding(whole, card, reader, dict(heads(card, weights)))
