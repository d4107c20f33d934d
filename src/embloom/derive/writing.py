"""A new artifact from one that is there: the same encoder or the tables alone, with what comes after it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from embloom import __version__
from embloom.artifact.embedding import Embedding
from embloom.artifact.loading import load
from embloom.artifact.saving import AFTER, COMPATIBLE, HEADS, SUPPLIED, artifact_folder, read, write
from embloom.artifact.staged import After, Staged, weights_of

# Figures of the embedding that it comes from, which are not its own.
NOT_ITS_OWN = ("metrics", "seal", "content_hash", "started_from", "lineage")


@dataclass
class Source:
    """An artifact that another one is made of.

    Attributes:
        place: where it was said to be.
        embedding: opened.
        weights: all its tensors.
    """

    place: Path
    embedding: Embedding
    weights: dict[str, Tensor]

    @property
    def card(self) -> dict[str, Any]:
        """Its card."""
        return self.embedding.card

    @property
    def after(self) -> list[After]:
        """The stages that it has already."""
        encoder = self.embedding.encoder
        return encoder.after if isinstance(encoder, Staged) else []

    def space(self, layer: str) -> list[list[str]]:
        """Which embeddings the vectors of a layer may be compared with: its own, and those that these may be."""
        return [[self.embedding.content_hash, layer], *self.card.get(COMPATIBLE, {}).get(layer, [])]


def opened(place: str | Path, config_dir: str | None = None) -> Source:
    """Reads an artifact.

    Raises:
        ValueError: there is none, or it cannot be read.
    """
    return Source(Path(place), load(place, config_dir), read(artifact_folder(place))[1])


def check_free(folder: Path) -> None:
    """Nothing is ever overwritten.

    Raises:
        ValueError: there is something at that place.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise ValueError(
            f"--output {folder}: there is something already, and nothing is overwritten: name a new folder"
        )


def derived(
    folder: Path,
    source: Source,
    after: Sequence[After],
    lineage: Mapping[str, Any],
    *,
    spaces: Mapping[str, list[list[str]]],
    stored: Mapping[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Writes the new artifact.

    Args:
        folder: a new one.
        source: what it comes from.
        after: all stages that come after the encoder.
        lineage: see `embloom.artifact.lineage.described`.
        spaces: layer -> which embeddings its vectors may be compared with.
        stored: layer -> the codes of its table: they take the encoder's place. None: the encoder stays.

    Returns:
        The card.
    """
    card = {key: value for key, value in source.card.items() if key not in NOT_ITS_OWN}
    widths = {layer: one.stage.gives for one in after for layer in [one.layer]}
    if stored is None:
        weights = {name: w for name, w in source.weights.items() if not name.startswith(f"{AFTER}/")}
        card["layers"] = {**card["layers"], **{name: w for name, w in widths.items() if name in card["layers"]}}
    else:
        weights = {f"codes_{number}": codes for number, codes in enumerate(stored.values())}
        card |= tables_alone(source.card, stored)
        card["layers"] = {layer: widths.get(layer, codes.shape[1]) for layer, codes in stored.items()}
    card |= {
        AFTER: [one.described() for one in after],
        COMPATIBLE: {**card.get(COMPATIBLE, {}), **spaces},
        "embloom_version": __version__,
        "metrics": {},
        "derived": time.strftime("%Y-%m-%d"),
        "lineage": dict(lineage),
    }
    return write(folder, card, {**weights, **weights_of(after)})


def tables_alone(card: Mapping[str, Any], stored: Mapping[str, Tensor]) -> dict[str, Any]:
    """What a card says of an encoder that looks up stored tables."""
    column = next(card["columns"][layer] for layer in stored)
    about = {layer: [*codes.shape, str(codes.dtype).removeprefix("torch.")] for layer, codes in stored.items()}
    return {
        "encoder": {"_target_": "embloom.encoders.stored_tables.StoredTables", "tables": about},
        "of": {} if column == "row" else {"row": column},
        "supplied": {},
        "tables": list(stored),
        "columns": {layer: card["columns"][layer] for layer in stored},
        "keys": {layer: card["keys"][layer] for layer in stored if layer in card["keys"]},
        "heads": {},
    }


def size_on_disk(folder: Path) -> int:
    """Bytes of an artifact's files."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def is_weight(name: str) -> bool:
    """Whether a tensor of an artifact is the encoder's own."""
    return not name.startswith((HEADS, SUPPLIED, f"{AFTER}/"))
