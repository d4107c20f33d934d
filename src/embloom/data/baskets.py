"""Baskets of items as text: what somebody had is a sentence, an item is a word (item2vec)."""

from __future__ import annotations

import numpy as np

from embloom.data.base import RowClasses
from embloom.data.corpus import Corpus, bincount
from embloom.data.interaction_files.filters import InteractionFilter
from embloom.data.interaction_files.format import InteractionColumns
from embloom.data.interaction_files.reading import InteractionSource, Reading
from embloom.data.interaction_files.splits import InteractionSplit
from embloom.data.text import Text


class Baskets(Text):
    """Interactions as skip-gram takes them: items are neighbors where a person, or an order, had both (Barkan and
    Koenigstein 2016). Within a basket the order is that of time where there is one, else the file's.

    Args:
        batch_size, block, negatives, dynamic_window, subsample, noise_exponent, val_fraction, test_fraction,
            split_seed: see `Text`.
        window: how far apart in a basket items are still neighbors; at least `block`: all of them are.
        path, user, item, rating, time, format, items, items_id, title, min_user, min_item, min_rating, workers, cache:
            see `Interactions`; `user` is what tells baskets apart.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    locations = ("path", "items")

    def __init__(
        self,
        batch_size: int,
        path: str | None = None,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        time: str | None = None,
        format: str = "auto",
        items: str | None = None,
        items_id: str | None = None,
        title: str | None = None,
        min_user: int = 2,
        min_item: int = 1,
        min_rating: float | None = None,
        block: int = 64,
        negatives: int = 32,
        window: int = 64,
        dynamic_window: bool = False,
        subsample: float = 1e-3,
        noise_exponent: float = 0.75,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        split_seed: int = 0,
        workers: int = 2,
        cache: str | None = None,
        resident: bool | str = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(
            batch_size,
            path,
            block=block,
            negatives=negatives,
            window=window,
            dynamic_window=dynamic_window,
            subsample=subsample,
            noise_exponent=noise_exponent,
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            split_seed=split_seed,
            workers=workers,
            cache=cache,
            resident=resident,
            seed=seed,
        )
        self.source = InteractionSource(
            path,
            None,
            InteractionColumns(user, item, rating, time),
            format,
            InteractionFilter(min_rating, min_user, min_item),
            InteractionSplit(),
            {"item": (items, items_id)},
            title,
            workers,
            self.cache,
        )

    def opened(self) -> Corpus:
        """The baskets as a corpus, the most frequent items first."""
        log, known = self.source.log()
        reading = Reading({}, {}, {"item": log.item_names}, {})
        self.source.describe(reading, known)
        counts = bincount(log.items, len(log.item_names))
        order = np.argsort(-counts, kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        names = reading.names["item"]
        known_of = reading.classes["item"].items()
        self.row_classes = {"token": {name: RowClasses(c.codes[order], c.names) for name, c in known_of}}
        words = [names[number] for number in order.tolist()]
        key = f"{log.key} {self.source.keep}"
        return Corpus(rank[log.items], log.offsets, words, counts[order], {**log.about, "bad_bytes": 0}, key)
