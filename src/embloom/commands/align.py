"""`embloom align`: an artifact that encodes into the space of another one, so that vectors which are stored stay good.

It takes rows of the same name, pairs from a file, or the same samples. A part of them is held out and measures the map.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embloom.assembly import own
from embloom.commands.compress import OVERRIDE, dataset_overrides, opened
from embloom.commands.opening import own_option

if TYPE_CHECKING:
    from embloom.derive.align import Pairs
    from embloom.derive.writing import Source

KINDS = ("orthogonal", "linear", "mlp")
FITTED, TESTED = 10_000, 2000  # samples


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom align", description=__doc__)
    made.add_argument("new", metavar="V2", help="the run or artifact that is aligned")
    made.add_argument("old", metavar="V1", help="the one in whose space its vectors will be")
    made.add_argument("more", metavar="INPUT", nargs="*", help="inputs that both encode: a file, a folder or a glob "
                      "(default: what V1 was trained on); dataset.root=... if that has moved")  # fmt: skip
    made.add_argument("--pairs", type=Path, metavar="FILE", help="a name of V2's rows and one of V1's a line: cat,gato")
    made.add_argument("--kind", choices=KINDS, default="orthogonal", help="orthogonal (default) keeps all angles, "
                      "linear fits better where they differ, mlp where no plane stays one")  # fmt: skip
    made.add_argument("--output", "-o", type=Path, required=True, metavar="FOLDER", help="a new folder")
    made.add_argument("--layer", help="of V2 (embedding, or its table)")
    made.add_argument("--to-layer", help="of V1 (the same)")
    made.add_argument("--column", help="of a table of inputs: the column of texts, or of the images' paths")
    own_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: something of it does not fit.
    """
    options = parser().parse_intermixed_args(arguments)
    from embloom.derive.align import align, told
    from embloom.derive.writing import check_free

    check_free(options.output)
    new, old = (opened(place, options.config_dir) for place in (options.new, options.old))
    layer = options.layer or new.embedding.main_table() or "embedding"
    same = layer if layer in old.embedding.layers else old.embedding.main_table() or "embedding"
    layers = (layer, options.to_layer or same)
    for source, name in zip((new, old), layers, strict=True):
        if name not in source.embedding.layers:
            raise ValueError(
                f"{source.place}: there is no layer '{name}'; available: {', '.join(source.embedding.layers)}"
            )
    with own.parts([options.config_dir] if options.config_dir else []):
        pairs = pairs_for(new, old, layers, options)
    done = align(new, old, layers, pairs, options.kind, options.output)
    print(f"{options.kind} map of {layers[0]} ({pairs.new.shape[1]}) into {layers[1]} ({pairs.old.shape[1]}): "
          f"{pairs.what}")  # fmt: skip
    print(f"fitted to {done.fitted:,} pairs, measured on {done.held:,} others:")
    lines = told(done.figures)
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        print(f"  {name:<{width}}  {value:.4f}")
    print(f"written: {options.output}")


def pairs_for(new: Source, old: Source, layers: tuple[str, str], options: argparse.Namespace) -> Pairs:
    """The same things in both.

    Raises:
        ValueError: it is not known which are.
    """
    from embloom.derive.align import Pairs, held_out, of_names, read_pairs
    from embloom.derive.samples import vectors_of_inputs

    inputs = [word for word in options.more if not OVERRIDE.fullmatch(word)]
    if len(inputs) > 1:
        raise ValueError(f"name one INPUT, a file, a folder or a quoted glob, and not {len(inputs)}")
    named = [layer in source.embedding.keys for source, layer in zip((new, old), layers, strict=True)]
    if options.pairs is not None and (inputs or not all(named)):
        raise ValueError("--pairs are of named rows: both need a table of them, and no INPUT")
    if inputs:
        one, other = (vectors_of_inputs(s.embedding, inputs[0], layer, options.column)
                      for s, layer in zip((new, old), layers, strict=True))  # fmt: skip
        if one[0] != other[0]:
            raise ValueError(f"{inputs[0]}: the two read different inputs there")
        return Pairs(one[1], other[1], held_out(len(one[1])), other[1], what=f"{len(one[1]):,} inputs of {inputs[0]}")
    if all(named):
        one, other = ((s.embedding.keys[layer], s.embedding.table(layer).float())
                      for s, layer in zip((new, old), layers, strict=True))  # fmt: skip
        return of_names(one, other, [] if options.pairs is None else read_pairs(options.pairs))
    return of_dataset(new, old, layers, dataset_overrides(options.more))


def of_dataset(new: Source, old: Source, layers: tuple[str, str], overrides: dict[str, Any]) -> Pairs:
    """The samples that V1 was trained on.

    Raises:
        ValueError: they cannot be read again, or V2 cannot encode them.
    """
    from embloom.derive.align import of_samples
    from embloom.derive.samples import dataset_of, vectors_of_split

    dataset = dataset_of(old.card, overrides)
    found = {}
    for name, source, layer in (("new", new, layers[0]), ("old", old, layers[1])):
        wire = source.embedding.wire
        if missing := wire.missing(dataset.sizes):
            raise ValueError(f"{source.place} cannot encode what V1 was trained on ({missing[0]}): name INPUT")
        found[name] = [
            vectors_of_split(source.embedding, dataset, "train", [layer], FITTED),
            vectors_of_split(source.embedding, dataset, "test", [layer], TESTED),
        ]
    tested = (found["new"][1], found["old"][1])
    return of_samples(found["new"][0], found["old"][0], layers, dataset.class_counts(), tested)
