"""The artifact: what a run leaves to be reused, without the code or the data that trained it.

A folder `embeddings/` with the encoder's weights in `layers.safetensors` and a `card.json` that says what they
are. Nothing in it can execute code, and reading it takes neither Lightning nor Hydra nor the dataset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from embloom.artifact.extractor import Extractor, chunks
from embloom.artifact.vector_files import Vectors
from embloom.assembly.build import build
from embloom.files.atomic import write_whole

if TYPE_CHECKING:
    from embloom.artifact.word_vectors import Words

# 1: the hash is that of the weights alone. 2: of what the card says an input becomes, too.
FORMAT_VERSION = 2
LAYERS, CARD = "layers.safetensors", "card.json"
HASHED = ("encoder", "of", "supplied", "inputs", "layers", "keys")
# What reading an artifact cannot do without.
FIELDS = {"content_hash": str, "encoder": dict, "supplied": dict, "inputs": dict, "layers": dict}
# A card may name only embloom's own encoders; others are handed to `load` as a class.
TRUSTED = "embloom.encoders."


class Embedding:
    """A trained encoder.

    Attributes:
        encoder: the module, in evaluation mode.
        card: what `card.json` says.
        layers: the names of the layers that can be asked for.
        keys: table name -> what its rows are called (vocabulary, items).
    """

    def __init__(self, encoder: nn.Module, card: dict[str, Any]) -> None:
        self.encoder, self.card = encoder.eval(), card
        self.layers: list[str] = list(card["layers"])
        self.keys: dict[str, list[str]] = card.get("keys", {})

    def encode(
        self, inputs: Any, layer: str | Sequence[str] = "embedding", batch_size: int = 1024, combine: str = "concat"
    ) -> Tensor:
        """Embeds new inputs.

        Args:
            inputs: for pictures, rows of floats (N, features), pictures (N, H, W[, 3]), a list of Pillow pictures
                or of paths; for texts, a list of strings; else a mapping from the encoder's parameter names to
                tensors.
            layer: one of `layers`, a submodule of the encoder, or several of them.
            batch_size: how many at a time.
            combine: several layers side by side, `concat`, or their mean, `average`.

        Returns:
            (N, width) on the CPU; what has a vector for each position is averaged over them.

        Raises:
            ValueError: there is no such layer, or the inputs do not fit.
        """
        extract = Extractor(self.encoder, self.card, layer, combine)
        parts = [extract(part) for part in chunks(inputs, batch_size)]
        return torch.cat(parts) if parts else torch.empty(0, sum(self.card["layers"][name] for name in extract.names))

    @torch.no_grad()
    def decode(self, vectors: Any, batch_size: int = 1024) -> Tensor:
        """The way back, where the encoder has one (autoencoders, PCA).

        Args:
            vectors: (N, width of `embedding`).
            batch_size: how many at a time.

        Returns:
            (N, features) on the CPU, rows as `encode` takes them; of pictures,
            `rows.reshape(-1, *embedding.card["supplied"]["image_shape"])`.

        Raises:
            ValueError: the encoder has no decoder, or the vectors do not fit.
        """
        width = self.card["layers"]["embedding"]
        decoder: Callable[[Tensor], Tensor] | None = getattr(self.encoder, "decode", None)
        if decoder is None:
            raise ValueError("this encoder has no way back: train one with experiment=autoencoder")
        rows = torch.as_tensor(vectors, dtype=torch.float32)
        if rows.ndim != 2 or rows.shape[1] != width:
            raise ValueError(f"vectors of shape {tuple(rows.shape)} do not fit (N, {width})")
        return torch.cat([decoder(part) for part in rows.split(batch_size)])

    def table(self, layer: str) -> Tensor:
        """The rows (count, width) of an embedding layer that is a table.

        Raises:
            ValueError: it is none.
        """
        table = self.encoder.embedding_layers().get(layer)  # type: ignore[operator]
        if table is None:
            raise ValueError(f"layer '{layer}' is no table: use encode(inputs, layer='{layer}')")
        return table.detach()

    @cached_property
    def words(self) -> Words:
        """Questions by name to the table of words: neighbours, analogies, averages, outliers.

        Raises:
            ValueError: its rows have no names.
        """
        from embloom.artifact.word_vectors import Words

        name = self.main_table()
        if name is None:
            raise ValueError("this embedding has no words: its rows have no names. Train one with experiment=skipgram")
        return Words(self.keys[name], self.table(name))

    def main_table(self) -> str | None:
        """The table of named rows that is meant where none is named: `embedding`, or the first."""
        return "embedding" if "embedding" in self.keys else next(iter(self.keys), None)

    @property
    def content_hash(self) -> str:
        """Equal hashes are equal embeddings: the same weights, encoder, inputs and row names."""
        return self.card["content_hash"]

    def vectors(self, inputs: Any = None, layer: str | None = None, names: Sequence[str] = ()) -> Vectors:
        """Vectors that know where they come from: of new inputs, or the named rows of a table.

        Args:
            inputs: see `encode`; None: the rows of a table.
            layer: which layer or table.
            names: what the inputs are called.
        """
        if inputs is not None:
            layer = layer or "embedding"
            return Vectors(self.encode(inputs, layer), list(names), self.content_hash, layer)
        layer = layer or self.main_table()
        if layer is None:
            raise ValueError("this embedding has no table of named rows: give inputs to encode")
        return Vectors(self.table(layer), self.keys.get(layer, []), self.content_hash, layer)


def save(
    folder: Path,
    *,
    encoder: nn.Module,
    node: Mapping[str, Any],
    supplied: Mapping[str, Any],
    inputs: Mapping[str, Any],
    about: Mapping[str, Any],
    keys: Mapping[str, list[str]] | None = None,
) -> dict[str, Any]:
    """Writes an artifact; a reader sees the old one or the new one, never half of each.

    Args:
        folder: `embeddings/` of the run.
        encoder: the trained module.
        node: its config node.
        supplied: what its constructor was offered beside the node, plain containers.
        inputs: how raw inputs become tensors (`Dataset.inputs`).
        about: more for the card: names, data fingerprint, metrics, versions.
        keys: row names of tables.

    Returns:
        The card.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()}
    content = safetensors.torch.save(weights)
    # Where the first weights came from is nothing that a trained encoder needs.
    dropped = {"of", *getattr(encoder, "start_only", ())}
    card = {
        "format_version": FORMAT_VERSION,
        "encoder": {key: value for key, value in node.items() if key not in dropped},
        "of": dict(node.get("of") or {}),
        "supplied": dict(supplied),
        "inputs": dict(inputs),
        "layers": dict(encoder.sizes),  # type: ignore[arg-type]
        "keys": dict(keys or {}),
        **about,
    }
    card["content_hash"] = content_hash(content, card)
    text = json.dumps(card, indent=2, ensure_ascii=False).encode()
    folder.mkdir(parents=True, exist_ok=True)
    # The card goes last: until it is there, or while it names another hash, the folder does not load.
    write_whole(folder / LAYERS, lambda file: file.write(content))
    write_whole(folder / CARD, lambda file: file.write(text))
    return card


def load(path: str | Path, encoder: type[nn.Module] | None = None) -> Embedding:
    """Opens a trained embedding.

    Args:
        path: a run folder, or its `embeddings/`.
        encoder: the class, where it is not one of embloom's own; a file cannot name it, since importing what a
            file names would run it.

    Raises:
        ValueError: there is no artifact, it is damaged, or of a newer format.
    """
    folder = artifact_folder(path)
    card = read_card(folder)
    target = str(card["encoder"].get("_target_", ""))
    if encoder is None and not target.startswith(TRUSTED):
        raise ValueError(f"{folder} was made with the encoder {target}: import it and call load(path, encoder=...)")
    module = build(card["encoder"], nn.Module, where="encoder", supplied=card["supplied"], cls=encoder)
    _, weights = read(folder)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{folder}: the weights do not fit the encoder {target}: {error}") from error
    return Embedding(module, card)


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The card of an artifact and the encoder's weights by name, checked against each other.

    Raises:
        ValueError: one is missing, damaged or of a newer format.
    """
    card = read_card(folder)
    try:
        content = (folder / LAYERS).read_bytes()
        weights = safetensors.torch.load(content)
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{folder / LAYERS} cannot be read: {error}") from error
    if content_hash(content, card) != card.get("content_hash"):
        raise ValueError(f"{folder} is damaged: {LAYERS} is not what {CARD} describes")
    return card, weights


def read_card(folder: Path) -> dict[str, Any]:
    """`card.json` of an artifact.

    Raises:
        ValueError: it is missing, no JSON, or of a newer format.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{folder} holds no embedding: there is no {CARD}") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder / CARD} cannot be read: {error}") from error
    version = card.get("format_version") if isinstance(card, dict) else None
    if not isinstance(version, int):
        raise ValueError(f"{folder / CARD} is no card of embloom's")
    if version > FORMAT_VERSION:
        raise ValueError(f"{folder} has format {version}, newer than this embloom reads ({FORMAT_VERSION}): upgrade it")
    if wrong := [key for key, kind in FIELDS.items() if not isinstance(card.get(key), kind)]:
        raise ValueError(f"{folder / CARD} is no card of embloom's: {', '.join(wrong)} is missing or of another kind")
    return card


def content_hash(content: bytes, card: Mapping[str, Any]) -> str:
    """Identifies an embedding: two artifacts with the same hash make the same vectors and call them the same."""
    digest = hashlib.sha256(content)
    if card["format_version"] >= 2:
        described = {key: card.get(key) for key in HASHED}
        # Through JSON and back: what is hashed is what a reader of the card will see.
        digest.update(json.dumps(json.loads(json.dumps(described)), sort_keys=True).encode())
    return "sha256:" + digest.hexdigest()


def artifact_folder(path: str | Path) -> Path:
    """The artifact's own folder, of a run folder or of itself."""
    folder = Path(path).expanduser()
    return folder / "embeddings" if (folder / "embeddings" / CARD).is_file() else folder
