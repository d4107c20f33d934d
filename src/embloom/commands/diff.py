"""`embloom diff V1 V2`: whether two versions of an embedding can be mixed, what differs, which rows changed most."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from embloom.assembly import own
from embloom.commands.compare import add_file_options, checked_target, say, selected
from embloom.commands.opening import own_option
from embloom.files.atomic import write_whole

if TYPE_CHECKING:
    from embloom.comparison.collect import Recorded
    from embloom.comparison.versions import Versions

EVERYTHING = 10**9  # rows
LISTED = 100  # on the page


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom diff", description=__doc__)
    made.add_argument("runs", nargs="+", metavar="V1 V2", help="two runs or files of vectors, the earlier one first; "
                      "and dataset.root=... where the data has moved")  # fmt: skip
    made.add_argument("--top", type=int, default=20, metavar="N", help="how many of the rows that changed most (20)")
    made.add_argument("--neighbors", type=int, default=10, metavar="K", help="how many neighbors count (10)")
    made.add_argument("--rows", type=int, default=EVERYTHING, metavar="N", help="compare N rows only: the first words, "
                      "or samples chosen at random (default: all)")  # fmt: skip
    made.add_argument("--layer", default="embedding", help="the layer that is compared (default embedding)")
    made.add_argument("--metric", choices=("auto", "euclidean", "cosine"), default="auto",
                      help="what is near (default: cosine for words, else euclidean)")  # fmt: skip
    made.add_argument("--split", choices=("train", "val", "test"), default="test", help="whose samples (default test)")
    made.add_argument("--html", metavar="FILE", help="also write a page")
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    own_option(made)
    add_file_options(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: there are not two, or one cannot be read.
    """
    options = parser().parse_intermixed_args(arguments)
    if options.top < 1 or options.neighbors < 1 or options.rows < 3:
        raise ValueError("--top and --neighbors take numbers from 1 on, --rows from 3 on")
    target = checked_target(options.html) if options.html else None
    runs, overrides = selected(options)
    if len(runs) != 2:
        advice = "name one other" if len(runs) == 1 else "name two, or use embloom compare for more"
        raise ValueError(f"embloom diff takes two versions, and these are {len(runs)}: {advice}")
    found = found_between(runs, options, overrides)
    from embloom.comparison.versions import as_record
    from embloom.comparison.versions_text import print_versions

    if options.json:
        print(json.dumps(as_record(found, options.top), indent=2, ensure_ascii=False))
    else:
        print_versions(found, options.top)
    if target is not None:
        from embloom.comparison.versions_page import page

        content = page(found, max(LISTED, options.top), say).encode()
        write_whole(target, lambda file: file.write(content))
        say(f"written: {target}")


def found_between(runs: list[Recorded], options: argparse.Namespace, overrides: dict[str, Any]) -> Versions:
    """Embeds and compares."""
    from embloom.comparison.points import Gatherer
    from embloom.comparison.versions import versions

    say("embedding the rows of both")
    gatherer = Gatherer(options.rows, options.layer, overrides, options.metric, options.split, colored=False)
    with own.parts([options.config_dir] if options.config_dir else []):
        return versions(runs, gatherer, options.neighbors)
