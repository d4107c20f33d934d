"""What encoders of people and items share: they score every item for a person, known or new."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.assembly.parameters import numbers, positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.ragged import counts_of, means, rows_of


class Recommender(Encoder):
    """Scores items for people. Derive your own from this: write `scores` and `fold_in`.

    Args:
        sizes: the dataset's; `user` and `item` are how many there are.
        history: (P,) int32, the item of each training interaction, person by person; the artifact keeps it, so that
            what somebody had is not recommended again.
        history_offsets: (users + 1,) int64, where each person's begin in it, and the end.
    """

    rows: ClassVar[Mapping[str, str]] = {"items": "item", "users": "user"}

    def __init__(self, sizes: Mapping[str, int], history: Tensor, history_offsets: Tensor) -> None:
        super().__init__()
        self.users_count, self.items_count = sizes["user"], sizes["item"]
        # The dataset has them while training, and the artifact beside the weights.
        self.register_buffer("history", history, persistent=False)
        self.register_buffer("history_offsets", history_offsets, persistent=False)

    history: Tensor
    history_offsets: Tensor

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """Scores for people of whom nothing is known but what they had.

        Args:
            items: (P,) item numbers, person by person.
            offsets: (B + 1,) where each person's begin, and the end.

        Returns:
            (B, items).
        """
        raise NotImplementedError(f"{type(self).__name__} knows the people it was trained with only")

    def had(self, user: Tensor) -> tuple[Tensor, Tensor]:
        """What people (B,) had in training: items (P,) int64, person by person, and offsets (B + 1,)."""
        return rows_of(self.history, self.history_offsets, user)


class Tables(Recommender):
    """A vector for each person and each item, whose product is the score.

    A subclass says in `make_tables` what they are, and hands their width to the constructor.

    Args:
        sizes, history, history_offsets: see `Recommender`.
        dim: width of the vectors.
        popularity: where items are ranked, the last of these numbers is this times the logarithm of how many had an
            item, and 1 for people, so that much is added to scores; 0 is none. Losses see the vectors without.

    Raises:
        ValueError: an option is out of range.
    """

    nested: ClassVar[tuple[str, ...]] = ("items", "users", "user_vector", "pair_vector", "item_vector", "noise_vector")
    normalize: bool = False

    def __init__(
        self, sizes: Mapping[str, int], history: Tensor, history_offsets: Tensor, dim: int, popularity: float = 0.0
    ) -> None:
        super().__init__(sizes, history, history_offsets)
        positive_integers(dim=dim)
        numbers(at_least=0, at_most=1, popularity=popularity)
        if popularity and dim < 2:
            raise ValueError(f"dim={dim}: one number is the popularity; use at least 2, or encoder.popularity=0")
        self.added = popularity
        self.width = dim - bool(popularity)  # of what is learned
        vectors = ("user_vector", "pair_vector", "item_vector", "noise_vector")
        self.sizes = {"items": dim, "users": dim, **dict.fromkeys(vectors, self.width), "score": 1}
        self.made: dict[str, dict[str, Tensor]] = {}

    def make_tables(self) -> dict[str, Tensor]:
        """`items` (items, D) and `users` (users, D), as losses see them."""
        raise NotImplementedError

    def learned(self) -> dict[str, Tensor]:
        """See `make_tables`; made once while nothing is trained."""
        if self.training:
            return self.make_tables()
        if "learned" not in self.made:
            self.made["learned"] = {name: table.detach() for name, table in self.make_tables().items()}
        return self.made["learned"]

    def tables(self) -> dict[str, Tensor]:
        """Both tables, as they rank."""
        return self.ranking(self.learned())

    def ranking(self, found: dict[str, Tensor]) -> dict[str, Tensor]:
        """The learned tables as they rank; made once while nothing is trained."""
        if not self.added:
            return found
        if "ranking" not in self.made:
            counts = counts_of(self.history, self.items_count)[:, None]
            items = torch.cat([found["items"], self.added * (counts + 1.0).log()], 1)
            longer = {"items": items, "users": self.ranked(found["users"])}
            if self.training:
                return longer
            self.made["ranking"] = longer
        return self.made["ranking"]

    def ranked(self, people: Tensor) -> Tensor:
        """People's vectors (B, width) as they rank items, (B, dim)."""
        return F.pad(people, (0, 1), value=1.0) if self.added else people

    def cut(self, tensors: Mapping[str, Tensor], width: int) -> dict[str, Tensor]:
        """See `Encoder.cut`: of length 1 again where whole vectors are, with the number of popularity, and scores."""
        inner = width - bool(self.added)
        found: dict[str, Tensor] = {}
        for name in (name for name in self.nested if name in tensors):
            rows, rest = tensors[name][..., :inner], tensors[name][..., self.width :]
            found[name] = torch.cat([F.normalize(rows, dim=-1) if self.normalize else rows, rest], -1)
        if "score" in tensors:
            whole, part = ((t["pair_vector"] * t["item_vector"]).sum(1) for t in (tensors, found))
            found["score"] = tensors["score"] - whole + part
        return found

    def train(self, mode: bool = True) -> Self:
        """See `torch.nn.Module.train`."""
        self.made = {}
        return super().train(mode)

    def load_state_dict(self, *arguments: Any, **options: Any) -> Any:
        """See `torch.nn.Module.load_state_dict`."""
        self.made = {}
        return super().load_state_dict(*arguments, **options)

    def activations(self) -> list[str]:
        """None: what it returns of a batch are rows of the tables."""
        return []

    def scores(self, user: Tensor) -> Tensor:
        """Person numbers (B,) -> scores (B, items)."""
        tables = self.tables()
        return tables["users"][user] @ tables["items"].T

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """The mean of the items' vectors takes the place of a person's; see `Recommender.fold_in`."""
        people = means(self.learned()["items"], items, offsets)
        return self.ranked(people) @ self.tables()["items"].T

    def forward(
        self, user: Tensor, item: Tensor, owner: Tensor | None = None, noise: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The vectors of people, of what they had, and of noise.

        Args:
            user: (U,) row numbers.
            item: (P,).
            owner: (P,) which of the people had it; None: one item each.
            noise: (K,); None: all items.

        Returns:
            `user_vector` (U, D), `pair_vector` (P, D), `item_vector` (P, D), `noise_vector` (K, D), `score` (P,), see
            `scored`, and both tables.
        """
        tables = self.learned()
        people, liked = tables["users"][user], tables["items"][item]
        noises = tables["items"] if noise is None else tables["items"][noise]
        return {**self.ranking(tables), **scored(people, liked, noises, owner)}


def scored(
    people: Tensor, liked: Tensor, noises: Tensor, owner: Tensor | None, pairs: Tensor | None = None
) -> dict[str, Tensor]:
    """What `Tables.forward` returns of a batch.

    Args:
        people: (U, D), `user_vector`.
        liked: (P, D), `item_vector`.
        noises: (K, D), `noise_vector`.
        owner: (P,) which of the people had it; None: one item each.
        pairs: (P, D), `pair_vector`, the person of each pair as its item is scored for them, where that is not their
            vector.
    """
    if pairs is None:
        pairs = people if owner is None else people.index_select(0, owner)
    vectors = {"user_vector": people, "pair_vector": pairs, "item_vector": liked, "noise_vector": noises}
    return {**vectors, "score": (pairs * liked).sum(1)}
