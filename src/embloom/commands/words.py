"""The commands that question words: `embloom analogy`, `midpoint` and `outlier`; see `neighbors` too."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from embloom.assembly.parameters import positive_integers
from embloom.commands.opening import names_option, own_option, say_spelled, words_at

EXAMPLES = {
    "analogy": ("answers to an analogy", "RUN king - man + woman"),
    "midpoint": ("the words nearest to the average of some", "RUN king queen"),
    "outlier": ("which word does not belong", "RUN king queen prince kitten"),
}


def ask(command: str, arguments: list[str]) -> None:
    """Runs one of the three.

    Raises:
        ValueError: the run has no words, or one that is asked for is not in its vocabulary.
    """
    options = parser(command).parse_args(arguments)
    positive_integers(**{"--top": vars(options).get("top", 1)})
    words = words_at(options.run, options.config_dir, options.names)
    asked = options.words
    if command == "outlier":
        scores = words.outlier(options.words)
        print(f"{scores[0][0]} does not belong; cosines to the average:")
    elif command == "analogy":
        positive, negative = signed(options.words)
        asked = [*positive, *negative]
        scores = words.analogy(positive, negative, options.top, options.method)
    else:
        scores = words.midpoint(options.words, options.top)
    say_spelled(words, asked)
    width = max(len(name) for name, _ in scores)
    for name, score in scores:
        print(f"{name:<{width}}  {score:.4f}")


def parser(command: str) -> argparse.ArgumentParser:
    """The arguments of one command."""
    says, example = EXAMPLES[command]
    made = argparse.ArgumentParser(
        f"embloom {command}", description=says, epilog=f"example: embloom {command} {example}"
    )
    made.add_argument("run", metavar="RUN", help="a run folder, its embeddings/, or a file of vectors")
    made.add_argument("words", metavar="WORD", nargs="+")
    own_option(made)
    names_option(made)
    if command != "outlier":
        made.add_argument("--top", type=int, default=10, help="how many answers (10)")
    if command == "analogy":
        made.add_argument("--method", choices=("3cosadd", "3cosmul"), default="3cosadd")
    return made


def signed(tokens: Sequence[str]) -> tuple[list[str], list[str]]:
    """`king - man + woman` -> the words that count for, and those that count against.

    Raises:
        ValueError: two words or two signs follow each other.
    """
    positive: list[str] = []
    negative: list[str] = []
    side: list[str] | None = positive
    for token in tokens:
        if token in ("+", "-"):
            if side is not None:
                raise ValueError(wrong_signs(tokens))
            side = positive if token == "+" else negative
        elif side is None:
            raise ValueError(wrong_signs(tokens))
        else:
            side.append(token)
            side = None
    if side is not None:
        raise ValueError(wrong_signs(tokens))
    return positive, negative


def wrong_signs(tokens: Sequence[str]) -> str:
    """What to write instead."""
    return (
        f"'{' '.join(tokens)}' is no analogy: write words with + or - between them, spaces around: king - man + woman"
    )
