"""A vector for each person and each item, trained."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import numbers
from embloom.encoders.ragged import means
from embloom.encoders.recommender import Tables, scored

PEOPLE = 4096  # at a time


class MatrixFactorization(Tables):
    """Scores an item for a person by the product of their vectors (Koren et al. 2009).

    Args:
        sizes, history, history_offsets: see `Recommender`.
        dim: width of the vectors.
        normalize: vectors have length 1, so that scores are cosines; an item that many had is then no longer than
            others.
        biases: a number for each person and item, and one for all, are added to the product: for ratings.
        blend: the share of a person's vector that is the mean of the items they had, the rest is their own (the
            aggregation of SimpleX, Mao et al. 2021, equation 4); 0 is none. Somebody new is that mean alone. Training
            scores an item for the mean of their other items, as it will be when it is to be found (Kabbur et al. 2013).
        popularity: see `Tables`; 0 leaves cosines, which rank rare items as high as known ones.
        std: of the first weights.

    Raises:
        ValueError: an option is out of range, or both `normalize` and `biases` are wanted.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        history: Tensor,
        history_offsets: Tensor,
        dim: int = 64,
        normalize: bool = True,
        biases: bool = False,
        blend: float = 0.0,
        popularity: float = 0.0,
        std: float = 0.1,
    ) -> None:
        super().__init__(sizes, history, history_offsets, dim, popularity)
        numbers(above=0, std=std)
        numbers(at_least=0, at_most=1, blend=blend)
        if normalize and biases:
            raise ValueError("biases=true: beside cosines they have no sense: use normalize=false")
        self.normalize, self.blend = normalize, blend
        self.item = nn.Parameter(std * torch.randn(sizes["item"], self.width))
        self.user = nn.Parameter(std * torch.randn(sizes["user"], self.width))
        self.biases = nn.ParameterDict()
        if biases:
            counts = {"all": 1, "item": sizes["item"], "user": sizes["user"]}
            self.biases.update({name: nn.Parameter(torch.zeros(count)) for name, count in counts.items()})

    def make_tables(self) -> dict[str, Tensor]:
        """Both tables."""
        items = self.scaled(self.item)
        everybody = torch.arange(self.users_count, device=self.user.device)
        users = torch.cat([self.people(part, items) for part in everybody.split(PEOPLE)])
        return {"items": items, "users": users}

    def fold_in(self, items: Tensor, offsets: Tensor) -> Tensor:
        """The mean of the items' vectors takes the place of a person's; see `Recommender.fold_in`."""
        people = self.scaled(means(self.scaled(self.item), items, offsets))
        return self.ranked(people) @ self.tables()["items"].T

    def people(self, user: Tensor, items: Tensor) -> Tensor:
        """The vectors (B, D) of people (B,), given those of all items (items, D)."""
        own = self.scaled(self.user.index_select(0, user))
        return self.blended(own, means(items, *self.had(user))) if self.blend else own

    def without(self, user: Tensor, owner: Tensor, items: Tensor, liked: Tensor) -> tuple[Tensor, Tensor]:
        """The vectors (B, D) of people (B,), and of the person of each pair without its item (P, D), which they had."""
        own = self.scaled(self.user.index_select(0, user))
        had, offsets = self.had(user)
        count, mean = offsets.diff()[:, None], means(items, had, offsets)
        rest = ((mean * count)[owner] - liked) / (count[owner] - 1).clamp(min=1)
        return self.blended(own, mean), self.blended(own[owner], rest)

    def blended(self, own: Tensor, mean: Tensor) -> Tensor:
        """People's own vectors (B, D) and the means of what they had (B, D), together."""
        return self.scaled((1 - self.blend) * own + self.blend * self.scaled(mean))

    def scaled(self, rows: Tensor) -> Tensor:
        """Rows of a table, of length 1 where that is wanted."""
        return F.normalize(rows, dim=1) if self.normalize else rows

    def scores(self, user: Tensor) -> Tensor:
        """Person numbers (B,) -> scores (B, items)."""
        found = super().scores(user)
        if not self.biases:
            return found
        return found + self.biases["item"] + self.biases["user"][user, None] + self.biases["all"]

    def forward(
        self, user: Tensor, item: Tensor, owner: Tensor | None = None, noise: Tensor | None = None
    ) -> dict[str, Tensor]:
        """See `Tables.forward`; in training without the tables, and people without the item of the pair."""
        items = self.scaled(self.item)
        liked = items.index_select(0, item)
        whose = torch.arange(len(user), device=user.device) if owner is None else owner
        pairs = None
        if self.training and self.blend:
            people, pairs = self.without(user, whose, items, liked)
        else:
            people = self.people(user, items)
        found = scored(people, liked, items if noise is None else items.index_select(0, noise), owner, pairs)
        if self.biases:
            found["score"] = (
                found["score"] + self.biases["item"][item] + self.biases["user"][user[whose]] + self.biases["all"]
            )
        return found if self.training else {**self.tables(), **found}
