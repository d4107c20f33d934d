"""`embloom sizes`: what an embedding keeps with fewer numbers a vector and fewer bytes a number, measured by probes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from embloom.assembly import own
from embloom.assembly.parameters import positive_integers
from embloom.commands.compare import asked_probes, checked_target
from embloom.commands.compress import dataset_overrides, opened
from embloom.commands.opening import own_option
from embloom.files.atomic import write_whole
from embloom.files.run_state import printable

if TYPE_CHECKING:
    from embloom.derive.sizes import Measured


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom sizes", description=__doc__)
    made.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    made.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="'probe=[knn]' and probe.knn.k=1 to measure "
                      "by; dataset.root=... where the data is now, if it moved")  # fmt: skip
    made.add_argument("--layer", help="a table or a layer (embedding)")
    made.add_argument("--dims", help="numbers a vector, with commas (those of loss.nested, or powers of two)")
    made.add_argument("--by", metavar="NAME", help="the figure that counts (the first one)")
    made.add_argument("--keep", type=float, metavar="SHARE", help="name the smallest that keeps this share of the full "
                      "one's figure, of labels above chance: 0.98")  # fmt: skip
    made.add_argument("--points", type=int, default=10_000, metavar="N", help="samples of the training split (10000)")
    made.add_argument("--test-points", type=int, default=2000, metavar="N", help="and of the test split (2000)")
    made.add_argument("--out", metavar="FILE", help="FILE.png and FILE.html instead of RUN/sizes")
    own_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: something of it does not fit.
    """
    options = parser().parse_intermixed_args(arguments)
    positive_integers(**{"--points": options.points, "--test-points": options.test_points})
    if options.keep is not None and not 0 < options.keep <= 1:
        raise ValueError(f"--keep {options.keep:g}: it must be a share, such as 0.98")
    asked = [word for word in options.overrides if word.startswith(("probe=", "probe."))]
    overrides = dataset_overrides([word for word in options.overrides if word not in asked])
    nodes = asked_probes(asked, options.config_dir) if asked else None
    from embloom.derive.compress import nested_widths
    from embloom.derive.seeing import probes_for, seen
    from embloom.derive.sizes import fitted_to, halved, measure

    source = opened(options.run, options.config_dir)
    out = options.out.removesuffix(".png").removesuffix(".html") if options.out else str(source.place / "sizes")
    targets = [checked_target(f"{out}.{kind}") for kind in ("png", "html")]
    embedding = source.embedding
    layer = options.layer or embedding.main_table() or "embedding"
    with own.parts([options.config_dir] if options.config_dir else []):
        frozen = seen(source, layer, overrides, options.points, options.test_points)
        probes = probes_for(source, frozen, nodes)
    nested, full = nested_widths(source.card, layer), fitted_to(frozen).shape[1]
    widths = dims_asked(options.dims, full) if options.dims else [*nested, full] if nested else halved(full)
    found = measure(frozen, probes, widths, nested)
    for name, why in found.failed.items():
        print(f"warning: not measured by {name}: {printable(why)}")
    report(found, by_of(found, options.by), options.keep, f"{Path(options.run).name}: {layer}", targets)


def report(found: Measured, by: str, keep: float | None, title: str, targets: list[Path]) -> None:
    """Prints the table and the answer, and writes picture and page."""
    from rich.console import Console

    from embloom.derive.sizes import records
    from embloom.derive.sizes_plot import page, plot, sentence, shown

    rows = records(found, by)
    console = Console(highlight=False)
    console.print(table_of(list(rows[0]), [[shown(value) for value in row.values()] for row in rows]))
    if found.metrics:
        metrics = list(dict.fromkeys(metric for _, metric in found.metrics))
        widths = sorted({width for width, _ in found.metrics}, reverse=True)
        cells = [[str(width), *(f"{found.metrics[width, metric]:.4f}" for metric in metrics)] for width in widths]
        print("accuracy of the 5 nearest neighbors by metric, in float32")
        console.print(table_of(["numbers", *metrics], cells))
    chosen = found.smallest(by, keep) if keep is not None else None
    said = sentence(found, chosen, by, keep) if chosen is not None and keep is not None else ""
    if keep is not None and chosen is None:
        full, chance = found.sizes[0].scores[by], found.chance.get(by, 0.0)
        said = (
            f"{by} is {full:.4f}, and guessing gets {chance:.4f}: no size keeps a part of that; try another, --by NAME"
        )
    if said:
        print(said)
    picture = plot(found, by, keep, title)
    place = found.sizes.index(chosen) if chosen is not None else None
    content = page(picture, rows, place, title, said)
    write_whole(targets[0], lambda file: file.write(picture))
    write_whole(targets[1], lambda file: file.write(content))
    for target in targets:
        print(f"written: {target}")


def table_of(heads: list[str], rows: list[list[str]]) -> object:
    """A table for the terminal."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def by_of(found: Measured, asked: str | None) -> str:
    """The figure that counts.

    Raises:
        ValueError: there is no such figure.
    """
    there = list(found.sizes[0].scores)
    name = asked.removeprefix("probe/") if asked else there[0]
    if name not in there:
        raise ValueError(f"--by {asked}: there is no such figure; available: {', '.join(there)}")
    return name


def dims_asked(text: str, full: int) -> list[int]:
    """Widths with commas between.

    Raises:
        ValueError: one is no positive integer, or more than there are.
    """
    words = text.split(",")
    if not all(word.strip().isdecimal() and 0 < int(word) <= full for word in words):
        raise ValueError(f"--dims {text}: positive integers up to {full}, with commas between them: 8,16,32")
    return [int(word) for word in words]
