"""`embloom export`: a trained embedding in the formats of other programs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from embloom.artifact.embedding import Embedding
from embloom.artifact.saving import COMPATIBLE
from embloom.artifact.staged import Staged, weights_of
from embloom.artifact.vector_files import SPACES
from embloom.artifact.vector_writing import parts_of, write_vectors
from embloom.artifact.vectors import Vectors
from embloom.commands.opening import names_option, opened, own_option, read_vectors
from embloom.files.atomic import write_whole
from embloom.files.word2vec import write_word2vec

OPSET = 20
Source = Embedding | Vectors
Export = Callable[[Any, Path, list[str]], None]


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom export", description=__doc__)
    made.add_argument("run", metavar="RUN", help="a run folder, its embeddings/, or a file of vectors")
    made.add_argument("--to", required=True, choices=FORMATS, help="the format")
    made.add_argument("--output", "-o", type=Path, help="the file (projector: the folder); default: RUN/exports/...")
    made.add_argument("--layer", action="append", help="which table, or for onnx and torch which layers (embedding)")
    own_option(made)
    names_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: the embedding has nothing that the format can hold.
    """
    options = parser().parse_args(arguments)
    embedding: Source
    export, name = FORMATS[options.to]
    if Path(options.run).is_file():
        if export in (to_onnx, to_torch):
            raise ValueError(f"--to {options.to}: {options.run} is a file of vectors, without an encoder")
        if options.output is None:
            raise ValueError(f"name the file to write: --output {name}")
        if options.output.exists() and options.output.samefile(options.run):
            raise ValueError(f"--output {options.output} is the file that is read: choose another name")
        embedding = read_vectors(options.run, options.names)
    else:
        embedding = opened(options.run, options.config_dir)
    output = options.output or Path(options.run) / "exports" / name
    output.parent.mkdir(parents=True, exist_ok=True)
    export(embedding, output, options.layer or [])
    print(f"{options.to}: {output}")


def table_of(embedding: Source, layers: Sequence[str]) -> tuple[str, list[str], Tensor]:
    """The table that is meant: its name, the names of its rows, and the rows.

    Raises:
        ValueError: it has none, or its rows have no names.
    """
    if isinstance(embedding, Vectors):
        names = embedding.names or [str(row) for row in range(len(embedding))]
        return embedding.layer or "vectors", names, embedding.rows
    name = layers[0] if layers else embedding.main_table()
    if name is None or name not in embedding.keys:
        there = ", ".join(embedding.keys) or "none"
        raise ValueError(
            f"this format holds a table of named rows, and {name or 'this encoder'} has none (tables: {there}): for "
            "vectors of images or texts use embloom encode RUN INPUT --output FILE, for the encoder itself "
            "embloom export RUN --to onnx, torch or safetensors"
        )
    return name, embedding.keys[name], embedding.table(name)


def to_word2vec(embedding: Source, path: Path, layers: list[str]) -> None:
    """Text, or binary where the name ends in .bin; gensim reads both."""
    _, keys, rows = table_of(embedding, layers)
    write_word2vec(path, keys, rows, binary=".bin" in path.suffixes)


def to_safetensors(embedding: Source, path: Path, layers: list[str]) -> None:
    """The table with its row names as metadata; without a table the encoder's weights."""
    if isinstance(embedding, Vectors) or embedding.keys or layers:
        to_vectors(embedding, path, layers)
        return
    weights = {name: tensor.contiguous() for name, tensor in weights_in(embedding).items()}
    metadata = {"content_hash": embedding.card["content_hash"]}
    content = safetensors.torch.save(weights, metadata)
    write_whole(path, lambda file: file.write(content))


def weights_in(embedding: Embedding) -> dict[str, Tensor]:
    """The encoder's, and those of what comes after it, by the names that they have in the artifact."""
    after = weights_of(embedding.encoder.after) if isinstance(embedding.encoder, Staged) else {}
    return {**embedding.encoder.plain.state_dict(), **after}


def to_vectors(embedding: Source, path: Path, layers: list[str]) -> None:
    """The table, in the format of the file's name."""
    name, keys, rows = table_of(embedding, layers)
    about = {"content_hash": embedding.content_hash, "layer": name}
    spaces = embedding.card.get(COMPATIBLE, {}).get(name) if isinstance(embedding, Embedding) else embedding.spaces
    if spaces:
        about[SPACES] = json.dumps(spaces)
    write_vectors(path, parts_of(keys, rows.float().cpu()), about)


def to_npz(embedding: Source, path: Path, layers: list[str]) -> None:
    """numpy: `keys` and `vectors` of the table; without a table the encoder's weights by name."""
    if isinstance(embedding, Vectors) or embedding.keys or layers:
        _, keys, rows = table_of(embedding, layers)
        arrays: dict[str, Any] = {"keys": np.array(keys, dtype=np.str_), "vectors": rows.numpy()}
    else:
        arrays = {name: tensor.numpy() for name, tensor in weights_in(embedding).items()}
    write_whole(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def to_projector(embedding: Source, path: Path, layers: list[str]) -> None:
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
        if missing := [name for name in self.layers if name not in embedding.layers]:
            raise ValueError(
                f"layer '{missing[0]}' is no output of the encoder; available: {', '.join(embedding.layers)}"
            )
        self.names, self.source = embedding.wire.required, embedding.wire.source

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The encoder's required inputs, in order -> the layers."""
        outputs = self.encoder(**dict(zip(self.names, inputs, strict=True)))
        return tuple(outputs[name] for name in self.layers)

    def examples(self, embedding: Embedding) -> tuple[tuple[Tensor, ...], tuple[dict[int, Any], ...]]:
        """Inputs to trace with, and which of their dimensions are free.

        Raises:
            ValueError: it is not known what the encoder reads.
        """
        known = embedding.reader.examples()
        if self.names == ["token"] and "length" in known:  # words by number, in a grid: no text is parted from another
            token = known["token"][0].view(2, 3)
            return (token,), ({0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("words", min=1)},)
        missing = [self.source[name] for name in self.names if self.source[name] not in known]
        if missing:
            raise ValueError(
                f"cannot export an encoder of {', '.join(self.names)}: nobody says how {missing[0]} is read"
            )
        dims = {name: torch.export.Dim(name, min=1) for name in ("batch", "words")}
        inputs, free = [], []
        for name in self.names:
            example, dimensions = known[self.source[name]]
            inputs.append(example)
            free.append({place: dims[dimension] for place, dimension in dimensions.items()})
        return tuple(inputs), tuple(free)


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
    free_names(made.model.graph, program.layers)
    made.model.metadata_props["content_hash"] = embedding.card["content_hash"]
    content = made.model_proto.SerializeToString()
    write_whole(path, lambda file: file.write(content))


def free_names(graph: Any, layers: list[str]) -> None:
    """Calls inner values of an ONNX graph otherwise, where they have a layer's name: torch names them after their
    operations, one of which is `embedding`."""
    outputs = {id(value) for value in graph.outputs}
    for number, node in enumerate(graph):
        for value in node.outputs:
            if value.name in layers and id(value) not in outputs:
                value.name = f"inner/{number}/{value.name}"


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
