"""`embloom export`: a trained embedding in the formats of other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from embloom.artifact.embedding import Embedding, load
from embloom.artifact.extractor import Extractor
from embloom.artifact.vector_files import parts_of, write_vectors
from embloom.files.atomic import write_whole
from embloom.files.word2vec import write_word2vec

OPSET = 20
Export = Callable[[Embedding, Path, list[str]], None]


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom export", description=__doc__)
    made.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    made.add_argument("--to", required=True, choices=FORMATS, help="the format")
    made.add_argument("--output", "-o", type=Path, help="the file (projector: the folder); default: RUN/exports/...")
    made.add_argument("--layer", action="append", help="which table, or for onnx and torch which layers (embedding)")
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: the embedding has nothing that the format can hold.
    """
    options = parser().parse_args(arguments)
    embedding = load(options.run)
    export, name = FORMATS[options.to]
    output = options.output or Path(options.run) / "exports" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    export(embedding, output, options.layer or [])
    print(f"{options.to}: {output}")


def table_of(embedding: Embedding, layers: Sequence[str]) -> tuple[str, list[str], Tensor]:
    """The table that is meant: its name, the names of its rows, and the rows.

    Raises:
        ValueError: it has none, or its rows have no names.
    """
    name = layers[0] if layers else embedding.main_table()
    if name is None or name not in embedding.keys:
        there = ", ".join(embedding.keys) or "none"
        raise ValueError(
            f"this format holds a table of named rows, and {name or 'this encoder'} has none (tables: {there}): for "
            "vectors of pictures or texts use embloom encode RUN INPUT --output FILE, for the encoder itself "
            "embloom export RUN --to onnx, torch or safetensors"
        )
    return name, embedding.keys[name], embedding.table(name)


def to_word2vec(embedding: Embedding, path: Path, layers: list[str]) -> None:
    """Text, or binary where the name ends in .bin; gensim reads both."""
    _, keys, rows = table_of(embedding, layers)
    write_word2vec(path, keys, rows, binary=".bin" in path.suffixes)


def to_safetensors(embedding: Embedding, path: Path, layers: list[str]) -> None:
    """The table with its row names as metadata; without a table the encoder's weights."""
    if embedding.keys or layers:
        to_vectors(embedding, path, layers)
        return
    weights = {name: tensor.contiguous() for name, tensor in embedding.encoder.state_dict().items()}
    metadata = {"content_hash": embedding.card["content_hash"]}
    content = safetensors.torch.save(weights, metadata)
    write_whole(path, lambda file: file.write(content))


def to_vectors(embedding: Embedding, path: Path, layers: list[str]) -> None:
    """The table, in the format of the file's name."""
    name, keys, rows = table_of(embedding, layers)
    about = {"content_hash": embedding.card["content_hash"], "layer": name}
    write_vectors(path, parts_of(keys, rows.float().cpu()), about)


def to_npz(embedding: Embedding, path: Path, layers: list[str]) -> None:
    """numpy: `keys` and `vectors` of the table; without a table the encoder's weights by name."""
    arrays: dict[str, Any] = {name: tensor.numpy() for name, tensor in embedding.encoder.state_dict().items()}
    if embedding.keys or layers:
        _, keys, rows = table_of(embedding, layers)
        arrays = {"keys": np.array(keys, dtype=np.str_), "vectors": rows.numpy()}
    write_whole(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def to_projector(embedding: Embedding, path: Path, layers: list[str]) -> None:
    """A folder for TensorBoard's projector; its vectors.tsv and metadata.tsv also load at projector.tensorflow.org."""
    name, keys, rows = table_of(embedding, layers)
    path.mkdir(parents=True, exist_ok=True)
    labels = "".join((" ".join(key.split()) or "?") + "\n" for key in keys).encode()
    lines = (("\t".join(f"{number:.9g}" for number in row) + "\n").encode() for row in rows.tolist())
    config = (
        f'embeddings {{\n  tensor_name: "{name}"\n  tensor_path: "vectors.tsv"\n  metadata_path: "metadata.tsv"\n}}\n'
    )
    write_whole(path / "vectors.tsv", lambda file: file.writelines(lines))
    write_whole(path / "metadata.tsv", lambda file: file.write(labels))
    write_whole(path / "projector_config.pbtxt", lambda file: file.write(config.encode()))


class Program(nn.Module):
    """An encoder as other programs run it: tensors in, the chosen layers out, in order."""

    def __init__(self, embedding: Embedding, layers: list[str]) -> None:
        super().__init__()
        self.encoder, self.layers = embedding.encoder, layers or ["embedding"]
        extract = Extractor(self.encoder, embedding.card, self.layers)
        if missing := [name for name in self.layers if name not in embedding.card["layers"]]:
            raise ValueError(
                f"layer '{missing[0]}' is no output of the encoder; there is: {', '.join(embedding.layers)}"
            )
        self.names = extract.wire.required

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The encoder's required inputs, in order -> the layers."""
        outputs = self.encoder(**dict(zip(self.names, inputs, strict=True)))
        return tuple(outputs[name] for name in self.layers)

    def examples(self, embedding: Embedding) -> tuple[tuple[Tensor, ...], tuple[dict[int, Any], ...]]:
        """Inputs to trace with, and which of their dimensions are free.

        Raises:
            ValueError: it is not known what the encoder reads.
        """
        sizes = embedding.card["supplied"]["sizes"]
        batch, words = torch.export.Dim("batch", min=1), torch.export.Dim("words", min=1)
        if self.names == ["image"]:
            return (torch.rand(3, sizes["image"]),), ({0: batch},)
        if self.names == ["token", "length"]:
            length = torch.tensor([3, 1, 2])
            return (torch.arange(6) % sizes["token"], length), ({0: words}, {0: batch})
        if self.names == ["token"]:
            return (torch.arange(6).view(2, 3) % sizes["token"],), ({0: batch, 1: words},)
        raise ValueError(
            f"cannot export an encoder of {', '.join(self.names)}: it must read image, or token and length"
        )


def to_onnx(embedding: Embedding, path: Path, layers: list[str]) -> None:
    """ONNX, in one file; onnxruntime runs it."""
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError("ONNX needs onnxscript: pip install 'embloom[onnx]'") from error
    program = Program(embedding, layers).eval()
    inputs, free = program.examples(embedding)
    made: Any = torch.onnx.export(
        program, inputs, dynamo=True, opset_version=OPSET, input_names=program.names, output_names=program.layers,
        dynamic_shapes=(free,), external_data=False, verbose=False, optimize=True,
    )  # fmt: skip
    made.model.metadata_props["content_hash"] = embedding.card["content_hash"]
    content = made.model_proto.SerializeToString()
    write_whole(path, lambda file: file.write(content))


def to_torch(embedding: Embedding, path: Path, layers: list[str]) -> None:
    """`torch.export`: `torch.export.load(file).module()(tensor)` runs it without embloom."""
    program = Program(embedding, layers).eval()
    inputs, free = program.examples(embedding)
    made = torch.export.export(program, inputs, dynamic_shapes=(free,))
    extra = {"content_hash": embedding.card["content_hash"], "layers": " ".join(program.layers)}
    write_whole(path, lambda file: torch.export.save(made, file, extra_files=extra))


FORMATS: dict[str, tuple[Export, str]] = {
    "word2vec": (to_word2vec, "vectors.txt"),
    "safetensors": (to_safetensors, "vectors.safetensors"),
    "npz": (to_npz, "vectors.npz"),
    "parquet": (to_vectors, "vectors.parquet"),
    "csv": (to_vectors, "vectors.csv"),
    "projector": (to_projector, "projector"),
    "onnx": (to_onnx, "encoder.onnx"),
    "torch": (to_torch, "encoder.pt2"),
}
