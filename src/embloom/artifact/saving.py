"""Writes an artifact, and reads its two files back, checked against each other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from embloom.artifact.lineage import is_lineage
from embloom.artifact.readers.base import Reader
from embloom.encoders.base import Encoder
from embloom.files.atomic import write_whole
from embloom.files.seal import check_seal, seal_of, sealed
from embloom.files.tensors import first_line

FORMAT_VERSION = 3
LAYERS, CARD = "layers.safetensors", "card.json"
# The same two in a folder that `embloom publish` wrote, where the Hugging Face hub looks for them.
HUB_LAYERS, HUB_CARD = "model.safetensors", "config.json"
HASHED = ("encoder", "of", "supplied", "reader", "layers", "keys", "column_keys", "heads")
# What comes after the encoder: stages of layers, see `staged`; a card without any lacks it, and hashes as ever.
AFTER = "after"
# Of which embeddings the vectors may be compared with these, layer by layer, though they are others.
COMPATIBLE = "compatible_with"
# What reading an artifact cannot do without.
FIELDS: dict[str, type] = {
    "content_hash": str, "encoder": dict, "of": dict, "supplied": dict, "reader": dict, "layers": dict, "tables": list,
    "columns": dict, "keys": dict, "column_keys": dict, "heads": dict, "labels": dict,
}  # fmt: skip
TOLD = ("names", "trained", "versions", "data", "metrics", COMPATIBLE)


def is_names(value: Any) -> bool:
    """What rows or classes are called."""
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def is_stage(value: Any) -> bool:
    """What `After.described` says."""
    kinds = {"layer": str, "node": dict, "stored": bool}
    return isinstance(value, dict) and all(isinstance(value.get(key), kind) for key, kind in kinds.items())


def are_spaces(value: Any) -> bool:
    """Pairs of a content hash and a layer."""
    return isinstance(value, list) and all(is_names(pair) and len(pair) == 2 for pair in value)


def is_head(value: Any) -> bool:
    """What `Head.described` says."""
    kinds = {"node": dict, "sizes": dict, "source": dict, "label": str}
    return isinstance(value, dict) and all(isinstance(value.get(key), kind) for key, kind in kinds.items())


INNER: dict[str, Callable[[Any], bool]] = {
    "layers": lambda width: isinstance(width, int) and not isinstance(width, bool) and width > 0,
    **dict.fromkeys(("keys", "column_keys", "labels"), is_names),
    "heads": is_head,
    COMPATIBLE: are_spaces,
    **dict.fromkeys(("of", "columns"), lambda name: isinstance(name, str)),
}
# In the weights, what belongs to something else than the encoder; no weight of a module has a / in its name.
HEADS, SUPPLIED = "heads/", "supplied/"


@dataclass
class Head:
    """A loss that classifies, kept for `predict`.

    Attributes:
        module: the trained term.
        node: its config node.
        sizes: what its constructor was offered as `sizes`.
        source: parameter of its `scores` -> layer.
        label: the label that it finds.
    """

    module: nn.Module
    node: Mapping[str, Any]
    sizes: dict[str, int]
    source: dict[str, str]
    label: str

    def described(self) -> dict[str, Any]:
        """For the card."""
        node = {key: value for key, value in self.node.items() if key not in ("of", "weight")}
        return {"node": node, "sizes": self.sizes, "source": self.source, "label": self.label}


def save(
    folder: Path,
    *,
    encoder: Encoder,
    node: Mapping[str, Any],
    supplied: Mapping[str, Any],
    reader: Reader,
    about: Mapping[str, Any],
    of: Mapping[str, str] | None = None,
    heads: Mapping[str, Head] | None = None,
    keys: Mapping[str, list[str]] | None = None,
    column_keys: Mapping[str, list[str]] | None = None,
    columns: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Writes an artifact; a reader sees the old one or the new one, never half of each.

    Args:
        folder: `embeddings/` of the run.
        encoder: the trained module.
        node: its config node.
        supplied: what its constructor took beside the node: plain containers and tensors.
        reader: how raw inputs become tensors.
        about: more for the card: names, labels, data fingerprint, metrics, versions.
        of: renames the encoder's inputs.
        heads: the losses that classify, by name.
        keys: row names of tables.
        column_keys: names of the numbers of columns that no table is about.
        columns: table -> the column that numbers its rows.

    Returns:
        The card.
    """
    weights = dict(encoder.state_dict())
    for name, head in (heads or {}).items():
        weights |= {f"{HEADS}{name}/{key}": tensor for key, tensor in head.module.state_dict().items()}
    weights |= {f"{SUPPLIED}{name}": value for name, value in supplied.items() if isinstance(value, Tensor)}
    # Where the first weights came from is nothing that a trained encoder needs.
    dropped = {"of", *encoder.start_only}
    card = {
        "format_version": FORMAT_VERSION,
        "encoder": {**{key: value for key, value in node.items() if key not in dropped}, **encoder.kept_options()},
        "of": dict(of or {}),
        "supplied": {name: value for name, value in supplied.items() if not isinstance(value, Tensor)},
        "reader": reader.described(),
        "layers": dict(encoder.sizes),
        "tables": list(encoder.tables()),
        "columns": dict(columns or {}),
        "keys": dict(keys or {}),
        "column_keys": dict(column_keys or {}),
        "heads": {name: head.described() for name, head in (heads or {}).items()},
        "labels": {},
        **about,
    }
    return write(folder, card, weights)


def write(folder: Path, card: dict[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Writes the two files; the card gets its hash and its seal, and is handed back.

    Args:
        folder: where.
        card: without either.
        weights: all tensors by name.
    """
    content = safetensors.torch.save({name: w.detach().cpu().contiguous().clone() for name, w in weights.items()})
    card = sealed({**card, "content_hash": content_hash(content, card)})
    text = json.dumps(card, indent=2, ensure_ascii=False).encode()
    folder.mkdir(parents=True, exist_ok=True)
    # The card goes last: until it is there, or while it names another hash, the folder does not load.
    write_whole(folder / LAYERS, lambda file: file.write(content))
    write_whole(folder / CARD, lambda file: file.write(text))
    return card


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The card of an artifact and its tensors by name, checked against each other.

    Raises:
        ValueError: one is missing, damaged or of another format.
    """
    card = read_card(folder)
    at_card, at_layers = files_of(folder)
    try:
        content = at_layers.read_bytes()
        weights = safetensors.torch.load(content)
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{at_layers} cannot be read: {first_line(error)}") from error
    if content_hash(content, card) != card["content_hash"]:
        raise ValueError(f"{folder} is damaged: {at_layers.name} is not what {at_card.name} describes")
    return card, weights


def encoder_weights(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of the encoder itself."""
    return {name: tensor for name, tensor in weights.items() if "/" not in name}


def files_of(folder: Path) -> tuple[Path, Path]:
    """Card and weights, under the names that they have in a run or in a published folder."""
    if not (folder / CARD).is_file() and (folder / HUB_CARD).is_file() and (folder / HUB_LAYERS).is_file():
        return folder / HUB_CARD, folder / HUB_LAYERS
    return folder / CARD, folder / LAYERS


def read_card(folder: Path) -> dict[str, Any]:
    """The card of an artifact.

    Raises:
        ValueError: it is missing, no JSON, or of another format.
    """
    path = files_of(folder)[0]
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(
            f"{folder} holds no embedding (it has no {CARD}): name the folder of a finished run, or its embeddings/"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {first_line(error)}") from error
    version = card.get("format_version") if isinstance(card, dict) else None
    if not isinstance(version, int) or isinstance(version, bool):
        raise ValueError(f"{path} is no card of embloom's")
    if version > FORMAT_VERSION:
        raise ValueError(f"{folder} has format {version}, newer than this embloom reads ({FORMAT_VERSION}): upgrade it")
    if version < FORMAT_VERSION:
        raise ValueError(f"{folder} has format {version}, from before embloom's first release: train it again")
    wrong = [key for key, kind in FIELDS.items() if not isinstance(card.get(key), kind)]
    if wrong := [*wrong, *(key for key in TOLD if not isinstance(card.get(key, {}), dict))]:
        raise ValueError(f"{path} is no card of embloom's: {', '.join(wrong)} is missing or of another kind")
    if wrong := [key for key, fits in INNER.items() if not all(map(fits, card.get(key, {}).values()))]:
        raise ValueError(f"{path} is no card of embloom's: {', '.join(wrong)} holds something else")
    if not isinstance(card.get(AFTER, []), list) or not all(map(is_stage, card.get(AFTER, []))):
        raise ValueError(f"{path} is no card of embloom's: {AFTER} holds something else")
    if not is_lineage(card.get("lineage")):
        raise ValueError(f"{path} is no card of embloom's: lineage holds something else")
    if lost := [name for name, head in card["heads"].items() if head["label"] not in card["labels"]]:
        raise ValueError(f"{path} is no card of embloom's: nothing says what the head {lost[0]} finds")
    try:
        check_seal(card)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {first_line(error)}") from error
    return card


def content_hash(content: bytes, card: Mapping[str, Any]) -> str:
    """Identifies an embedding: two artifacts with the same hash make the same vectors and call them the same."""
    after = {AFTER: card[AFTER]} if AFTER in card else {}
    return "sha256:" + seal_of({key: card.get(key) for key in HASHED} | after, content)


def artifact_folder(path: str | Path) -> Path:
    """The artifact's own folder, of a run folder or of itself."""
    folder = Path(path).expanduser()
    return folder / "embeddings" if (folder / "embeddings" / CARD).is_file() else folder
