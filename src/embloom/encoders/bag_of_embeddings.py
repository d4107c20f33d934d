"""The average of a text's word vectors, and layers on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import choices, integers, positive_integers, probabilities
from embloom.encoders.base import Encoder
from embloom.encoders.dropout import Dropout
from embloom.encoders.layers import ACTIVATIONS, NORMS, widths_of
from embloom.encoders.ngrams import NaiveBayesScores

INITIAL_STD = 0.05


class BagOfEmbeddings(Encoder):
    """Looks up each word, averages, and applies linear layers with an activation between them.

    With one layer this is fastText's classifier (Joulin et al. 2017) and SWEM-aver (Shen et al. 2018), with more a
    deep averaging network (Iyyer et al. 2015). `words` is the table, `mean` the average, `hidden_0`, ... the layers
    between, `embedding` the last, linear one: with cross-entropy on it, its numbers are the class logits.

    With `ngrams`, what words and word n-grams say of each class is added to `embedding`; see `NaiveBayesScores`. Its
    ratios are computed from the training labels before the training.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        layers: sizes from the word vectors to the embedding, `100-2`, `100-64-2` or a list; `auto` at
            the end is the number of classes. `100` alone: the average, after `norm`, is the embedding.
        activation: one of `ACTIVATIONS`.
        dropout: probability of dropping a number of the average or of a hidden layer.
        word_dropout: probability of dropping a word from its text in training (Iyyer et al. 2015, section 3.1).
        norm: `none`, `batch` or `layer`, of the average before the layers. Averages of many words are much alike;
            `batch` brings each number to unit variance over the texts (Ioffe and Szegedy 2015), without which few
            labels are not enough to find what tells them apart.
        ngrams: words of the longest n-gram that counts; 1 is none, only the average of words.
        buckets: n-grams of two words and more share so many rows, by hashing.
        labels: label -> number of classes, the dataset's.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    rows: ClassVar[Mapping[str, str]] = {"words": "token"}

    def __init__(
        self,
        sizes: Mapping[str, int],
        layers: str | int | Sequence[int | str] = "100-auto",
        activation: str = "relu",
        dropout: float = 0.0,
        word_dropout: float = 0.3,
        norm: str = "none",
        ngrams: int = 1,
        buckets: int = 1 << 22,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        if "token" not in sizes:
            raise ValueError("encoder=bag_of_embeddings reads words: choose dataset=labelled_text")
        widths = widths_of(layers, labels=labels, least=1)
        choices(ACTIVATIONS, activation=activation)
        choices(NORMS, norm=norm)
        probabilities(dropout=dropout, word_dropout=word_dropout)
        self.words = nn.Embedding(sizes["token"], widths[0])
        nn.init.normal_(self.words.weight, std=INITIAL_STD)
        self.norm = NORMS[norm](widths[0], **({"affine": False} if norm == "batch" else {}))
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = ACTIVATIONS[activation]()
        self.dropout = Dropout(dropout)
        self.word_dropout = word_dropout
        integers(1, ngrams=ngrams)
        positive_integers(buckets=buckets)
        self.scores_of = self.of_ngrams(sizes["token"], widths[-1], ngrams, buckets, labels or {})
        hidden = {f"hidden_{i}": width for i, width in enumerate(widths[1:-1])}
        scores = {} if self.scores_of is None else {"ngrams": widths[-1]}
        self.sizes = {"mean": widths[0], **hidden, **scores, "embedding": widths[-1]}

    def of_ngrams(
        self, words: int, width: int, most: int, buckets: int, labels: Mapping[str, int]
    ) -> NaiveBayesScores | None:
        """The scores from n-grams, where there are any.

        Raises:
            ValueError: nothing has so many classes as the embedding has numbers.
        """
        if most == 1:
            return None
        self.label = next((name for name, classes in labels.items() if classes == width), "")
        if not self.label:
            raise ValueError(
                f"ngrams={most} scores classes, and no label has {width}: end encoder.layers with the number of "
                "classes, or with auto"
            )
        return NaiveBayesScores(words, width, most, buckets)

    @property
    def computed(self) -> bool:
        """Whether there are ratios to compute."""
        return self.scores_of is not None

    def fit(self, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Computes the ratios of n-grams from `token` (T,), `length` (B,) and the label (B,)."""
        assert self.scores_of is not None
        self.scores_of.fit(batches, self.label)

    def tables(self) -> dict[str, Tensor]:
        """The word vectors."""
        return {"words": self.words.weight}

    def forward(self, token: Tensor, length: Tensor) -> dict[str, Tensor]:
        """Words of all texts in a row (T,) and how many each text has (B,) -> `mean` (B, D), `hidden_<i>`,
        `ngrams` if any, and `embedding` (B, last width). A text without a known word has a mean of 0."""
        x = self.average(token, length)
        outputs = {"mean": x}
        x = self.dropout(self.norm(x))
        for i, linear in enumerate(self.linears[:-1]):
            x = self.activation(linear(x))
            outputs[f"hidden_{i}"] = x
            x = self.dropout(x)
        outputs["embedding"] = self.linears[-1](x) if len(self.linears) else x
        if self.scores_of is not None:
            outputs["ngrams"] = self.scores_of(token, length)
            outputs["embedding"] = outputs["embedding"] + outputs["ngrams"]
        return outputs

    def average(self, token: Tensor, length: Tensor) -> Tensor:
        """(T,), (B,) -> (B, D)."""
        begin = length.cumsum(0) - length
        if not self.training or not self.word_dropout:
            return F.embedding_bag(token, self.words.weight, begin.to(token), mode="mean")
        text = torch.repeat_interleave(length, output_size=len(token))
        kept = torch.rand(len(token), device=token.device) >= self.word_dropout
        share = kept.to(self.words.weight)
        count = share.new_zeros(len(length)).index_add_(0, text, share)
        weights = share / count.clamp_min(1)[text]
        return F.embedding_bag(token, self.words.weight, begin.to(token), mode="sum", per_sample_weights=weights)
