"""Weights to start a model from, whatever file they come in: a run, an artifact, a checkpoint, word vectors."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from embloom.artifact import saving
from embloom.files.checkpoint import BEST, newest_good, read_checkpoint
from embloom.files.seal import file_hash
from embloom.files.tensors import as_state_dict, first_line, read_archive, read_safetensors

ENCODER = "encoder."
TABLE = "embedding"  # what the only table of a word-vector file is called


@dataclass
class Source:
    """Named tensors, read without executing anything.

    Attributes:
        path: what was read.
        weights: name -> tensor, on the CPU.
        keys: table -> what its rows are called (words); the table is the tensor of that name, or `<name>.weight`.
        content_hash: identifies the content.
        columns: the dataset's columns -> what they number is called.
        labels: label -> what its classes are called.
        heads: term that classifies -> the label that it finds.
        head_weights: `heads/<term>/<name>` -> tensor.
        encoder: the settings of the encoder, where an artifact says them.
    """

    path: Path
    weights: dict[str, Tensor]
    keys: dict[str, list[str]] = field(default_factory=dict)
    content_hash: str = ""
    columns: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, list[str]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    head_weights: dict[str, Tensor] = field(default_factory=dict)
    encoder: dict[str, Any] = field(default_factory=dict)

    def find(self, name: str) -> str | None:
        """The tensor that a name stands for, where a table may go with or without `.weight`."""
        for candidate in (name, name.removesuffix(".weight"), f"{name}.weight"):
            if candidate in self.weights:
                return candidate
        return None

    def rows(self, name: str) -> list[str] | None:
        """What the rows of a tensor are called, if they are called anything; one that is called as a column (`item`,
        `biases.item`) has a row for each of its names."""
        found = self.keys.get(name, self.keys.get(name.removesuffix(".weight")))
        return found if found is not None else self.columns.get(name.rpartition(".")[2])


def read_source(path: str | Path) -> Source:
    """Reads a run folder, an artifact, a checkpoint, a PyTorch state dict, a safetensors file or word vectors.

    Raises:
        ValueError: there is nothing, or it is none of these, or it asks for code to be executed.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return of_folder(place)
    if not place.is_file():
        raise ValueError(
            f"there is nothing at {place}: name a run folder, an artifact, a checkpoint or a file of vectors"
        )
    if place.suffix == ".safetensors":
        return of_safetensors(place)
    if zipfile.is_zipfile(place):
        return of_torch(place)
    from embloom.files.word2vec import read_vectors

    words, vectors = read_vectors(place)
    return Source(place, {TABLE: vectors}, {TABLE: words}, f"sha256:{file_hash(place)}", {"token": words})


def of_folder(folder: Path) -> Source:
    """A run: its artifact, or its best checkpoint where it has not finished; or an artifact's own folder."""
    for candidate in (folder / "embeddings", folder):
        if saving.files_of(candidate)[0].is_file():
            card, weights = saving.read(candidate)
            source = Source(candidate, encoder_weights(candidate, card, weights), card["keys"], card["content_hash"])
            named = {column: card["keys"][table] for table, column in card["columns"].items() if table in card["keys"]}
            source.columns, source.labels = {**card["column_keys"], **named}, card["labels"]
            source.heads = {name: head["label"] for name, head in card["heads"].items()}
            source.encoder = card["encoder"]
            source.head_weights = {name: weight for name, weight in weights.items() if name.startswith(saving.HEADS)}
            return source
    checkpoints = folder / "checkpoints"
    found = checkpoints / BEST if (checkpoints / BEST).is_file() else newest_good(checkpoints)[0]
    if found is None:
        raise ValueError(f"{folder} holds neither an artifact (embeddings/) nor a checkpoint that can be read")
    return of_torch(found)


def encoder_weights(folder: Path, card: dict[str, Any], weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those of the encoder itself; of tables that something comes after (they are compressed, or aligned), the tables
    as they are then."""
    found = saving.encoder_weights(weights)
    if saving.AFTER not in card:
        return found
    from embloom.artifact.loading import load

    encoder = load(folder).encoder
    return {name: tensor for name, tensor in found.items() if tensor.is_floating_point()} | encoder.tables()


def of_safetensors(path: Path) -> Source:
    """Any safetensors file; `embloom export` and `encode` write row names into its metadata."""
    weights, metadata = read_safetensors(path)
    try:
        keys = json.loads(metadata.get("keys", "{}"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: its row names are no JSON ({first_line(error)})") from error
    if not isinstance(keys, dict) or not all(isinstance(names, list) for names in keys.values()):
        raise ValueError(f"{path} cannot be read: its row names are no lists")
    return Source(path, weights, keys, metadata.get("content_hash") or f"sha256:{file_hash(path)}")


def of_torch(path: Path) -> Source:
    """A checkpoint of embloom's, of which the encoder counts, or a state dict that `torch.save` wrote."""
    content = read_archive(path)
    if isinstance(content, dict) and "embloom_format" in content:
        state = read_checkpoint(path)["state_dict"]
        weights = {name.removeprefix(ENCODER): tensor for name, tensor in state.items() if name.startswith(ENCODER)}
        return Source(path, weights, keys_beside(path), f"sha256:{file_hash(path)}")
    return Source(path, as_state_dict(content, path), {}, f"sha256:{file_hash(path)}")


def keys_beside(checkpoint: Path) -> dict[str, list[str]]:
    """The row names of a checkpoint's tables, from the artifact that the same run has left, if any."""
    folder = checkpoint.parent.parent / "embeddings"
    if not (folder / saving.CARD).is_file():
        return {}
    card: dict[str, Any] = saving.read_card(folder)
    return card["keys"]
