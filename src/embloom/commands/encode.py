"""`embloom encode`: vectors of images, texts or CSV rows from any layer of a trained encoder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from embloom.artifact.extractor import Extractor
from embloom.artifact.readers.base import Inputs
from embloom.artifact.vector_writing import write_vectors, writer_for
from embloom.assembly.parameters import positive_integers
from embloom.commands.opening import opened, own_option


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom encode", description=__doc__)
    made.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    made.add_argument("input", metavar="INPUT", help="a file, a folder or a quoted glob; CSV, too")
    made.add_argument("--output", "-o", type=Path, required=True, help="ends in .safetensors, .npy, .csv or .parquet")
    made.add_argument("--layer", action="append", help="which layer (embedding); give it again for several")
    made.add_argument("--dims", type=int, help="only so many numbers, of an embedding trained with loss.nested")
    both = made.add_mutually_exclusive_group()
    both.add_argument("--concat", action="store_true", help="several layers side by side (the default)")
    both.add_argument("--average", action="store_true", help="the mean of several layers")
    made.add_argument("--column", help="of a CSV file: that of the texts (text), or of the images' paths")
    made.add_argument("--batch-size", type=int, default=256)
    own_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: something of it does not fit.
    """
    options = parser().parse_args(arguments)
    positive_integers(**{"--batch-size": options.batch_size})
    writer_for(options.output)
    embedding = opened(options.run, options.config_dir)
    layers = options.layer or ["embedding"]
    extract = embedding.extractor(layers, "average" if options.average else "concat", options.dims)
    inputs = embedding.reader.open(options.input, options.column, options.batch_size)
    about = {
        "content_hash": embedding.card["content_hash"],
        "layer": f" {'|' if options.average else '+'} ".join(layers),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    count = write_vectors(options.output, encoded(extract, inputs), about)
    print(f"{count:,} vectors of layer {about['layer']}: {options.output}")


def encoded(extract: Extractor, inputs: Inputs) -> Iterator[tuple[list[str], Tensor]]:
    """Names and vectors, part by part, under a progress bar on standard error."""
    bar = Progress(
        TextColumn("encoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True,
        console=Console(stderr=True),
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=inputs.count)
        for part in inputs.parts:
            yield part.names, extract(part.inputs)
            bar.advance(task, len(part.names))
