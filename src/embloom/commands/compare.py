"""`embloom compare` and `embloom map`: what is asked for, and in which order it is answered."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from embloom.assembly import own
from embloom.commands.opening import names_option, own_option
from embloom.comparison.collect import Recorded, folders, read
from embloom.files.atomic import write_whole

if TYPE_CHECKING:
    from embloom.comparison.points import Points
    from embloom.comparison.table import Comparison

DATA_OVERRIDE = re.compile(r"dataset\.(\w+)=(.*)", re.DOTALL)
MAPS = "pca,tsne"
DEEP = 10_000  # points, up to which every layer of one run is mapped


def compare(arguments: list[str]) -> None:
    """`embloom compare RUN ...`."""
    parser = argparse.ArgumentParser(
        prog="embloom compare",
        description="Which settings differ, then probes, then losses where they can be compared.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders, folders of runs, files of vectors, "
                        "patterns; dataset.root=... where the data of the maps has moved; 'probe=[analogies]' and "
                        "probe.analogies.path=... to measure vectors by")  # fmt: skip
    out = parser.add_mutually_exclusive_group()
    out.add_argument("--csv", action="store_true", help="print CSV instead of tables")
    out.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--html", metavar="FILE", help="also write a page with maps, curves and similarities")
    parser.add_argument("--changes", nargs="?", type=int, const=10, metavar="N", help="also list the N (10) words or "
                        "samples that changed most from one embedding to the next")  # fmt: skip
    parser.add_argument("--sort", metavar="NAME", help="a metric or setting to sort by (default: the first probe)")
    add_map_options(parser)
    add_file_options(parser)
    options = parser.parse_intermixed_args(arguments)
    from embloom.comparison.table import Comparison, print_comparison

    runs, overrides = selected(options)
    comparison = Comparison(runs, options.sort)
    target = checked_target(options.html) if options.html else None
    methods = checked_methods(options)
    if options.changes is not None and (options.changes < 1 or options.csv):
        raise ValueError("--changes takes a number from 1 on, and goes with tables and --json")
    wanted = target is not None or options.changes is not None
    # Tables that need no embedding come at once.
    if options.csv:
        print(comparison.as_csv(), end="")
    elif not options.json:
        print_comparison(comparison)
        print_answer(comparison)
    found = gathered(comparison.runs, options, overrides) if wanted else ([], [])
    if options.json:
        print(comparison.as_json(**answered(comparison), **changed(comparison, found[0], options.changes)))
    elif options.changes is not None:
        print_changed(comparison, found[0], options.changes)
    if target is not None:
        write_page(comparison, target, methods, found)
        say(f"written: {target}")


def changed(comparison: Comparison, groups: list[Points], most: int | None) -> dict[str, Any]:
    """What changed most, for `--json`; nothing where it was not asked for."""
    from embloom.comparison.changed import change_lists

    return {} if most is None else {"changes": change_lists(comparison, groups, most)}


def print_changed(comparison: Comparison, groups: list[Points], most: int) -> None:
    """Likewise as tables."""
    from embloom.comparison.changed import change_lists, print_changes

    lists = change_lists(comparison, groups, most)
    print_changes(lists)
    if not lists:
        say("warning: no two of the embeddings hold the same words or samples, so nothing can have changed")


def answered(comparison: Comparison) -> dict[str, Any]:
    """What `embloom best` says of the runs, if it says anything."""
    from embloom.comparison.best import answer_of

    answer = answer_of(comparison)
    return {"best": {"by": answer.by, "settled": answer.settled, "settings": answer.records()}} if answer else {}


def print_answer(comparison: Comparison) -> None:
    """Likewise as text."""
    from rich.console import Console
    from rich.markup import escape

    from embloom.comparison.best import answer_of

    if answer := answer_of(comparison):
        Console(highlight=False).print(escape(f"\n{answer}"), soft_wrap=True)


def draw(arguments: list[str]) -> None:
    """`embloom map RUN`."""
    parser = argparse.ArgumentParser(
        prog="embloom map", description="Draws the embedding of one run: map.png and map.html in its folder."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run folder, or a file of vectors; and "
                        "dataset.root=... if the data moved")  # fmt: skip
    parser.add_argument("--out", metavar="FILE", help="FILE.png and FILE.html instead of RUN/map")
    add_map_options(parser)
    add_file_options(parser)
    options = parser.parse_intermixed_args(arguments)
    runs, overrides = selected(options)
    if len(runs) != 1:
        raise ValueError(f"embloom map draws one run, and these are {len(runs)}: use embloom compare ... --html FILE")
    out = options.out.removesuffix(".png").removesuffix(".html") if options.out else beside(runs[0])
    targets = [checked_target(f"{out}.{kind}") for kind in ("png", "html")]
    methods = checked_methods(options)
    from embloom.comparison.plot import plot
    from embloom.comparison.table import Comparison

    comparison = Comparison(runs)
    groups, problems = gathered(runs, options, overrides)
    if not groups or (options.axes and not groups[0].axes[0]):
        raise ValueError("\n".join(problems))
    content = plot(groups[0], methods)
    write_whole(targets[0], lambda file: file.write(content))
    write_page(comparison, targets[1], methods, (groups, problems))
    for target in targets:
        print(f"written: {target}")


def add_map_options(parser: argparse.ArgumentParser) -> None:
    """What both commands take."""
    parser.add_argument("--points", type=int, default=2000, metavar="N", help="at most N points (default 2000)")
    parser.add_argument("--layer", default="embedding", help="the layer that is mapped (default embedding)")
    parser.add_argument(
        "--metric", choices=("auto", "euclidean", "cosine"), default="auto",
        help="what is near: cosine suits losses that normalize (default: cosine for words, else euclidean)",
    )  # fmt: skip
    own_option(parser)
    parser.add_argument(
        "--split", choices=("train", "val", "test"), default="test", help="whose samples (default test)"
    )
    parser.add_argument("--axes", nargs=2, metavar="FORMULA", default=(), help="a map along two directions: "
                        "'king - man' 'old - young'; of samples, between classes")  # fmt: skip
    parser.add_argument("--maps", default=MAPS, help=f"of pca, tsne, umap (default {MAPS})")


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """What goes with files of vectors."""
    names_option(parser)
    parser.add_argument(
        "--labels", metavar="FILE", help="a CSV file whose first column is names of vectors, each other one a label"
    )


def beside(run: Recorded) -> str:
    """Where a map is written: into a run's folder, or beside a file of vectors."""
    return str(run.folder / "map") if run.vectors is None else f"{run.folder.with_suffix('')}.map"


def selected(options: argparse.Namespace) -> tuple[list[Recorded], dict[str, Any]]:
    """The runs and files of vectors, measured as asked, and the overrides of the runs' datasets.

    Raises:
        ValueError: an argument is neither.
    """
    overrides: dict[str, Any] = {}
    places, probes = [], []
    for argument in options.runs:
        match = DATA_OVERRIDE.fullmatch(argument)
        # A folder of a sweep may be called so.
        if match and not Path(argument).exists():
            overrides[match[1]] = yaml.safe_load(match[2])
        elif argument.startswith(("probe=", "probe.")) and not Path(argument).exists():
            probes.append(argument)
        else:
            places.append(argument)
    if not places:
        raise ValueError("name at least one run: see them with embloom runs")
    runs = read_places(places, probes, options)
    for key in overrides:
        if not any(key in run.config["dataset"] for run in runs):
            raise ValueError(f"dataset.{key}: none of the runs has such a setting")
    return runs, overrides


def read_places(places: Sequence[str], probes: Sequence[str], options: argparse.Namespace) -> list[Recorded]:
    """What is compared; torch is imported where there are vectors to read or to measure."""
    if not probes and not options.names and not options.labels and not any(map(has_files, places)):
        return [read(folder) for folder in folders(places)]
    from embloom.comparison.from_files import entries, measure

    runs = entries(places, options.names, options.labels, say)
    measure(runs, asked_probes(probes, options.config_dir) if probes else None, say)
    return runs


def has_files(place: str) -> bool:
    """Whether a place is a file of vectors, or a pattern of such."""
    return Path(place).is_file() or (not Path(place).exists() and any(map(os.path.isfile, glob(place))))


def asked_probes(overrides: Sequence[str], config_dir: str | None) -> dict[str, Any]:
    """The probes that overrides choose, as for a training.

    Raises:
        ValueError: there is no such probe or setting.
    """
    from embloom.assembly.compose import composed, plain

    chosen = plain(composed([*overrides], [config_dir] if config_dir else []))["probe"]
    return dict(chosen or {})


def checked_target(name: str) -> Path:
    """A file that can be written.

    Raises:
        ValueError: its folder does not exist, or it is a folder.
    """
    path = Path(name)
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"{path} cannot be written: " + ("it is a folder" if path.is_dir() else "there is no folder "
                         f"{path.parent}"))  # fmt: skip
    return path


def checked_methods(options: argparse.Namespace) -> list[str]:
    """The maps that are asked for, before anything is computed.

    Raises:
        ValueError: one is unknown or not installed, or the number of points makes no sense.
    """
    from embloom.comparison.methods import checked

    if options.points < 3:
        raise ValueError(f"--points {options.points}: it must be at least 3")
    return [checked(name) for name in options.maps.split(",") if name]


def gathered(
    runs: Sequence[Recorded], options: argparse.Namespace, overrides: Mapping[str, Any]
) -> tuple[list[Points], list[str]]:
    """The points of the maps, and what could not be mapped."""
    from embloom.comparison.axes import formula
    from embloom.comparison.points import Gatherer

    depth = len(runs) == 1 and options.points <= DEEP
    axes = [formula(text) for text in options.axes]
    gatherer = Gatherer(options.points, options.layer, overrides, options.metric, options.split, axes, depth)
    say(f"embedding the points of {len(runs)} run{'s' if len(runs) > 1 else ''}")
    with own.parts([options.config_dir] if options.config_dir else []):
        groups = gatherer.gather(runs)
    for problem in gatherer.problems:
        say(f"warning: {problem}")
    return groups, gatherer.problems


def write_page(
    comparison: Comparison, target: Path, methods: Sequence[str], found: tuple[list[Points], list[str]]
) -> None:
    """Writes the HTML."""
    from embloom.comparison.html import page

    content = page(comparison, found[0], methods, found[1], say).encode()
    write_whole(target, lambda file: file.write(content))


def say(line: str) -> None:
    """What is going on, apart from the output."""
    print(line, file=sys.stderr, flush=True)
