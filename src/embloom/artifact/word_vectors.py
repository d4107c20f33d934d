"""Questions to a table of word vectors: neighbors, analogies, averages, and which word does not belong."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.artifact.neighbors import Neighbors
from embloom.artifact.stages.base import Quantizer

METHODS = ("3cosadd", "3cosmul")
SPELLINGS = 200_000  # the most frequent words, among which near spellings are looked for
SHIFT = 1e-3  # keeps 3CosMul from dividing by 0

Scored = list[tuple[str, float]]


class UnknownWordError(KeyError, ValueError):
    """A word is not in the vocabulary: a missing key as for any mapping, and a mistake with a message for people."""

    def __str__(self) -> str:
        return str(self.args[0])


class WordVectors:
    """A vocabulary and its vectors, the most frequent words first.

    What people know from gensim's `KeyedVectors` is here under the same names with the same numbers: `words["film"]`,
    `"film" in words`, `len`, `most_similar`, `doesnt_match`, `similarity`, `n_similarity`. A word that is only known in
    lower case is found so.

    Args:
        names: N words (or items); of one that is there twice the first counts.
        vectors: (N, D).
        spell: words that are none of these -> their vectors (n, D), from their letters; 0 where it has none. `in` and
            `find` still say what is in the vocabulary.
        quantizer: what rounded them, if anything did.

    Raises:
        ValueError: they do not fit each other.
    """

    def __init__(
        self,
        names: Sequence[str],
        vectors: Tensor,
        spell: Callable[[Sequence[str]], Tensor] | None = None,
        quantizer: Quantizer | None = None,
    ) -> None:
        if len(names) != len(vectors):
            raise ValueError(f"{len(names)} words do not fit {len(vectors)} vectors")
        self.names, self.vectors = list(names), vectors
        self.number: dict[str, int] = {}
        for number, name in enumerate(names):
            self.number.setdefault(name, number)
        self.search, self.spell = Neighbors(vectors, quantizer=quantizer), spell

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and (word in self.number or word.lower() in self.number)

    def __getitem__(self, words: str | Sequence[str]) -> Tensor:
        """The vector of a word, (D,), or those of a list of words, (n, D).

        Raises:
            KeyError: one is not in the vocabulary, and cannot be spelled out either.
        """
        if isinstance(words, str):
            return self.vector(words)
        if self.spell is None:
            return self.vectors[[self.find(word) for word in words]]
        return torch.stack([self.vector(word) for word in words]) if len(words) else self.vectors[:0]

    def __repr__(self) -> str:
        first = ", ".join(self.names[:5]) + (", ..." if len(self) > 5 else "")
        return f"{len(self):,} words, {self.vectors.shape[1]} numbers each: {first}"

    def find(self, word: str) -> int:
        """The row of a word; lower-cased, where only that is known.

        Raises:
            ValueError: it is not in the vocabulary; the message gives the nearest spellings. It is a `KeyError`, too.
        """
        for spelling in (word, word.lower()):
            if spelling in self.number:
                return self.number[spelling]
        near = difflib.get_close_matches(word.lower(), self.names[:SPELLINGS], n=5, cutoff=0.6)
        hint = f"the nearest spellings there are {', '.join(near)}" if near else "and nothing is spelled like it"
        raise UnknownWordError(f"'{word}' is not in the vocabulary of {len(self):,}; {hint}")

    def spelled(self, words: Sequence[str]) -> list[str]:
        """Those of the words that are not in the vocabulary, and have their vectors from their letters."""
        return [word for word in words if self.spell is not None and word not in self]

    def vector(self, word: str) -> Tensor:
        """(D,), of a word that is not in the vocabulary from its letters, where that can be done."""
        row, vector = self.place(word)
        return vector if row is None else self.vectors[row]

    def place(self, word: str) -> tuple[int | None, Tensor]:
        """The row of a word, None where it is spelled out, and its vector (D,), of length 1 where there is a row.

        Raises:
            ValueError: see `find`.
        """
        if self.spell is not None and word not in self:
            vector = self.spell([word])[0]
            if vector.any():
                return None, vector
        row = self.find(word)
        return row, self.search.rows[row]

    def directions(self, words: Sequence[str]) -> tuple[list[int], Tensor]:
        """The rows of those words that have one, and the vectors of all (n, D), of length 1."""
        places = [self.place(word) for word in words]
        return [row for row, _ in places if row is not None], torch.stack(
            [vector if row is not None else F.normalize(vector.float().cpu(), dim=0) for row, vector in places]
        )

    def similarity(self, one: str, other: str) -> float:
        """The cosine of two words."""
        _, both = self.directions([one, other])
        return float(both[0] @ both[1])

    def n_similarity(self, some: Sequence[str], others: Sequence[str]) -> float:
        """The cosine of the means of two lists of words.

        Raises:
            ValueError: a list is empty, or a word is not in the vocabulary.
        """
        if not len(some) or not len(others):
            raise ValueError("n_similarity takes two lists of at least one word each")
        one, other = (self[[words] if isinstance(words, str) else words].float().mean(0) for words in (some, others))
        return float(F.cosine_similarity(one, other, dim=0))

    def most_similar(self, positive: Any = None, negative: Any = None, topn: int = 10) -> Scored:
        """The words nearest to the mean of some, each of length 1, less others: `most_similar("film")`,
        `most_similar(positive=["king", "woman"], negative=["man"])`. Words of the question are no answers.

        Args:
            positive: a word, a vector (D,), a pair of either with a weight, or a list of these.
            negative: likewise, what counts against; a weight that is given counts as it is, as in gensim.
            topn: how many.

        Raises:
            ValueError: there is no word to begin with, or one is not in the vocabulary.
        """
        signed = [(item, 1.0) for item in listed(positive)] + [(item, -1.0) for item in listed(negative)]
        if not signed:
            raise ValueError("most_similar needs a word: positive=..., negative=... or both")
        rows, query = [], torch.zeros(self.vectors.shape[1])
        for item, sign in signed:
            thing, weight = item if isinstance(item, tuple) and len(item) == 2 else (item, sign)
            if isinstance(thing, str):
                known, direction = self.directions([thing])
                rows += known
                query += weight * direction[0]
            else:
                query += weight * torch.as_tensor(np.asarray(thing), dtype=torch.float32)
        return self._nearest(query, rows, topn) if topn > 0 and len(set(rows)) < len(self) else []

    def doesnt_match(self, words: Sequence[str]) -> str:
        """The word that does not go with the others; those that are unknown are left out, with a warning.

        Raises:
            ValueError: none is known.
        """
        words = words.split() if isinstance(words, str) else words
        known = [word for word in words if word in self]
        if not known:
            raise ValueError("doesnt_match takes words of the vocabulary, and none of these is in it")
        if left := [word for word in words if word not in self]:
            warnings.warn(f"not in the vocabulary, and left out: {', '.join(left)}", stacklevel=2)
        return min(self.to_the_mean(known), key=lambda pair: pair[1])[0]

    def neighbors(self, word: str, top: int = 10) -> Scored:
        """The words nearest to one, with their cosines."""
        return self.midpoint([word], top)

    def midpoint(self, words: Sequence[str], top: int = 10, weights: Sequence[float] | None = None) -> Scored:
        """The words nearest to the (weighted) average direction of some, which are left out themselves."""
        rows, directions = self.directions(words)
        factor = torch.tensor([1.0] * len(words) if weights is None else list(weights))
        return self._nearest((directions * factor[:, None]).sum(0), rows, top)

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
        return sorted(self.to_the_mean(words), key=lambda pair: pair[1])

    def to_the_mean(self, words: Sequence[str]) -> Scored:
        """The words with their cosines to the average direction of all."""
        _, rows = self.directions(words)
        score = rows @ F.normalize(rows.sum(0), dim=0)
        return list(zip(words, score.tolist(), strict=True))

    def _nearest(self, query: Tensor, without: Sequence[int], top: int) -> Scored:
        values, rows = self.search.nearest(query, top, without)
        pairs = zip(values[0].tolist(), rows[0].tolist(), strict=True)
        return [(self.names[row], value) for value, row in pairs]


def listed(items: Any) -> list[Any]:
    """One thing or several, as a list."""
    if items is None:
        return []
    one = isinstance(items, (str, tuple)) or (hasattr(items, "ndim") and items.ndim == 1)
    pair = isinstance(items, tuple) and not (len(items) == 2 and isinstance(items[1], (int, float)))
    return list(items) if pair or not one else [items]


def cosines(rows: Tensor, chosen: Sequence[int]) -> Tensor:
    """(N, D) of length 1 -> (N, chosen) cosines with some of them, moved to 0..1."""
    return (rows @ rows[list(chosen)].T + 1) / 2
