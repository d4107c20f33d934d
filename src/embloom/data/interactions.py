"""Who had what: people and items, from a file of interactions of any size."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor

from embloom.artifact.readers.base import Reader
from embloom.assembly.parameters import numbers, positive_integers
from embloom.data.base import Batch, Dataset, Phase, RowClasses, Split, digest_of
from embloom.data.batches import Order
from embloom.data.cache import default_cache
from embloom.data.histories import Histories, cut
from embloom.data.interaction_files.filters import InteractionFilter
from embloom.data.interaction_files.format import InteractionColumns
from embloom.data.interaction_files.reading import InteractionSource
from embloom.data.interaction_files.splits import InteractionSplit
from embloom.encoders.ragged import Ragged, counts_of, owners, rows_of
from embloom.threads import give_back_cores, keep_cores

ALL = "all"


class Interactions(Dataset):
    """Pairs of a person and an item, in batches of people with all that they had.

    `transform` gives the columns `user` (U,), the people; `item` (P,), what they had, and `owner` (P,), who of them;
    `rating` (P,) where there are ratings; `clash_row` and `clash_column` (Q,), which of the noise items each person
    had; and where noise is drawn, `noise` (K,), items, and `log_noise` (K,), the logarithm of how likely each is drawn.
    For probes and artifacts a sample is one pair: `user` (P,) and `item` (P,).

    Args:
        batch_size: pairs a step.
        path: a file, a folder or a glob: CSV, TSV (packed or not), Parquet, or lines `user item item ...`; None is a
            small built-in set.
        test: such files of what to predict; None holds out a part.
        user, item, rating, time: the names of the columns; None finds usual names.
        format: `table`, `lines`, or `auto`.
        items, users: tables of what is known of items and people, with a column of ids (`items_id`, `users_id`).
        title: the column of `items` that they are called by instead of their ids.
        split, val_fraction, test_fraction, val_from, test_from, known, split_seed: see `InteractionSplit`.
        min_user, min_item, min_rating: see `InteractionFilter`.
        negatives: noise items a step, or `all`.
        noise_exponent: noise is drawn by how many had an item, to this power.
        workers: processes that read.
        cache: folder of what was read.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    locations = ("path", "test", "items", "users")
    no_effect = ("resident", "workers", "cache")

    def __init__(
        self,
        batch_size: int,
        path: str | None = None,
        test: str | None = None,
        user: str | None = None,
        item: str | None = None,
        rating: str | None = None,
        time: str | None = None,
        format: str = "auto",
        items: str | None = None,
        items_id: str | None = None,
        users: str | None = None,
        users_id: str | None = None,
        title: str | None = None,
        split: str = "interaction",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        val_from: str | float | None = None,
        test_from: str | float | None = None,
        known: float = 0.8,
        split_seed: int = 0,
        min_user: int = 1,
        min_item: int = 1,
        min_rating: float | None = None,
        negatives: int | str = ALL,
        noise_exponent: float = 0.0,
        workers: int = 2,
        cache: str | None = None,
        resident: bool | str = "auto",
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, resident, seed)
        positive_integers(workers=workers)
        if negatives != ALL:
            if not isinstance(negatives, int):
                raise ValueError(f"negatives={negatives}: it must be {ALL}, or a positive integer")
            positive_integers(negatives=negatives)
        numbers(at_least=0, at_most=1, noise_exponent=noise_exponent)
        self.source = InteractionSource(
            path,
            test,
            InteractionColumns(user, item, rating, time),
            format,
            InteractionFilter(min_rating, min_user, min_item),
            InteractionSplit(split, val_fraction, test_fraction, test_from, val_from, known, split_seed),
            {"item": (items, items_id), "user": (users, users_id)},
            title,
            workers,
            Path(cache).expanduser() if cache else default_cache(),
        )
        self.negatives, self.noise_exponent = negatives, noise_exponent
        self.there: dict[torch.device, dict[str, Tensor]] = {}

    # -- reading

    def measure(self) -> None:
        """Reads and parts the interactions: they say how many people and items there are."""
        found = self.source.read()
        self.histories, self.newcomers, self.ratings = found.histories, found.newcomers, found.ratings
        self.names_of, self.row_classes, self.items_reader = found.names, found.classes, found.items_reader
        self.grow()
        users, items = len(self.names_of["user"]), len(self.names_of["item"])
        if self.negatives != ALL and int(self.negatives) >= items:
            self.negatives = ALL
        noise = items if self.negatives == ALL else int(self.negatives)
        columns = {"item": items, "owner": users, "user": users, "clash_row": users, "clash_column": noise}
        drawn = {} if self.negatives == ALL else {"noise": items, "log_noise": noise}
        self.sizes = {**columns, **({"rating": 1} if "train" in self.ratings else {}), **drawn}
        train = self.histories["train"]
        for column, rows in found.features.items():
            if short := len(self.names_of[column]) - len(rows):
                found.features[column] = torch.cat([rows, rows.new_zeros(short, rows.shape[1])])
        features = {f"{column}_features": features for column, features in found.features.items()}
        self.supplies = {"history": train.values, "history_offsets": train.offsets, **features}
        weight = counts_of(train.values, items).double().clamp(min=1) ** self.noise_exponent
        self.chance = (weight / weight.sum()).float()

    def grow(self) -> None:
        """Adds the known people and items that the data does not hold: they had, and were had by, none."""
        for column in ("user", "item"):
            if not (names := self.unseen(column, self.names_of[column])):
                continue
            self.names_of[column] = [*self.names_of[column], *names]
            for attribute, classes in self.row_classes.get(column, {}).items():
                codes = torch.cat([classes.codes, classes.codes.new_full((len(names),), -1)])
                self.row_classes[column][attribute] = RowClasses(codes, classes.names)
            if column == "user":
                for split, history in self.histories.items():
                    end = history.offsets[-1:].expand(len(names))
                    self.histories[split] = Ragged(history.values, torch.cat([history.offsets, end]))

    def setup(self, stage: str | None = None) -> None:
        """See `Dataset.setup`; training uses the cores in its own way."""
        self.ready()
        if self.trainer is not None and self.device().type == "cpu":
            keep_cores()

    def teardown(self, stage: str | None = None) -> None:
        """Gives torch's own operations their threads back."""
        give_back_cores()

    # -- batches

    def loader(self, split: Split, *, shuffle: bool = False, every_rank: bool = False) -> Histories:
        """People with what they had in one split, shuffled by (seed, epoch) or in order."""
        history = self.histories[split]
        columns = {"item": history.values, **({"rating": self.ratings[split]} if "train" in self.ratings else {})}
        user, offsets = cut(torch.arange(len(history.offsets) - 1), history.offsets)
        batches = max(1, -(-self.rows()[split] // self.batch_size))
        rank, world_size = self.process(every_rank)
        order = Order(
            len(user),
            -(-len(user) // batches),
            seed=self.seed if shuffle else None,
            rank=rank,
            world_size=world_size,
            min_batches=self.min_batches if shuffle else 1,
        )
        device = self.home({"user": user, "offsets": offsets, **columns})
        placed = {name: column.to(device) for name, column in columns.items()}
        return Histories(user.to(device), offsets.to(device), placed, order)

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """Adds noise, and what of it people had; see the class."""
        if phase == "embed":
            pairs = {name: column for name, column in batch.items() if name not in ("owner", "user")}
            return {**pairs, "user": batch["user"][batch["owner"]]}
        here = self.on(batch["user"].device)
        had, offsets = rows_of(here["history"], here["history_offsets"], batch["user"])
        row = owners(offsets)
        if phase == "eval":  # what is held out is not in the history
            row, order = torch.cat([row, batch["owner"]]).sort(stable=True)
            had = torch.cat([had, batch["item"]])[order]
        if self.negatives == ALL:
            return {**batch, "clash_row": row, "clash_column": had}
        noise, log_noise = draw_noise(here["chance"], self.sizes["log_noise"])
        place = torch.full_like(here["chance"], -1, dtype=torch.int64)
        place[noise] = torch.arange(len(noise), device=noise.device)
        column = place[had]
        found = column >= 0
        clashes = {"clash_row": row[found], "clash_column": column[found]}
        return {**batch, **clashes, "noise": noise, "log_noise": log_noise}

    def on(self, device: torch.device) -> dict[str, Tensor]:
        """What `transform` looks up, on the device of a batch."""
        if device not in self.there:
            found = {name: self.supplies[name] for name in ("history", "history_offsets")}
            self.there[device] = {name: t.to(device) for name, t in {**found, "chance": self.chance}.items()}
        return self.there[device]

    def choose(self, batch: Batch, rows: Tensor) -> Batch:
        """Some of a batch's pairs."""
        chosen = {name: column[rows] for name, column in batch.items() if name not in ("owner", "user")}
        return {**chosen, "owner": torch.arange(len(rows)), "user": batch["user"][batch["owner"][rows]]}

    # -- what it says of itself

    def reader_for(self, tensors: Collection[str]) -> Reader | None:
        """Of new items, for an encoder that takes what is known of them."""
        return self.items_reader if "item_features" in tensors else None

    def keys(self) -> dict[str, list[str]]:
        """The names of people and items."""
        return self.names_of

    def rows(self) -> dict[str, int]:
        """Split -> its number of pairs."""
        return {split: int(history.offsets[-1]) for split, history in self.histories.items()}

    def digest(self) -> str:
        """A hash of every pair and rating."""
        histories = {split: {"values": h.values, "offsets": h.offsets} for split, h in self.histories.items()}
        ratings = {split: {"rating": rating} for split, rating in self.ratings.items()}
        newcomers = {
            split: {
                f"{what}_{name}": column
                for what, part in zip(("had", "wanted"), both, strict=True)
                for name, column in vars(part).items()
            }
            for split, both in self.newcomers.items()
        }
        return "".join(digest_of(part) for part in (histories, ratings, newcomers) if part)  # type: ignore[arg-type]


def draw_noise(chance: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Draws items without replacement (Efraimidis and Spirakis 2006).

    Args:
        chance: (I,) of the first to be drawn.
        count: how many; fewer than I.

    Returns:
        Their numbers (count,), and the logarithm of how likely each was to be among them, given the first that was not
        (Kool et al. 2019): dividing by it makes sums over the sample unbiased.
    """
    time = torch.empty_like(chance).exponential_() / chance
    first = time.topk(count + 1, largest=False, sorted=True)
    noise = first.indices[:-1]
    return noise, (-torch.expm1(-chance[noise] * first.values[-1])).log()
