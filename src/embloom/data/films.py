"""A small built-in set of who watched what, made up, so that its structure is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embloom.data.interaction_files.attributes import Attribute

GENRES = ("action", "comedy", "drama", "horror", "romance", "western")
DECADES = (1970, 1980, 1990, 2000, 2010)
PEOPLE, FILMS, WATCHED = 900, 240, 30
TASTE = 0.85  # of what somebody watches is of their two genres
NEAR = 0.6  # and of these, is of the decade they like


class Films:
    """People who each like two genres and a decade, and films of which some are better known than others.

    Attributes:
        user: (P,) and
        item: (P,) pairs, ascending, none twice.
        people: what people are called.
        films: what films are called: `Western 07 (1984)`.
        rating: (P,) 1 to 5 stars, the more the better a film is and the more it is what the person likes.
        genre: of each film, its number in `GENRES`.
    """

    def __init__(self, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        self.genre: NDArray[np.int64] = np.arange(FILMS) % len(GENRES)
        decade = draw.integers(len(DECADES), size=FILMS)
        known = 1 / (1 + draw.permutation(FILMS)) ** 0.25
        years = np.array(DECADES)[decade] + draw.integers(10, size=FILMS)
        names = zip(self.genre, np.arange(FILMS) // len(GENRES), years, strict=True)
        self.films = [f"{GENRES[genre].title()} {number:02} ({year})" for genre, number, year in names]
        self.people = [f"user_{number:03}" for number in range(PEOPLE)]
        quality = draw.normal(size=FILMS)
        pairs, ratings = [], []
        for person in range(PEOPLE):
            liked = np.isin(self.genre, draw.choice(len(GENRES), 2, replace=False))
            near = decade == draw.integers(len(DECADES))
            weight = known * np.where(liked, TASTE, 1 - TASTE) * np.where(near, NEAR, 1 - NEAR)
            count = int(draw.integers(WATCHED // 2, WATCHED * 3 // 2))
            watched = draw.choice(FILMS, count, replace=False, p=weight / weight.sum())
            watched.sort()
            pairs += [(person, int(film)) for film in watched]
            stars = 2.3 + liked + 0.5 * near + 0.6 * quality + 0.5 * draw.normal(size=FILMS)
            ratings.append(np.clip(np.round(stars[watched]), 1, 5))
        self.user, self.item = np.array(pairs, np.int64).T
        self.rating = np.concatenate(ratings).astype(np.float32)

    def attributes(self, names: Sequence[str]) -> dict[str, Attribute]:
        """The genre of films, by their names."""
        genre = dict(zip(self.films, self.genre.tolist(), strict=True))
        return {"genre": Attribute("genre", codes=np.array([genre[name] for name in names], np.int32), names=GENRES)}
