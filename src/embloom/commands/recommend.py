"""`embloom recommend`: what somebody would like, known from training or by what they had."""

from __future__ import annotations

import argparse

from embloom.assembly.parameters import positive_integers
from embloom.commands.opening import opened, own_option


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        "embloom recommend", description=__doc__, epilog="example: embloom recommend RUN user_017 --top 5"
    )
    made.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    made.add_argument("user", metavar="USER", nargs="?", help="somebody who was there in training")
    made.add_argument("--items", nargs="+", metavar="ITEM", help="somebody new, by what they had")
    made.add_argument("--top", type=int, default=10, help="how many (10)")
    made.add_argument(
        "--exclude-seen",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="leave out what they had (the default)",
    )
    own_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: somebody or something is unknown, or the run does not recommend.
    """
    options = parser().parse_args(arguments)
    positive_integers(**{"--top": options.top})
    if (options.user is None) == (options.items is None):
        raise ValueError("name somebody, embloom recommend RUN USER, or what somebody new had, --items ITEM ITEM ...")
    found = opened(options.run, options.config_dir).recommend(
        options.user, items=options.items, top=options.top, exclude_seen=options.exclude_seen
    )
    width = max((len(name) for name, _ in found), default=0)
    for name, score in found:
        print(f"{name:<{width}}  {score:.4f}")
