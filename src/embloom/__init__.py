"""embloom trains embeddings, measures what each loss kept in them, and lets you reuse them.

`embloom.load(path)` opens a trained embedding; importing the package alone imports neither torch nor Hydra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embloom.artifact.embedding import Embedding, load

__version__ = "0.1.0"
__all__ = ["Embedding", "__version__", "load"]


def __getattr__(name: str) -> Any:
    if name in ("Embedding", "load"):
        from embloom.artifact import embedding

        return getattr(embedding, name)
    raise AttributeError(f"module 'embloom' has no attribute {name!r}")
