"""`embloom serve`: a trained embedding as an HTTP service, on this machine alone unless told otherwise."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embloom.assembly.parameters import integers, positive_integers
from embloom.commands.opening import opened, own_option

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding
    from embloom.artifact.vectors import Vectors

IMAGES = 8 << 20  # bytes of a body where images are sent


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser("embloom serve", description=__doc__)
    made.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    made.add_argument("--port", type=int, default=8000, help="(8000); 0 is any that is free")
    made.add_argument("--host", default="127.0.0.1", help="an address of this machine (127.0.0.1); 0.0.0.0 is all")
    made.add_argument("--among", metavar="PLACE", help="inputs to find neighbors among: a folder, a glob or a file")
    made.add_argument("--layer", default="embedding", help="with --among: which layer (embedding)")
    made.add_argument("--column", help="with --among a table: the column of texts, or of the images' paths")
    made.add_argument("--max-body", type=int, metavar="BYTES", help="of a request (1 MiB, with images 8 MiB)")
    made.add_argument("--rate", type=int, default=0, help="requests a second of one address; 0 is any (0)")
    made.add_argument("--threads", type=int, default=1, help="cores for one batch of requests (1)")
    own_option(made)
    return made


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: there is no artifact, the port is taken, or what serves is not installed.
    """
    options = parser().parse_args(arguments)
    positive_integers(**{"--threads": options.threads, "--max-body": options.max_body or 1})
    integers(0, **{"--rate": options.rate, "--port": options.port})
    try:
        import torch

        from embloom.serving.answers import Answers
        from embloom.serving.app import Application
        from embloom.serving.limits import Limits
        from embloom.serving.server import bound, run
    except ImportError as error:
        raise ValueError(f"serving needs {error.name}: pip install 'embloom[serve]'") from error
    torch.set_num_threads(options.threads)
    embedding = opened(options.run, options.config_dir)
    index = index_of(embedding, options)
    usual = IMAGES if embedding.reader.kind == "image" else Limits.body
    limits = Limits(body=options.max_body or usual, rate=options.rate)
    answers = Answers(embedding, limits, index, options.threads)
    listener = bound(options.host, options.port)
    host, port = listener.getsockname()[:2]
    local = host in ("127.0.0.1", "::1")
    if not local:
        print(f"warning: whoever reaches {host} can ask: there is neither encryption nor a password", file=sys.stderr)
    shown = f"[{host}]" if ":" in host else host
    print(f"serving {options.run} ({embedding.content_hash}) on http://{shown}:{port}", flush=True)
    run(Application(answers, limits, local), listener, limits)


def index_of(embedding: Embedding, options: argparse.Namespace) -> Vectors | None:
    """The vectors of `--among`, as `embloom neighbors` keeps them.

    Raises:
        ValueError: there is nothing, or it cannot be read.
    """
    if options.among is None:
        if options.column:
            raise ValueError("--column goes with --among, what to search")
        return None
    from embloom.artifact.index import indexed, place_for
    from embloom.serving.answers import relative

    embedding.extractor(options.layer)
    file = place_for(Path(options.run), options.among, options.layer, options.column)
    found = indexed(
        embedding, options.among, options.layer, file, column=options.column,
        say=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    return relative(found, options.among)
