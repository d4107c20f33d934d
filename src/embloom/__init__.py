"""embloom trains embeddings, measures what each loss kept in them, and lets you reuse them.

`embloom.train("dataset=mnist")` is the same run as `embloom train dataset=mnist` in a shell; `embloom.load(path)` opens
a trained embedding. Importing the package alone imports neither torch nor Hydra.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding
    from embloom.artifact.loading import load
    from embloom.commands.python import Run, Sweep, best, compare, read_vectors, resume, runs, sweep, train

__version__ = "0.1.0"
__all__ = [
    "Embedding",
    "Run",
    "Sweep",
    "__version__",
    "best",
    "compare",
    "load",
    "read_vectors",
    "resume",
    "runs",
    "sweep",
    "train",
]

_HOME = {
    "Embedding": "embloom.artifact.embedding",
    "load": "embloom.artifact.loading",
    **dict.fromkeys(
        ("Run", "Sweep", "best", "compare", "read_vectors", "resume", "runs", "sweep", "train"),
        "embloom.commands.python",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'embloom' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
