"""The names of the maps; apart from what draws them, so that a wrong name is found before anything is loaded."""

from __future__ import annotations

from importlib.util import find_spec

METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
# What each map can and cannot say, beside it on the page.
LIMITS = {
    "pca": "PCA: a flat shadow of the embedding, along its two directions of largest variance. What is far apart here "
    "is far apart there; what lies together here may differ in directions that are not seen.",
    "tsne": "t-SNE keeps neighbors together and nothing else. Distances between groups mean nothing, nor do the sizes "
    "and densities of groups; small clumps can be chance (Wattenberg et al. 2016).",
    "umap": "UMAP keeps neighbors together, and some of the order of the groups. How far groups lie from each other, "
    "and how large and dense they are, means little; another seed draws another map.",
}


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
