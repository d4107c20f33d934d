"""Joins words that stand together more often than by chance: `new york` becomes `new_york`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHUNK = 1 << 22


def join_phrases(
    file: Path, offsets: NDArray[np.int64], words: list[str], min_count: int, threshold: float
) -> tuple[list[str], NDArray[np.int64]]:
    """Rewrite a token file with frequent pairs joined, left to right, never across documents.

    A pair scores `(count(a b) - min_count) * vocabulary / (count(a) * count(b))` and is joined above the
    threshold (Mikolov et al. 2013, "Distributed Representations of Words and Phrases", equation 6).

    Args:
        file: `tokens.npy`, int32, numbers of `words`.
        offsets: where each document begins, and the end.
        words: the vocabulary.
        min_count: rarer pairs are not joined.
        threshold: higher joins fewer.

    Returns:
        The vocabulary, most frequent first, and the new offsets.
    """
    tokens = np.load(file)
    size = len(words)
    codes = tokens[:-1].astype(np.int64) * size + tokens[1:]
    inside = np.ones(len(codes), bool)
    inside[offsets[1:-1] - 1] = False
    pairs = _frequent(codes, inside, tokens, size, min_count, threshold)
    first = inside & np.isin(codes, pairs)
    chosen = _alternate(first)
    joined = tokens.astype(np.int32)
    places = np.flatnonzero(chosen)
    joined[places] = size + np.searchsorted(pairs, codes[places]).astype(np.int32)
    keep = np.ones(len(tokens), bool)
    keep[places + 1] = False
    before = np.concatenate([[0], np.cumsum(keep)])
    names = [*words, *(f"{words[code // size]}_{words[code % size]}" for code in pairs)]
    return _renumbered(file, joined[keep], names), before[offsets].astype(np.int64)


def _frequent(
    codes: NDArray[np.int64],
    inside: NDArray[np.bool_],
    tokens: NDArray[np.int32],
    size: int,
    min_count: int,
    threshold: float,
) -> NDArray[np.int64]:
    """Return the codes of the pairs to join, ascending."""
    found, counts = np.unique(codes[inside], return_counts=True)
    single = np.bincount(tokens, minlength=size).astype(np.float64)
    score = (counts - min_count) * size / (single[found // size] * single[found % size])
    return found[(counts >= min_count) & (score > threshold)]


def _alternate(first: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of neighboring pairs, which share a word, take the first, the third and so on of each run."""
    place = np.arange(len(first))
    run_begin = np.maximum.accumulate(np.where(first & ~np.concatenate([[False], first[:-1]]), place, -1))
    return first & ((place - run_begin) % 2 == 0)


def _renumbered(file: Path, tokens: NDArray[np.int32], names: list[str]) -> list[str]:
    """Save tokens numbered by falling count, without names that no longer occur; return the names so."""
    counts = np.bincount(tokens, minlength=len(names))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda number: (-counts[number], names[number]))
    rank = np.full(len(names), -1, np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    np.save(file, rank[tokens])
    return [names[number] for number in order]
