"""Maps of an embedding in two dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from embloom.comparison.methods import checked

# Beyond this t-SNE takes minutes.
TSNE_MOST = 10_000
WIDE = 50
ONE_THREAD = 3000

Map = npt.NDArray[np.float64]


def project(vectors: Tensor, method: str, cosine: bool) -> Map:
    """Points in two dimensions.

    Args:
        vectors: (N, D).
        method: `pca`, `tsne` (van der Maaten and Hinton 2008) or `umap` (McInnes et al. 2018).
        cosine: angles count, not lengths.

    Returns:
        (N, 2), centred, the farthest point at distance 1; the same for the same vectors.

    Raises:
        ValueError: the method is unknown or not installed.
    """
    from sklearn.decomposition import PCA

    checked(method)
    rows = vectors.double().numpy()
    if cosine:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)
    rows = rows - rows.mean(0)
    spread = np.abs(rows).max(initial=0.0)
    if spread < 1e-12 or len(rows) < 3:
        return np.zeros((len(rows), 2))
    # Only ratios of distances matter to a map, and tiny ones end in division by zero.
    rows = rows / spread
    width = min(*rows.shape, 2 if method == "pca" else WIDE)
    reduced: Any = PCA(width, random_state=0).fit_transform(rows)
    if method == "tsne":
        reduced = tsne(reduced)
    elif method == "umap":
        reduced = umap(reduced)
    flat = np.zeros((len(rows), 2))
    flat[:, : min(2, reduced.shape[1])] = reduced[:, :2]
    return unit(flat)


def tsne(rows: Any) -> Any:
    """t-SNE, begun from the principal components so that the large-scale order stays."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if rows.shape[1] < 2:
        return rows
    # Of few points a step is so short that threads which wait for a busy core cost more than they bring.
    with threadpool_limits(1 if len(rows) <= ONE_THREAD else None):
        return TSNE(perplexity=min(30.0, (len(rows) - 1) / 3), init="pca", random_state=0).fit_transform(rows)


def umap(rows: Any) -> Any:
    """UMAP, where it is installed."""
    from umap import UMAP

    return UMAP(n_neighbors=min(15, len(rows) - 1), random_state=0, n_jobs=1).fit_transform(rows)


def unit(points: Map) -> Map:
    """Centred, and scaled so that the farthest point is at distance 1."""
    points = points - points.mean(0)
    return points / max(float(np.linalg.norm(points, axis=1).max(initial=0.0)), 1e-12)


def turned(points: Map, like: Map) -> Map:
    """The map rotated or mirrored to lie as much as possible like another one (orthogonal Procrustes), since a
    map's own orientation means nothing."""
    left, _, right = np.linalg.svd(points.T @ like)
    return points @ (left @ right)
