"""What a trained encoder of people and items would recommend, by name."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor

from embloom.encoders.base import Encoder
from embloom.encoders.recommender import Recommender

SPELLINGS = 200_000  # names among which near spellings are looked for

Scored = list[tuple[str, float]]


class Recommendations:
    """Answers questions by the names of people and items.

    Args:
        encoder: the trained encoder.
        users: what people are called.
        items: what items are called.

    Raises:
        ValueError: the encoder does not recommend.
    """

    def __init__(self, encoder: Encoder, users: Sequence[str], items: Sequence[str]) -> None:
        if not isinstance(encoder, Recommender):
            raise ValueError("this embedding does not recommend: train one with experiment=recommender")
        self.encoder, self.items = encoder, list(items)
        self.item_number = {name: number for number, name in enumerate(items)}
        self.user_number = {name: number for number, name in enumerate(users)}

    @torch.no_grad()
    def for_user(self, user: str, top: int = 10, exclude_seen: bool = True) -> Scored:
        """The items that somebody who was there in training should like best, with their scores.

        Args:
            user: the name.
            top: how many.
            exclude_seen: leave out what they had in training.

        Raises:
            ValueError: there was no such person.
        """
        if user not in self.user_number:
            advice = ": for somebody new, name what they had (--items, or items=[...])"
            raise ValueError(unknown(user, "person", self.user_number) + advice)
        number = torch.tensor([self.user_number[user]])
        seen = self.encoder.had(number)[0] if exclude_seen else number[:0]
        return self.best(self.encoder.scores(number)[0], seen, top)

    @torch.no_grad()
    def for_items(self, items: Sequence[str], top: int = 10, exclude_seen: bool = True) -> Scored:
        """What somebody new should like who had these items.

        Args:
            items: their names, at least one.
            top: how many.
            exclude_seen: leave these items out.

        Raises:
            ValueError: there is no such item, or the encoder cannot fold in.
        """
        if not items:
            raise ValueError("somebody new takes at least one item that they had")
        for name in items:
            if name not in self.item_number:
                raise ValueError(unknown(name, "item", self.item_number))
        had = torch.tensor(sorted({self.item_number[name] for name in items}))
        try:
            scores = self.encoder.fold_in(had, torch.tensor([0, len(had)]))[0]
        except NotImplementedError as error:
            raise ValueError(str(error)) from error
        return self.best(scores, had if exclude_seen else had[:0], top)

    def had(self, user: str) -> list[str]:
        """What somebody had in training."""
        return [self.items[i] for i in self.encoder.had(torch.tensor([self.user_number[user]]))[0].tolist()]

    def best(self, scores: Tensor, without: Tensor, top: int) -> Scored:
        """Scores (items,) -> the best names."""
        scores = scores.float().clone()
        scores[without] = -torch.inf
        found = scores.topk(max(1, min(top, len(scores) - len(without))))
        pairs = zip(found.values.tolist(), found.indices.tolist(), strict=True)
        return [(self.items[row], value) for value, row in pairs if value > -torch.inf]


def unknown(name: str, what: str, there: dict[str, int]) -> str:
    """That a name is none, and which are spelled like it."""
    near = difflib.get_close_matches(name, list(there)[:SPELLINGS], n=3, cutoff=0.6)
    hint = f"; the nearest spellings there are {', '.join(near)}" if near else ""
    return f"there is no {what} '{name}' among the {len(there):,} of the training{hint}"
