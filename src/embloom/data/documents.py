"""Running text, passage by passage: what encoders are pretrained on that read words in context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.readers.pieces import library
from embloom.artifact.readers.text import TextReader
from embloom.artifact.readers.tokenizer import PATTERN, TextOptions, compile_pattern, load_tokenizer
from embloom.assembly.parameters import choices, integers, numbers, positive_integers, probabilities
from embloom.data.base import SPLITS, Batch, Dataset, Phase, Split
from embloom.data.by_length import ByLength, Passages
from embloom.data.cache import default_cache
from embloom.data.corpus import Corpus, CorpusOptions, corpus_of, open_corpus
from embloom.data.grammar import documents
from embloom.data.pieces import open_pieces
from embloom.data.text import corpus_bar, split_passages

MASK = "[MASK]"
SHOWN, OTHER = 0.8, 0.1  # of what is hidden: replaced by the mask, by another word; the rest stays


class Documents(Dataset):
    """A corpus of any size in passages, batched by length: columns `token` (T,), the words or pieces of a batch's
    passages in a row, and `length` (B,), how many each has.

    With `mask`, `token` has that part of a batch's words hidden, 80 % of them behind a mask and 10 % behind another
    word (Devlin et al. 2019, section 3.1); `masked` (M,) says where, and `target` (M,) what stood there. With two
    `views` each passage is there twice, which dropout makes different, and `sample` (2 B,) says which are the same;
    with `crop` each of these is another stretch of it (independent cropping, Izacard et al. 2022, section 3.1).

    Args:
        batch_size: passages a step.
        path: a text file (gzip or plain), a folder or a glob; None is a small built-in corpus.
        documents: token lists from Python, instead of a path.
        length: longer documents are cut into passages of so many tokens.
        mask: part of the tokens that is hidden.
        views: how many times each passage is read.
        crop: the part of a passage that each view has, in a row and from a random place; 1 is all of it.
        pieces: so many pieces of words instead of whole words, see `PieceReader`; None: whole words.
        min_count, max_vocab: see `CorpusOptions`; for words.
        pattern, lowercase, document, tokenizer: see `TextOptions`; pieces have their own pattern.
        val_fraction, test_fraction: documents held out.
        split_seed: which ones.
        workers: processes that tokenize.
        cache: folder of built corpora.

    Raises:
        ValueError: an option is unknown or out of range, or a library is missing.
    """

    no_effect: ClassVar[tuple[str, ...]] = ("resident", "workers", "cache")
    offers: ClassVar[Mapping[str, str]] = {
        "masked": "dataset.mask=0.15",
        "target": "dataset.mask=0.15",
        "sample": "dataset.views=2",
    }

    def __init__(
        self,
        batch_size: int,
        path: str | None = None,
        documents: Iterable[Sequence[str]] | None = None,
        length: int = 128,
        mask: float = 0.0,
        views: int = 1,
        crop: float = 1.0,
        pieces: int | None = None,
        min_count: int = 5,
        max_vocab: int | None = None,
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
        integers(2, length=length)
        counts = {"min_count": min_count, "max_vocab": max_vocab, "pieces": pieces, "views": views, "workers": workers}
        positive_integers(**{key: value for key, value in counts.items() if value is not None})
        probabilities(mask=mask)
        numbers(above=0, at_most=1, crop=crop)
        if crop < 1 and views == 1:
            raise ValueError(
                f"crop={crop}: one view has nothing to be compared with: set views=2, as loss=[simcse] does"
            )
        numbers(above=0, below=0.5, val_fraction=val_fraction, test_fraction=test_fraction)
        integers(0, split_seed=split_seed)
        choices(("line", "file"), document=document)
        pattern = pattern or PATTERN
        compile_pattern(pattern, document == "line")
        if tokenizer:
            load_tokenizer(tokenizer)
        if pieces is not None:
            self.check_pieces(pieces, pattern, tokenizer)
        self.path, self.documents, self.length, self.mask = path, documents, length, mask
        self.views, self.crop, self.pieces = views, crop, pieces
        self.options = CorpusOptions(min_count, max_vocab, text=TextOptions(pattern, lowercase, document, tokenizer))
        self.val_fraction, self.test_fraction, self.split_seed = val_fraction, test_fraction, split_seed
        self.workers = workers
        self.cache = Path(cache).expanduser() if cache else default_cache()
        self.corpus: Corpus | None = None
        self.vocabulary: list[str] = []
        self.passages: dict[Split, tuple[Tensor, Tensor]] = {}
        if views > 1:  # passages are compared with the rest of their batch
            self.training_only = ("seed",)

    def check_pieces(self, pieces: int, pattern: str, tokenizer: str | None) -> None:
        """Raises:
        ValueError: what finds words has no effect on pieces, or there are too few.
        """
        integers(100, pieces=pieces)
        if pattern != PATTERN or tokenizer:
            raise ValueError(f"pieces={pieces}: they have a pattern of their own: leave out pattern and tokenizer")
        library()

    def measure(self) -> None:
        """Opens or builds the corpus, whose vocabulary is the size of the encoder's table."""
        text = self.options.text
        given = self.documents if self.documents is not None else documents()
        with corpus_bar() as progress:
            if self.pieces is not None:
                self.corpus, reader = open_pieces(self.path, given, self.pieces, text, self.cache, progress)
                self.reader = reader
            elif self.path is None:
                self.corpus = corpus_of(given, self.options, self.cache)
            else:
                self.corpus = open_corpus(self.path, self.options, self.cache, self.workers, progress)
        # What hides a word is a word too: last, so that the others keep their numbers.
        self.vocabulary = [*self.corpus.words, MASK]
        if self.pieces is None:
            self.reader = TextReader(text.pattern, text.lowercase, text.tokenizer, self.vocabulary)
        self.sizes = {"token": len(self.vocabulary), "length": 1}
        if self.mask:
            self.sizes |= {"masked": 1, "target": len(self.vocabulary)}
        if self.views > 1:
            self.sizes["sample"] = 1

    def setup(self, stage: str | None = None) -> None:
        """Splits the documents and cuts them into passages."""
        self.ready()
        assert self.corpus is not None
        if self.passages:
            return
        offsets = self.corpus.offsets
        split_of = split_passages(len(offsets) - 1, self.val_fraction, self.test_fraction, self.split_seed)
        self.passages = {
            name: passages_of(offsets, split_of == number, self.length) for number, name in enumerate(SPLITS)
        }
        order = self.loader("train", shuffle=True).sampler
        assert isinstance(order, ByLength)
        if self.process(False)[0] == 0:
            print(f"{order.count:,} passages, batched by length: {100 * order.padding():.1f} % padding")

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Passages:
        """Batches of one split, shuffled by (seed, epoch) or in order."""
        assert self.corpus is not None
        begin, length = self.passages[split]
        rank, world_size = self.process(every_rank)
        order = ByLength(
            length,
            self.batch_size,
            seed=self.seed if shuffle else None,
            rank=rank,
            world_size=world_size,
            min_batches=self.min_batches if shuffle else 1,
        )
        device = self.device() if self.resident is not False else torch.device("cpu")
        return Passages(self.corpus.tokens, begin, length, order, device)

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """Hides words and doubles passages; see the class."""
        token, length = batch["token"], batch["length"]
        if phase == "embed":
            return {"token": token, "length": length}
        found = {"token": token, "length": length}
        if self.views > 1:
            sample = torch.arange(len(length), device=length.device).repeat(self.views)
            tokens, lengths = stretches(token, length, self.views, self.crop)
            found = {"token": tokens, "length": lengths, "sample": sample}
        return {**found, **self.hidden(found["token"])} if self.mask else found

    def hidden(self, token: Tensor) -> Batch:
        """`token`, `masked` and `target` of a batch (T,)."""
        count, device = max(1, round(self.mask * len(token))), token.device
        # As many in each batch of a size, so that nothing has to ask the device how many.
        masked = torch.randperm(len(token), device=device)[:count]
        target = token.index_select(0, masked)
        shown, other = round(SHOWN * count), round((SHOWN + OTHER) * count)
        put = target.clone()
        put[:shown] = len(self.vocabulary) - 1
        put[shown:other] = torch.randint(len(self.vocabulary) - 1, (other - shown,), device=device).to(put)
        return {"token": token.index_copy(0, masked, put), "masked": masked, "target": target.long()}

    def choose(self, batch: Batch, rows: Tensor) -> Batch:
        """Some passages of a batch, with their words."""
        parts = batch["token"].split(batch["length"].tolist())
        chosen = [parts[row] for row in rows.tolist()]
        token = torch.cat(chosen) if chosen else batch["token"][:0]
        return {"token": token, "length": batch["length"][rows.to(batch["length"].device)]}

    def keys(self) -> dict[str, list[str]]:
        """The words or pieces."""
        return {"token": self.vocabulary}

    def rows(self) -> dict[str, int]:
        """Split -> its number of passages."""
        return {split: len(length) for split, (_, length) in self.passages.items()}

    def digest(self) -> str:
        """The corpus's key in the cache: a hash of its text and of every option that shaped it."""
        assert self.corpus is not None
        return self.corpus.key

    def fingerprint(self) -> dict[str, Any]:
        """With what the corpus says of itself."""
        assert self.corpus is not None
        return {**super().fingerprint(), "corpus": self.corpus.about}


def stretches(token: Tensor, length: Tensor, views: int, share: float) -> tuple[Tensor, Tensor]:
    """Stretches of passages, each from a random place.

    Args:
        token: (T,) tokens of all passages in a row.
        length: (B,) how many each has.
        views: stretches of each passage; all the first ones come first.
        share: the part of a passage that a stretch has, one token at least.

    Returns:
        Their tokens in a row, and how many each has (views * B,).
    """
    if share == 1:
        return token.repeat(views), length.repeat(views)
    whole, begin = length.repeat(views), (length.cumsum(0) - length).repeat(views)
    size = (share * whole).round().to(whole.dtype).clamp_(min=1)
    place = torch.rand(len(whole), device=token.device)
    begin = begin + (place * (whole - size + 1)).to(whole.dtype).minimum(whole - size)
    moved = torch.repeat_interleave(begin - (size.cumsum(0) - size), size)
    return token.index_select(0, moved + torch.arange(len(moved), device=token.device)), size


def passages_of(offsets: np.ndarray[Any, Any], used: np.ndarray[Any, Any], most: int) -> tuple[Tensor, Tensor]:
    """Cuts documents into passages.

    Args:
        offsets: (N + 1,) where each document begins, and the end.
        used: (N,) which documents.
        most: tokens in a passage.

    Returns:
        Where each passage begins (P,), and its length (P,).
    """
    begin, size = offsets[:-1][used], np.diff(offsets)[used]
    count = -(-size // most)
    place = np.arange(int(count.sum())) - np.repeat(count.cumsum() - count, count)
    length = np.minimum(np.repeat(size, count) - place * most, most)
    return torch.from_numpy(np.repeat(begin, count) + place * most), torch.from_numpy(length)
