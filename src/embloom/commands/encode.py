"""`embloom encode`: vectors of images, texts or CSV rows from any layer of a trained encoder."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from embloom.artifact.extractor import Extractor
from embloom.artifact.in_context import by_position, last_layers, occurrences
from embloom.artifact.readers.base import Inputs, Part, Reader
from embloom.artifact.saving import COMPATIBLE
from embloom.artifact.vector_files import SPACES
from embloom.artifact.vector_writing import write_vectors, writer_for
from embloom.assembly.parameters import positive_integers
from embloom.commands.opening import opened, own_option


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom encode", description=__doc__)
    made.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    made.add_argument("input", metavar="INPUT", help="a file, a folder or a quoted glob; CSV, too; with --word, a text")
    made.add_argument("--output", "-o", type=Path, required=True, help="ends in .safetensors, .npy, .csv or .parquet")
    made.add_argument("--layer", action="append", help="which layer (embedding); give it again for several")
    made.add_argument("--last", type=int, metavar="N", help="the last N hidden layers")
    made.add_argument("--word", help="of an encoder that reads words in context: this word, wherever it stands")
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
    positive_integers(**({} if options.last is None else {"--last": options.last}))
    if options.last and options.layer:
        raise ValueError("--last names layers, and so does --layer: leave one out")
    layers = last_layers(embedding.layers, options.last) if options.last else options.layer or ["embedding"]
    combine = "average" if options.average else "concat"
    named = [by_position(name, embedding.layers) for name in layers] if options.word else layers
    extract = embedding.extractor(named, combine, options.dims)
    if options.word and not Path(options.input).exists():
        inputs = Inputs(iter([Part([options.input], [options.input])]), 1)
    else:
        inputs = opened_inputs(embedding.reader, options)
    about = {
        "content_hash": embedding.card["content_hash"],
        "layer": f" {'|' if options.average else '+'} ".join(layers),
    }
    if len(layers) == 1 and (spaces := embedding.card.get(COMPATIBLE, {}).get(layers[0])):
        about[SPACES] = json.dumps(spaces)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    count = write_vectors(options.output, encoded(extract, inputs, options.word), about)
    print(f"{count:,} vectors of layer {about['layer']}: {options.output}")


def opened_inputs(reader: Reader, options: argparse.Namespace) -> Inputs:
    """What a file, a folder or a glob holds.

    Raises:
        ValueError: there is nothing; or it is a text instead of where texts are.
    """
    try:
        return reader.open(options.input, options.column, options.batch_size)
    except ValueError as error:
        if reader.kind != "text" or Path(options.input).exists():
            raise
        advice = f"; a text goes into a file, one a line, or: embloom.load('{options.run}').encode([...])"
        raise ValueError(f"{error}{advice}") from error


def encoded(extract: Extractor, inputs: Inputs, word: str | None = None) -> Iterator[tuple[list[str], Tensor]]:
    """Names and vectors, part by part, under a progress bar on standard error; of a word, as often as it stands there.

    Raises:
        ValueError: a layer has no vector for each input, or the word stands nowhere.
    """
    count = empty = 0
    bar = Progress(
        TextColumn("encoding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True,
        console=Console(stderr=True),
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=inputs.count)
        for part in inputs.parts:
            if word is not None:
                rows, vectors = occurrences(extract, list(part.inputs), word)
                names = [part.names[row] for row in rows]
            else:
                names, vectors = part.names, extract(part.inputs)
            if len(names) != len(vectors):
                raise ValueError(
                    f"layer {extract.names[0]} has a vector for each position: use hidden_0, hidden_1, ..., which are "
                    "their means, or --word"
                )
            count, empty = count + len(names), empty + int((vectors == 0).all(1).sum())
            if len(names):
                yield names, vectors
            bar.advance(task, len(part.names))
    if empty:
        print(f"note: {empty:,} of {count:,} vectors are zero: nothing in these inputs is known", file=sys.stderr)
    if word is not None and not count:
        raise ValueError(f"'{word}' stands in none of the texts")
