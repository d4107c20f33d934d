"""The names of the maps; apart from what draws them, so that a wrong name is found before anything is loaded."""

from __future__ import annotations

from importlib.util import find_spec

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


def checked(name: str) -> str:
    """The name of a map that can be drawn.

    Raises:
        ValueError: it is unknown, or needs a package that is not installed.
    """
    if name not in METHODS:
        raise ValueError(f"--maps {name}: there is no such map; available: {', '.join(METHODS)}")
    if name == "umap" and find_spec("umap") is None:
        raise ValueError("--maps umap needs a package that is not installed: pip install 'embloom[umap]'")
    return name
