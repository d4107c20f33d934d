"""How well cosines of word vectors agree with what people say of pairs of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.encoders.base import Encoder
from embloom.files.finding import files_at
from embloom.probes.base import Frozen, Probe, check_table

Pair = tuple[str, str, float]


class WordSimilarity(Probe):
    """Spearman's rank correlation between cosines and human scores. Pairs with an unknown word are left out, unless the
    encoder makes its vector from its letters.

    Args:
        path: a file of `word1 word2 score` lines, a folder or a glob of such files, or a list.
        layer: a table whose rows have names.

    Raises:
        ValueError: a file is missing or holds something else.
    """

    of_tables = True

    def __init__(self, path: str | Sequence[str], layer: str = "embedding") -> None:
        paths = [path] if isinstance(path, str) else list(path)
        try:
            files = [file for place in paths for file in files_at(place, "text file")]
        except ValueError as error:
            raise ValueError(f"path={path}: {error}".replace("dataset.path", "probe.word_similarity.path")) from None
        self.layer = layer
        self.sets = {name_of(file): read_pairs(file) for file in files}

    def check(self, encoder: Encoder) -> None:
        """See `Probe`."""
        check_table(self.layer, encoder)

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """For each file `word_similarity_<file>` in -1..1 and `word_similarity_coverage_<file>` in 0..1, and their
        means over the files, `word_similarity` and `word_similarity_coverage`. Where words are spelled out,
        `word_similarity_spelled` is the share of the pairs' words that were."""
        number, table = frozen.named_table(self.layer)
        words = sorted({word for pairs in self.sets.values() for a, b, _ in pairs for word in (a, b)})
        unseen, made = [word for word in words if word not in number], 0
        spell = frozen.spelled if self.layer == "embedding" else None
        if spell is not None and unseen:
            vectors = spell(unseen)
            good = [(word, row) for word, row in zip(unseen, vectors, strict=True) if bool(row.any())]
            made = len(good)
            number |= {word: len(table) + place for place, (word, _) in enumerate(good)}
            table = torch.cat([table, *(row[None].to(table) for _, row in good)])
        rows = F.normalize(table.float(), dim=1)
        scores, covered = {}, {}
        for name, pairs in self.sets.items():
            known = [pair for pair in pairs if pair[0] in number and pair[1] in number]
            covered[name] = len(known) / len(pairs)
            if len(known) > 1:
                scores[name] = agreement(known, number, rows)
        found = {f"word_similarity_{name}": score for name, score in scores.items()}
        found |= {f"word_similarity_coverage_{name}": share for name, share in covered.items()}
        if scores:
            found["word_similarity"] = sum(scores.values()) / len(scores)
        if spell is not None:
            found["word_similarity_spelled"] = made / len(words)
        return {**found, "word_similarity_coverage": sum(covered.values()) / len(covered)}


def name_of(file: Path) -> str:
    """A file's name as part of a tag."""
    return file.name.split(".")[0]


def read_pairs(file: Path) -> list[Pair]:
    """Lines of two words and a score, by white space or commas; `#` begins a comment.

    Raises:
        ValueError: a line is something else, or there is none.
    """
    pairs: list[Pair] = []
    for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        fields = line.replace(",", " ").split()
        if not fields or line.startswith("#"):
            continue
        try:
            pairs.append((fields[0].lower(), fields[1].lower(), float(fields[2])))
        except (IndexError, ValueError):
            if number > 1:  # the first line may be a heading
                raise ValueError(f"path={file}, line {number}: it is not 'word1 word2 score'") from None
    if not pairs:
        raise ValueError(f"path={file}: it holds no 'word1 word2 score' lines")
    return pairs


def agreement(pairs: Sequence[Pair], number: Mapping[str, int], rows: Tensor) -> float:
    """Spearman's correlation between the scores of pairs, whose words are all known, and the cosines of their rows
    (V, D), which have length 1."""
    known = [(number[a], number[b], score) for a, b, score in pairs]
    one, other, truth = (torch.tensor(column) for column in zip(*known, strict=True))
    return spearman((rows[one] * rows[other]).sum(1).cpu(), truth)


def spearman(one: Tensor, other: Tensor) -> float:
    """The correlation of ranks of two vectors (N,), equal values sharing their mean rank; 0 where one is constant."""
    ranks = torch.stack([mean_ranks(one), mean_ranks(other)])
    return float(torch.corrcoef(ranks).nan_to_num()[0, 1])


def mean_ranks(values: Tensor) -> Tensor:
    """(N,) -> (N,) float64."""
    _, place, counts = values.unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts - 1) / 2)[place]
