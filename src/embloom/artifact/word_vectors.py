"""Questions to a table of word vectors: neighbors, analogies, averages, and which word does not belong."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.neighbors import Neighbors

METHODS = ("3cosadd", "3cosmul")
SPELLINGS = 200_000  # the most frequent words, among which near spellings are looked for
SHIFT = 1e-3  # keeps 3CosMul from dividing by 0

Scored = list[tuple[str, float]]


class WordVectors:
    """A vocabulary and its vectors, the most frequent words first.

    Args:
        names: N words (or items).
        vectors: (N, D).

    Raises:
        ValueError: they do not fit each other.
    """

    def __init__(self, names: Sequence[str], vectors: Tensor) -> None:
        if len(names) != len(vectors):
            raise ValueError(f"{len(names)} words do not fit {len(vectors)} vectors")
        self.names, self.vectors = list(names), vectors
        self.number = {name: number for number, name in enumerate(names)}
        self.search = Neighbors(vectors)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, word: str) -> bool:
        return word in self.number

    def find(self, word: str) -> int:
        """The row of a word; lower-cased, where only that is known.

        Raises:
            ValueError: it is not in the vocabulary; the message gives the nearest spellings.
        """
        for spelling in (word, word.lower()):
            if spelling in self.number:
                return self.number[spelling]
        near = difflib.get_close_matches(word.lower(), self.names[:SPELLINGS], n=5, cutoff=0.6)
        hint = f"the nearest spellings there are {', '.join(near)}" if near else "and nothing is spelled like it"
        raise ValueError(f"'{word}' is not in the vocabulary of {len(self):,}; {hint}")

    def vector(self, word: str) -> Tensor:
        """(D,)."""
        return self.vectors[self.find(word)]

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two words."""
        return float(self.search.rows[self.find(one)] @ self.search.rows[self.find(other)])

    def neighbors(self, word: str, top: int = 10) -> Scored:
        """The words nearest to one, with their cosines."""
        return self.midpoint([word], top)

    def midpoint(self, words: Sequence[str], top: int = 10, weights: Sequence[float] | None = None) -> Scored:
        """The words nearest to the (weighted) average direction of some, which are left out themselves."""
        rows = [self.find(word) for word in words]
        factor = torch.tensor([1.0] * len(rows) if weights is None else list(weights))
        return self._nearest((self.search.rows[rows] * factor[:, None]).sum(0), rows, top)

    def analogy(
        self, positive: Sequence[str], negative: Sequence[str], top: int = 10, method: str = "3cosadd"
    ) -> Scored:
        """`analogy(["king", "woman"], ["man"])`: a man is to a king as a woman is to whom?

        Args:
            positive: words that count for, at least one.
            negative: words that count against.
            top: how many answers; the words of the question are none.
            method: `3cosadd` (Mikolov et al. 2013) or `3cosmul` (Levy and Goldberg 2014, equation 4).

        Raises:
            ValueError: a word is not in the vocabulary, or the method unknown.
        """
        if method not in METHODS:
            raise ValueError(f"method={method}: it must be {' or '.join(METHODS)}")
        if not positive:
            raise ValueError("an analogy needs a word that counts for: king - man + woman")
        if method == "3cosadd":
            signs = [1.0] * len(positive) + [-1.0] * len(negative)
            return self.midpoint([*positive, *negative], top, signs)
        plus, minus = ([self.find(word) for word in words] for words in (positive, negative))
        score = cosines(self.search.rows, plus).prod(1) / (cosines(self.search.rows, minus).prod(1) + SHIFT)
        score[[*plus, *minus]] = -torch.inf
        found = score.topk(min(top, max(1, len(self) - len({*plus, *minus}))))
        return [(self.names[row], value) for value, row in zip(found.values.tolist(), found.indices, strict=True)]

    def outlier(self, words: Sequence[str]) -> Scored:
        """The words with their cosines to the average direction of all; the first is the one that does not belong.

        Raises:
            ValueError: there are fewer than three, or one is not in the vocabulary.
        """
        if len(words) < 3:
            raise ValueError("to find the one that does not belong takes three words or more")
        rows = self.search.rows[[self.find(word) for word in words]]
        score = rows @ F.normalize(rows.sum(0), dim=0)
        return sorted(zip(words, score.tolist(), strict=True), key=lambda pair: pair[1])

    def _nearest(self, query: Tensor, without: Sequence[int], top: int) -> Scored:
        values, rows = self.search.nearest(query, top, without)
        pairs = zip(values[0].tolist(), rows[0].tolist(), strict=True)
        return [(self.names[row], value) for value, row in pairs]


def cosines(rows: Tensor, chosen: Sequence[int]) -> Tensor:
    """(N, D) of length 1 -> (N, chosen) cosines with some of them, moved to 0..1."""
    return (rows @ rows[list(chosen)].T + 1) / 2
