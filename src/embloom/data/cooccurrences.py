"""How often words stand near each other in a text of any size, pair by pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from embloom.assembly.parameters import choices, integers, positive_integers
from embloom.data.base import SPLITS, Batch, Phase, Split
from embloom.data.batches import Batches, Order, as_tensor
from embloom.data.blocks import cut_long
from embloom.data.cache import cached
from embloom.data.interleaved import Interleaved
from embloom.data.pair_counts import FILES, Counting
from embloom.data.text import Text, split_passages
from embloom.threads import keep_cores

FORMAT = 2
WEIGHTINGS = ("harmonic", "linear", "flat")


class Cooccurrences(Text):
    """Pairs of words and how often they stand within a window, counted once and kept in the cache.

    `transform` gives the columns `token` (B,), `context_token` (B,) and `count` (B,): each pair both ways round, one
    after all of the other, and a word beside itself once, with what it counts from both sides.

    Args:
        batch_size: pairs a step, each of which gives two samples. Fewer where there are few.
        path, documents, min_count, max_vocab, phrases, phrase_threshold, pattern, lowercase, document, tokenizer,
            val_fraction, test_fraction, split_seed, workers, cache: see `Text`.
        window: how far a neighbor may be.
        weighting: what one at distance d counts: `harmonic`, 1 / d, as in GloVe; `linear`, (window + 1 - d) / window,
            as on average in word2vec; `flat`, 1.
        memory: MiB that counting may take; what is more goes to the disk and is merged there.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    no_effect: ClassVar[tuple[str, ...]] = ("resident", "workers", "cache", "memory")

    def __init__(
        self,
        batch_size: int,
        path: str | None = None,
        documents: Iterable[Sequence[str]] | None = None,
        window: int = 10,
        weighting: str = "harmonic",
        memory: int = 512,
        min_count: int = 5,
        max_vocab: int | None = None,
        phrases: int = 0,
        phrase_threshold: float = 10.0,
        pattern: str | None = None,
        lowercase: bool = True,
        document: str = "line",
        tokenizer: str | None = None,
        val_fraction: float = 0.005,
        test_fraction: float = 0.005,
        split_seed: int = 0,
        workers: int = 2,
        cache: str | None = None,
        resident: bool | str = "auto",
        seed: int = 0,
    ) -> None:
        integers(2, batch_size=batch_size)
        positive_integers(window=window, memory=memory)
        choices(WEIGHTINGS, weighting=weighting)
        super().__init__(
            batch_size,
            path,
            documents,
            block=batch_size,
            window=window,
            min_count=min_count,
            max_vocab=max_vocab,
            phrases=phrases,
            phrase_threshold=phrase_threshold,
            pattern=pattern,
            lowercase=lowercase,
            document=document,
            tokenizer=tokenizer,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            workers=workers,
            cache=cache,
            resident=resident,
            seed=seed,
        )
        self.weighting, self.memory = weighting, memory
        self.pairs: dict[Split, dict[str, Tensor]] = {}

    def measure(self) -> None:
        """Opens or builds the corpus, whose vocabulary is the size of the encoder's tables."""
        self.corpus = self.grown(self.opened())
        count = len(self.corpus.words)
        self.sizes = {"token": count, "context_token": count, "count": 1}

    def setup(self, stage: str | None = None) -> None:
        """Splits the documents and counts the pairs, those of training once."""
        self.ready()
        assert self.corpus is not None
        if self.trainer is not None and self.device().type == "cpu":
            keep_cores()
        if self.pairs:
            return
        self.offsets = cut_long(self.corpus.offsets)
        self.split_of = split_passages(len(self.offsets) - 1, self.val_fraction, self.test_fraction, self.split_seed)
        counting = Counting(len(self.corpus.words), self.weights(), self.memory << 20, self.workers)
        entry = cached(self.cache, self.entry(), FILES, lambda folder: counting.write(self.passages("train"), folder))
        self.pairs["train"] = tensors(*(np.load(entry / name, mmap_mode="r") for name in FILES))
        for split in SPLITS[1:]:
            passages = self.passages(split)
            self.pairs[split] = tensors(*counting.of_passages(passages, np.arange(len(passages.used))))
        for split in SPLITS:
            if not len(self.pairs[split]["pair"]):
                raise ValueError(
                    f"no two words stand together in the documents of {split}: give it more text, or a larger "
                    f"dataset.{'window' if split == 'train' else split + '_fraction'}"
                )

    def weights(self) -> list[float]:
        """What a pair counts at distance 1, 2, ..."""
        distances = range(1, self.window + 1)
        if self.weighting == "flat":
            return [1.0 for _ in distances]
        return [1 / d if self.weighting == "harmonic" else (self.window + 1 - d) / self.window for d in distances]

    def entry(self) -> str:
        """The name of the counts in the cache."""
        held_out = [self.val_fraction, self.test_fraction, self.split_seed]
        described = [FORMAT, super().digest(), self.window, self.weighting, *held_out]
        return f"pairs-{hashlib.blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()}"

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Any:
        """Pairs of one split: for training in stretches drawn by (seed, epoch), else as they are stored."""
        device = self.home(self.pairs[split])
        columns = {name: column.to(device) for name, column in self.pairs[split].items()}
        rank, world_size = self.process(every_rank)
        if not shuffle:
            return Batches(columns, Order(len(columns["pair"]), self.batch_size, rank=rank, world_size=world_size))
        return Interleaved(
            columns,
            self.batch_size,
            seed=self.seed,
            min_batches=self.min_batches,
            rank=rank,
            world_size=world_size,
        )

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """Both words of each pair, both ways round; see the class."""
        first, second = batch["pair"] // self.sizes["token"], batch["pair"] % self.sizes["token"]
        count, different = batch["count"], first != second
        return {
            "token": torch.cat([first, second[different]]),
            "context_token": torch.cat([second, first[different]]),
            "count": torch.cat([torch.where(different, count, 2 * count), count[different]]),
        }

    def rows(self) -> dict[str, int]:
        """Split -> its number of pairs."""
        return {split: len(columns["pair"]) for split, columns in self.pairs.items()}

    def digest(self) -> str:
        """The counts' key in the cache: a hash of the text and of every option that shaped them."""
        return self.entry()


def tensors(pairs: Any, counts: Any) -> dict[str, Tensor]:
    """The columns of a split."""
    return {"pair": as_tensor(pairs), "count": as_tensor(counts)}
