"""Running text as blocks of words with the pairs that stood together and noise words: skip-gram's dataset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from embloom.artifact.readers.text import TextReader
from embloom.artifact.readers.tokenizer import PATTERN, TextOptions, compile_pattern, load_tokenizer
from embloom.assembly.parameters import choices, integers, numbers, positive_integers
from embloom.data.alias_sampler import AliasSampler
from embloom.data.base import SPLITS, Batch, Dataset, Phase, RowClasses, Split
from embloom.data.blocks import Blocks, Passages, cut_long
from embloom.data.cache import default_cache
from embloom.data.corpus import Corpus, CorpusOptions, corpus_of, open_corpus
from embloom.data.grammar import documents
from embloom.encoders.subword_skipgram import spelling_of
from embloom.seeding import generator
from embloom.threads import give_back_cores, keep_cores

STEPS = 100  # an epoch of a small corpus has about so many, with batches as small as that takes
EVAL_TOKENS = 1 << 21  # of a held-out split, no more are read


class Text(Dataset):
    """A corpus of any size, in blocks of neighboring words.

    `transform` gives the columns `token` (B, L); `context_token` (B, L + K), the same words and then noise words;
    `positives` (B, L, L), how much each pair of words counts, symmetric; and `log_noise` (B, L + K), the logarithm of
    each context word's probability as noise.

    Args:
        batch_size: words a step, after subsampling; a multiple of `block`. Less where the corpus is small.
        path: a text file (gzip or plain), a folder or a glob; None is a small built-in corpus.
        documents: token lists from Python, instead of a path.
        block: words that share their noise words; pairs do not reach across its edges.
        negatives: noise words a block.
        window: how far a neighbor may be.
        dynamic_window: a neighbor at distance d counts `(window + 1 - d) / window`: as much as on average in
            word2vec, which draws each word's window from 1 to `window`. Else all within `window` count 1.
        subsample: frequent words are dropped at random above this share (word2vec's `sample`); 0 drops none.
        noise_exponent: noise words are drawn by frequency to this power.
        min_count, max_vocab, phrases, phrase_threshold: see `CorpusOptions`.
        pattern, lowercase, document, tokenizer: see `TextOptions`.
        val_fraction, test_fraction: documents held out.
        split_seed: which ones.
        workers: processes that tokenize.
        cache: folder of built corpora.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    no_effect: ClassVar[tuple[str, ...]] = ("resident", "workers", "cache")

    def __init__(
        self,
        batch_size: int,
        path: str | None = None,
        documents: Iterable[Sequence[str]] | None = None,
        block: int = 64,
        negatives: int = 32,
        window: int = 5,
        dynamic_window: bool = True,
        subsample: float = 1e-3,
        noise_exponent: float = 0.75,
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
        super().__init__(batch_size, resident, seed)
        positive_integers(block=block, negatives=negatives, window=window, min_count=min_count, workers=workers)
        numbers(above=0, below=0.5, val_fraction=val_fraction, test_fraction=test_fraction)
        integers(0, phrases=phrases, split_seed=split_seed)
        if batch_size % block:
            raise ValueError(
                f"batch_size={batch_size} is no multiple of dataset.block={block}: "
                f"use dataset.batch_size={max(1, round(batch_size / block)) * block}"
            )
        if block < 2 or subsample < 0:
            raise ValueError(f"block={block} must be at least 2, and dataset.subsample={subsample} at least 0")
        choices(("line", "file"), document=document)
        positive_integers(**({} if max_vocab is None else {"max_vocab": max_vocab}))
        pattern = pattern or PATTERN
        compile_pattern(pattern, document == "line")
        if tokenizer:
            load_tokenizer(tokenizer)
        self.path, self.documents = path, documents
        self.block, self.negatives, self.window, self.dynamic_window = block, negatives, window, dynamic_window
        self.subsample, self.noise_exponent = subsample, noise_exponent
        self.val_fraction, self.test_fraction, self.split_seed = val_fraction, test_fraction, split_seed
        self.workers = workers
        text = TextOptions(pattern, lowercase, document, tokenizer)
        self.options = CorpusOptions(min_count, max_vocab, phrases, phrase_threshold, text)
        self.cache = Path(cache).expanduser() if cache else default_cache()
        self.corpus: Corpus | None = None

    def measure(self) -> None:
        """Opens or builds the corpus, whose vocabulary is the size of the encoder's tables."""
        self.corpus = self.grown(self.opened())
        if bad := self.corpus.about["bad_bytes"]:
            print(f"warning: {bad:,} undecodable byte sequences in {self.path} were read as separators")
        most = max(1, len(self.corpus.tokens) // STEPS // self.block) * self.block
        self.batch_size = min(self.batch_size, most)
        count = len(self.corpus.words)
        width = self.block + self.negatives
        self.sizes = {"token": count, "context_token": count, "positives": self.block, "log_noise": width}
        self.supplies["window"] = self.window
        self.supplies["spelling"] = spelling_of(self.corpus.words)

    def opened(self) -> Corpus:
        """The corpus; and sets the reader of new texts."""
        if self.path is None:
            given = self.documents if self.documents is not None else documents()
            found = corpus_of(given, self.options, self.cache)
        else:
            with corpus_bar() as progress:
                found = open_corpus(self.path, self.options, self.cache, self.workers, progress)
        text = self.options.text
        self.reader = TextReader(text.pattern, text.lowercase, text.tokenizer, found.words)
        return found

    def grown(self, found: Corpus) -> Corpus:
        """The corpus with the known words that it does not hold after its own: they occur 0 times."""
        if not (words := self.unseen("token", found.words)):
            return found
        every = [*found.words, *words]
        if isinstance(self.reader, TextReader):
            text = self.options.text
            self.reader = TextReader(text.pattern, text.lowercase, text.tokenizer, every)
        for name, classes in self.row_classes.get("token", {}).items():
            codes = torch.cat([classes.codes, classes.codes.new_full((len(words),), -1)])
            self.row_classes["token"][name] = RowClasses(codes, classes.names)
        return replace(found, words=every, counts=np.append(found.counts, np.zeros(len(words), np.int64)))

    def setup(self, stage: str | None = None) -> None:
        """Splits the documents and prepares what is drawn."""
        self.ready()
        assert self.corpus is not None
        counts = self.corpus.counts.astype(np.float64)
        self.keep, self.share = keep_probability(counts, self.subsample)
        self.noise = AliasSampler(counts**self.noise_exponent)
        self.offsets = cut_long(self.corpus.offsets)
        self.split_of = split_passages(len(self.offsets) - 1, self.val_fraction, self.test_fraction, self.split_seed)

        self.tell_of_no_pairs()
        if self.trainer is not None and self.device().type == "cpu":
            keep_cores()

    def tell_of_no_pairs(self) -> None:
        """A held-out split without pairs of neighbors has a loss of 0, which looks like a perfect one."""
        for split in SPLITS[1:]:
            batches = (self.transform(batch, "eval") for batch in self.loader(split, every_rank=True))
            if not any(bool(batch["positives"].any()) for batch in batches):
                count = int((self.split_of == SPLITS.index(split)).sum())
                print(
                    f"warning: no two words stand together in the {count} documents that are held out for {split}, "
                    f"so {split}/loss will be 0 and say nothing: use a larger dataset.{split}_fraction"
                )

    def teardown(self, stage: str | None = None) -> None:
        """Gives torch's own operations their threads back."""
        give_back_cores()

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Blocks:
        """Blocks of one split: for training drawn anew by (seed, epoch), else always the same."""
        device, (rank, world_size) = self.device(), self.process(every_rank)
        passages = self.passages(split)
        resident = device.type == "cuda" and self.resident is not False
        if resident and self.resident == "auto":
            resident = passages.tokens.nbytes < torch.cuda.mem_get_info(device)[0] / 2
        return Blocks(
            passages,
            self.keep,
            self.share,
            self.noise,
            negatives=self.negatives,
            block=self.block,
            batch_size=self.batch_size,
            gap=self.window + 1,
            seed=self.seed if shuffle else None,
            device=device if self.resident is not False else torch.device("cpu"),
            resident=resident,
            rank=rank,
            world_size=world_size,
        )

    def passages(self, split: Split) -> Passages:
        """The text of a split: training reads around what is held out, which is little and copied."""
        assert self.corpus is not None
        tokens, used = self.corpus.tokens, self.split_of == SPLITS.index(split)
        if split == "train":
            return Passages(tokens, self.offsets, used)
        lengths = np.diff(self.offsets)[used]
        fitting = np.flatnonzero(used)[np.cumsum(lengths) <= max(EVAL_TOKENS, lengths[0])]
        parts = [tokens[self.offsets[p] : self.offsets[p + 1]] for p in fitting]
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        return Passages(np.concatenate(parts), offsets, np.ones(len(parts), bool))

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """Finds the neighbors; see the class."""
        token, position = (batch[name].view(-1, self.block) for name in ("token", "position"))
        # Within a block positions are small numbers; floats are subtracted several times as fast as integers.
        place = (position - position[:, :1]).float()
        distance = (place[:, :, None] - place[:, None, :]).abs_()
        if self.dynamic_window:
            positives = distance.mul_(-1 / self.window).add_(1 + 1 / self.window).clamp_(min=0)
        else:
            positives = (distance <= self.window).float()
        positives.diagonal(dim1=1, dim2=2).zero_()
        context = torch.cat([token, batch["noise"].view(-1, self.negatives)], 1)
        log_noise = self.noise.log_probability.index_select(0, context.view(-1)).view_as(context)
        return {"token": token, "context_token": context, "positives": positives, "log_noise": log_noise}

    def keys(self) -> dict[str, list[str]]:
        """What the rows of tables over a column are called."""
        assert self.corpus is not None
        return {"token": self.corpus.words}

    def rows(self) -> dict[str, int]:
        """Split -> its number of tokens."""
        lengths = np.diff(self.offsets)
        return {name: int(lengths[self.split_of == i].sum()) for i, name in enumerate(SPLITS)}

    def digest(self) -> str:
        """The corpus's key in the cache: a hash of its text and of every option that shaped it."""
        assert self.corpus is not None
        return self.corpus.key

    def fingerprint(self) -> dict[str, Any]:
        """With what the corpus says of itself."""
        assert self.corpus is not None
        return {**super().fingerprint(), "corpus": self.corpus.about}


def keep_probability(counts: np.ndarray[Any, np.dtype[np.float64]], sample: float) -> tuple[Tensor, float]:
    """For each word the probability that an occurrence is kept, and the part of the text that is.

    `sqrt(sample / f) + sample / f` for a word of frequency f, at most 1: what word2vec's code does, which is not
    quite the formula in its paper.
    """
    frequency = np.maximum(counts / counts.sum(), np.finfo(np.float64).tiny)  # a known word may occur nowhere
    if not sample:
        return torch.ones(len(counts)), 1.0
    keep = np.minimum(1.0, np.sqrt(sample / frequency) + sample / frequency)
    return torch.from_numpy(keep).float(), float((keep * frequency).sum())


def split_passages(count: int, val: float, test: float, seed: int) -> np.ndarray[Any, np.dtype[np.int8]]:
    """For each passage 0 (train), 1 (val) or 2 (test), at random but the same for the same arguments.

    Raises:
        ValueError: there are too few passages to hold some out.
    """
    held = [max(1, round(count * fraction)) for fraction in (val, test)]
    if count <= sum(held):
        raise ValueError("the corpus is too short to hold out a part of it: give it more text")
    split = np.zeros(count, np.int8)
    order = torch.randperm(count, generator=generator(seed)).numpy()
    split[order[: held[0]]] = 1
    split[order[held[0] : sum(held)]] = 2
    return split


class corpus_bar:  # noqa: N801
    """A progress bar for a corpus that is built; appears with the first block, so never for a cached one."""

    def __enter__(self) -> Any:
        self.progress = Progress(
            TextColumn("reading the corpus"), BarColumn(), DownloadColumn(), TimeRemainingColumn(), transient=True
        )
        self.task: Any = None
        return self.advance

    def advance(self, done: int, total: int) -> None:
        """Moves the bar."""
        if self.task is None:
            self.progress.start()
            self.task = self.progress.add_task("", total=total)
        self.progress.update(self.task, completed=done)

    def __exit__(self, *exception: object) -> None:
        if self.task is not None:
            self.progress.stop()
