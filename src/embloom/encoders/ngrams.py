"""Words and word n-grams of texts as numbers of rows, by hashing; and scores of classes from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import integers, positive_integers

# A polynomial hash modulo a Mersenne prime: no product leaves 63 bits, and there are no operations but those that
# every exported format has.
PRIME, FACTOR = 2**31 - 1, 1_000_000_007
MOST = 5  # words of an n-gram
RATE = 7.0  # a row is in few texts, so it learns so many times as fast as the optimizer's rate says


def ngrams_of(token: Tensor, length: Tensor, most: int, words: int, buckets: int) -> tuple[Tensor, Tensor]:
    """Words and n-grams of texts.

    Args:
        token: (T,) words of all texts in a row.
        length: (B,) how many each text has.
        most: words of the longest n-gram.
        words: size of the vocabulary.
        buckets: n-grams of two words and more share so many numbers.

    Returns:
        Of each occurrence (P,) the text, and the number: that of the word, or `words` and more for n-grams. No n-gram
        reaches from one text into the next.
    """
    text = torch.repeat_interleave(length, output_size=len(token))
    token = token.long()
    texts, numbers, value = [text], [token], token + 1
    for n in range(2, most + 1):
        value = (value[:-1] * FACTOR + token[n - 1 :] + 1) % PRIME
        first = text[: len(value)]
        within = first == text[n - 1 :]
        texts.append(first[within])
        numbers.append(words + value[within] % buckets)
    return torch.cat(texts), torch.cat(numbers)


def once(texts: Tensor, numbers: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """What each text has, each once, text by text: texts (Q,), numbers (Q,) below `rows`."""
    found = torch.unique(texts * rows + numbers)
    return found // rows, found % rows


class NaiveBayesScores(nn.Module):
    """Scores of classes from the set of words and n-grams of a text (Wang and Manning 2012, section 2.3).

    The score of class c is b_c + RATE sum_f r_fc w_fc / |r_c|, over the words and n-grams f of the text, where r_fc =
    log(P(f | c) / P(f | other classes)) are the log-count ratios of naive Bayes, |r_c| is the length of those of the
    text, and w and b are learned, from 0. So what tells classes apart is learned sooner.

    Args:
        words: size of the vocabulary.
        classes: how many.
        most: words of the longest n-gram.
        buckets: n-grams share so many rows.
        smoothing: is added to each count.
    """

    ratio: Tensor

    def __init__(self, words: int, classes: int, most: int, buckets: int, smoothing: float = 1.0) -> None:
        super().__init__()
        integers(2, ngrams=most)
        positive_integers(buckets=buckets)
        if most > MOST:
            raise ValueError(f"ngrams={most}: at most {MOST} words")
        self.words, self.most, self.buckets, self.smoothing = words, most, buckets, smoothing
        self.weight = nn.Parameter(torch.zeros(words + buckets, classes))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("ratio", torch.zeros(words + buckets, classes))

    def sets(self, token: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Words (T,) and lengths (B,) -> texts and numbers (Q,) of what each text has, each once."""
        found = ngrams_of(token, length, self.most, self.words, self.buckets)
        return once(*found, len(self.weight))

    @torch.no_grad()
    def fit(self, batches: Iterable[Mapping[str, Tensor]], label: str) -> None:
        """Computes the ratios from the texts that have a label: in how many of each class something stands."""
        rows, classes = self.ratio.shape
        counts = self.ratio.new_zeros(rows * classes)
        for batch in batches:
            texts, numbers = self.sets(batch["token"], batch["length"])
            of = batch[label][texts]
            place = (numbers * classes + of)[of >= 0]
            counts.scatter_add_(0, place, torch.ones_like(place, dtype=counts.dtype))
        counts = counts.view(rows, classes)
        others = counts.sum(1, keepdim=True) - counts + self.smoothing
        counts += self.smoothing
        self.ratio.copy_((counts / counts.sum(0)).log_() - (others / others.sum(0)).log_())

    def forward(self, token: Tensor, length: Tensor) -> Tensor:
        """Words (T,) and lengths (B,) -> scores (B, classes)."""
        texts, numbers = self.sets(token, length)
        ratio = F.embedding(numbers, self.ratio)
        size = sums(ratio.square(), texts, len(length)).sqrt().clamp_min(1e-6)
        total = sums(F.embedding(numbers, self.weight) * ratio, texts, len(length))
        return RATE * total / size + self.bias


def sums(values: Tensor, texts: Tensor, count: int) -> Tensor:
    """Values (Q, C) of texts (Q,) -> their sums (count, C): of few classes, numbers are added up faster than rows."""
    classes = values.shape[1]
    place = texts[:, None] * classes + torch.arange(classes, device=texts.device)
    return values.new_zeros(count * classes).scatter_add(0, place.flatten(), values.flatten()).view(count, classes)
