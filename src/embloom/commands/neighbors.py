"""`embloom neighbors`: the words nearest to one, or the photographs, texts or rows of a folder nearest to a new one."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from embloom.artifact.index import described, indexed, place_for
from embloom.artifact.vectors import Vectors
from embloom.assembly.parameters import positive_integers
from embloom.commands.opening import names_option, opened, own_option, read_vectors, say_spelled, words_at
from embloom.files.run_state import printable
from embloom.files.table_parts import open_table

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding

VECTORS = (".safetensors", ".npy", ".npz")  # what `--among` takes as vectors and not as inputs
Found = list[tuple[str, float]]


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        "embloom neighbors", description=__doc__,
        epilog="examples: embloom neighbors RUN king --top 10; embloom neighbors RUN photo.jpg --among photos/",
    )  # fmt: skip
    made.add_argument("run", metavar="RUN", help="a run folder, its embeddings/, or a file of vectors")
    made.add_argument("queries", metavar="QUERY", nargs="+", help="a word; with --among images, texts or tables")
    made.add_argument("--among", metavar="PLACE", help="a folder, a glob or a file of inputs, or a file of vectors "
                      "that embloom encode wrote")  # fmt: skip
    made.add_argument("--top", type=int, default=10, help="how many (10)")
    made.add_argument("--html", metavar="FILE", type=Path, help="with --among: also write a page, with thumbnails")
    made.add_argument("--layer", help="with --among: which layer (embedding)")
    made.add_argument("--column", help="with --among a table: the column of texts, or of the images' paths")
    made.add_argument("--no-index", action="store_true", help="with --among: keep no index in the run's folder")
    own_option(made)
    names_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: the run has no words, or something is not there or cannot be read.
    """
    options = parser().parse_args(arguments)
    positive_integers(**{"--top": options.top})
    if options.among is None:
        of_words(options)
        return
    if options.html is not None and (options.html.is_dir() or not options.html.parent.is_dir()):
        raise ValueError(f"--html {options.html} cannot be written: it is a folder, or there is no folder for it")
    if Path(options.run).is_file():
        raise ValueError(f"{options.run} is a file of vectors, which encodes nothing: --among takes a run")
    embedding = opened(options.run, options.config_dir)
    layer = options.layer or "embedding"
    embedding.extractor(layer)
    asked = asked_for(embedding, options.queries, layer, options.column)
    stock = stock_of(embedding, options, layer)
    answers = [(name, nearest(stock, asked, row, options.top)) for row, name in enumerate(asked.names)]
    shown = rows_shown(embedding, options.among, answers)
    show(shown)
    if options.html is not None:
        from embloom.commands.neighbors_page import write_page

        write_page(options.html, shown, options.among, embedding.reader.kind == "image")
        say(f"written: {options.html}")


def of_words(options: argparse.Namespace) -> None:
    """The words nearest to one."""
    if options.html or options.layer or options.column:
        raise ValueError("--html, --layer and --column go with --among, what to search")
    if len(options.queries) > 1:
        raise ValueError(f"neighbors takes one word; for several: embloom midpoint RUN {' '.join(options.queries)}")
    try:
        words = words_at(options.run, options.config_dir, options.names)
    except ValueError as error:
        if "has no words" not in str(error):
            raise
        raise ValueError(f"{error}; or name what to search: embloom neighbors RUN QUERY --among FOLDER") from error
    found = words.neighbors(options.queries[0], options.top)
    say_spelled(words, options.queries)
    show([(options.queries[0], found)])


def asked_for(embedding: Embedding, queries: Sequence[str], layer: str, column: str | None) -> Vectors:
    """The vectors of what is asked, under the names by which it was asked."""
    import torch

    extract = embedding.extractor(layer)
    names: list[str] = []
    rows = []
    for query in queries:
        if embedding.reader.kind == "text" and not Path(query).exists():
            names.append(query)
            rows.append(extract([query]))
            continue
        for part in embedding.reader.open(query, column, 256).parts:
            names += described(embedding.reader, part)
            rows.append(extract(part.inputs))
    if not rows:
        raise ValueError(f"{' '.join(queries)}: it is empty: there is nothing to look for")
    return embedding.own(torch.cat(rows), names, layer)


def stock_of(embedding: Embedding, options: argparse.Namespace, layer: str) -> Vectors:
    """What is searched."""
    place = Path(options.among).expanduser()
    if place.is_file() and place.suffix.lower() in VECTORS:
        return read_vectors(options.among, options.names)
    if options.names:
        raise ValueError(f"--names {options.names[0]}: it is for files of vectors")
    file = None if options.no_index else place_for(options.run, options.among, layer, options.column)
    return indexed(embedding, options.among, layer, file, column=options.column, say=say)


def nearest(stock: Vectors, asked: Vectors, row: int, top: int) -> Found:
    """The nearest of the stock to one query, which is no answer itself where it is a file among them."""
    stock.check_same(asked.content_hash, asked.layer, asked.spaces)
    itself = Path(asked.names[row])
    own = [i for i, name in enumerate(stock.names) if Path(name).name == itself.name and same_file(Path(name), itself)]
    if len(own) == len(stock):
        return []
    cosines, rows = stock.search.nearest(asked.rows[row], top, own)
    return [(stock.called(i), cosine) for i, cosine in zip(rows[0].tolist(), cosines[0].tolist(), strict=True)]


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file; texts lead to none."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def rows_shown(embedding: Embedding, among: str, answers: list[tuple[str, Found]]) -> list[tuple[str, Found]]:
    """Rows of a table with their cells behind their numbers."""
    if embedding.reader.kind != "table" or Path(among).suffix.lower() in VECTORS:
        return answers
    wanted = {name for _, found in answers for name, _ in found}
    table = open_table(Path(among).expanduser())
    cells = {}
    for part in table.parts(table.names):
        for row in range(part.count):
            if str(part.start + row) in wanted:
                cells[str(part.start + row)] = ", ".join(str(part.columns[name][row]) for name in table.names)
    return [(f"row {query}", [(f"row {n}: {cells.get(n, '')}", x) for n, x in found]) for query, found in answers]


def show(answers: Sequence[tuple[str, Found]]) -> None:
    """A line an answer; in a terminal no longer than it is wide."""
    wide = shutil.get_terminal_size().columns - 10 if sys.stdout.isatty() else None
    for place, (query, found) in enumerate(answers):
        if len(answers) > 1:
            print(("\n" if place else "") + printable(query))
        names = [fitted(printable(name), wide) for name, _ in found]
        width = max(map(len, names), default=0)
        for name, (_, score) in zip(names, found, strict=True):
            print(f"{name:<{width}}  {score:.4f}")


def fitted(text: str, wide: int | None) -> str:
    """A text with its middle left out where it is too long: of a path the end matters most."""
    if wide is None or len(text) <= max(20, wide):
        return text
    end = max(20, wide) * 2 // 3
    return f"{text[: max(20, wide) - end - 1]}…{text[-end:]}"


def say(line: str) -> None:
    """What is going on, apart from the answers."""
    print(line, file=sys.stderr, flush=True)
