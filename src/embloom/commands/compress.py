"""`embloom compress`: a smaller artifact, which every command takes as it takes a run."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from embloom.assembly import own
from embloom.assembly.parameters import positive_integers
from embloom.commands.opening import advice, own_option

OVERRIDE = re.compile(r"dataset\.(\w+)=(.*)", re.DOTALL)
SAMPLES = 20_000  # that stages are fitted to
KINDS = ("float16", "int8", "binary", "pq")


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom compress", description=__doc__)
    made.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    made.add_argument("overrides", metavar="dataset.KEY=VALUE", nargs="*", help="where the data is now, if it moved")
    made.add_argument("--to", choices=KINDS, help="of what kind the numbers are; left out: float32")
    made.add_argument("--dims", type=int, metavar="N", help="so many numbers a vector: the first, where it was trained "
                      "with loss.nested, else principal components")  # fmt: skip
    made.add_argument("--output", "-o", type=Path, required=True, metavar="FOLDER", help="a new folder")
    made.add_argument("--layer", help="a table or a layer (embedding)")
    made.add_argument("--among", metavar="PLACE", help="inputs that it is fitted to: a file, a folder or a glob "
                      "(default: its training split)")  # fmt: skip
    made.add_argument("--bits", type=int, metavar="N", help="with --to binary: bits a vector (4 a number, at most 512)")
    made.add_argument("--bits-only", action="store_true", help="with --to binary: no copy in int8 that rescores")
    made.add_argument("--parts", type=int, metavar="N", help="with --to pq: bytes a vector (1 for 4 numbers)")
    own_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: something of it does not fit.
    """
    options = parser().parse_intermixed_args(arguments)
    overrides = dataset_overrides(options.overrides)
    check(options)
    from embloom.derive.compress import compress
    from embloom.derive.samples import dataset_of, vectors_of_inputs, vectors_of_split
    from embloom.derive.writing import check_free

    check_free(options.output)
    source = opened(options.run, options.config_dir)
    embedding = source.embedding
    layer = options.layer or embedding.main_table() or "embedding"
    rows = None
    if layer not in embedding.encoder.tables():
        embedding.extractor(layer)
        if layer not in embedding.card["layers"]:
            raise ValueError(f"layer '{layer}' is no output of the encoder: {', '.join(embedding.layers)} are")
        if options.among:
            rows = vectors_of_inputs(embedding, options.among, layer)[1]
        else:
            with own.parts([options.config_dir] if options.config_dir else []):
                dataset = dataset_of(embedding.card, overrides)
                rows = vectors_of_split(embedding, dataset, "train", [layer], SAMPLES)[layer]
    more: dict[str, Any] = {"parts": options.parts, "bits": options.bits, "fine": not options.bits_only}
    done = compress(source, layer, options.to, options.output, dims=options.dims, rows=rows, **more)
    old, new = done.vector
    print(f"layer {layer}: {done.how}")
    print(f"bytes a vector: {old:,} -> {new:,}")
    print(f"bytes on disk: {done.before:,} -> {done.after:,}")
    if done.kept is not None:
        print(f"of the 10 nearest neighbors, a search still finds {done.kept:.1%}")
    print(f"written: {options.output}")


def check(options: argparse.Namespace) -> None:
    """Refuses options that do not go together.

    Raises:
        ValueError: see above.
    """
    positive_integers(**{f"--{k}": v for k in ("dims", "bits", "parts") if (v := getattr(options, k)) is not None})
    if options.to is None and options.dims is None:
        raise ValueError(f"name what to make of it: --to {', '.join(KINDS)}, or --dims N, or both")
    if (options.bits is not None or options.bits_only) and options.to != "binary":
        raise ValueError("--bits and --bits-only go with --to binary")
    if options.bits is not None and options.bits % 8:
        raise ValueError(f"--bits {options.bits}: it must be a multiple of 8")
    if options.parts is not None and options.to != "pq":
        raise ValueError("--parts goes with --to pq")


def dataset_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """`dataset.root=...` as settings.

    Raises:
        ValueError: an argument is something else.
    """
    found = {}
    for argument in arguments:
        match = OVERRIDE.fullmatch(argument)
        if not match:
            raise ValueError(f"{argument}: it is neither an option nor dataset.KEY=VALUE")
        found[match[1]] = yaml.safe_load(match[2])
    return found


def opened(run: str, config_dir: str | None) -> Any:
    """An artifact to make another one of.

    Raises:
        ValueError: there is none; where its parts are the user's own, the message says what to add to the command.
    """
    from embloom.derive.writing import opened as source

    if Path(run).is_file():
        raise ValueError(f"{run} is a file: name a run, or an artifact")
    try:
        return source(run, config_dir)
    except ValueError as error:
        raise ValueError(f"{error}{advice(run, config_dir, str(error))}") from error
