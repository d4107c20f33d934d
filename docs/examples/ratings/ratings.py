"""Who liked what: pairs of a user and an item, from a CSV file or made up."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from embloom.assembly.parameters import numbers
from embloom.data.base import Batch, Phase, Split
from embloom.data.in_memory import InMemoryDataset

GENRES = ("action", "comedy", "drama", "horror", "romance", "western")


class Ratings(InMemoryDataset):
    """Columns `user` and `item`, row numbers; in training and validation `negative` too, an item drawn at random.

    Args:
        path: a CSV file with the columns `user` and `item`, a line for each liking; None: 300 users and 90 films of
            six genres, made up, each user with two favorite genres.
        held_out: part of the pairs that is held out for validation, and again for the test.
        split_seed: which ones.
        options: `batch_size` and the like.
    """

    def __init__(
        self, batch_size: int, path: str | None = None, held_out: float = 0.1, split_seed: int = 0, **options: Any
    ) -> None:
        super().__init__(batch_size, **options)
        numbers(above=0, below=0.5, held_out=held_out)
        self.path, self.held_out, self.split_seed = path, held_out, split_seed

    def measure(self) -> None:
        """Reads the pairs: they say how many users and items there are."""
        pairs = made_up() if self.path is None else read_pairs(Path(self.path))
        self.users, self.items = (sorted(set(column)) for column in zip(*pairs, strict=True))
        user, item = ({name: row for row, name in enumerate(names)} for names in (self.users, self.items))
        self.pairs = torch.tensor([(user[one], item[other]) for one, other in pairs])
        self.sizes = {"user": len(self.users), "item": len(self.items), "negative": len(self.items)}

    def load(self) -> dict[Split, dict[str, Tensor]]:
        """Parts the pairs at random."""
        order = torch.randperm(len(self.pairs), generator=torch.Generator().manual_seed(self.split_seed))
        held = round(self.held_out * len(order))
        parts: dict[Split, Tensor] = {
            "val": self.pairs[order[:held]],
            "test": self.pairs[order[held : 2 * held]],
            "train": self.pairs[order[2 * held :]],
        }
        return {split: {"user": rows[:, 0], "item": rows[:, 1]} for split, rows in parts.items()}

    def transform(self, batch: Batch, phase: Phase) -> Batch:
        """Adds the negatives that the loss needs; runs on the device."""
        if phase == "embed":
            return batch
        return {**batch, "negative": torch.randint_like(batch["item"], self.sizes["item"])}

    def keys(self) -> dict[str, list[str]]:
        """The names of users and items."""
        return {"user": self.users, "item": self.items}


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """The pairs of a CSV file.

    Raises:
        ValueError: there is no such file, or a column is missing.
    """
    if not path.is_file():
        raise ValueError(f"path={path}: there is no such file")
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if not {"user", "item"} <= set(rows.fieldnames or ()):
            raise ValueError(f"path={path}: it takes the columns user and item")
        return [(row["user"], row["item"]) for row in rows]


def made_up(users: int = 300, films: int = 15, likes: int = 20) -> list[tuple[str, str]]:
    """Pairs in which nine likings of ten are of a user's two favorite genres."""
    draw = torch.Generator().manual_seed(0)
    pairs: set[tuple[str, str]] = set()
    for user in range(users):
        favorites = torch.randperm(len(GENRES), generator=draw)[:2].tolist()
        for _ in range(likes):
            coin, which, film = torch.randint(1000, (3,), generator=draw).tolist()
            genre = GENRES[which % len(GENRES) if coin < 100 else favorites[which % 2]]
            pairs.add((f"user_{user:03}", f"{genre}_{film % films:02}"))
    return sorted(pairs)
