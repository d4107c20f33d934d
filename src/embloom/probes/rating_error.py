"""How far predicted ratings are from those that were given."""

from __future__ import annotations

from embloom.encoders.base import Encoder
from embloom.probes.base import Frozen, Probe


class RatingError(Probe):
    """The root of the mean squared error, and the mean absolute error, of the score of each held-out pair as its
    rating; and both of the mean rating of the training for everybody."""

    def check(self, encoder: Encoder) -> None:
        """Refuses encoders without a score of a pair."""
        if "score" not in encoder.sizes:
            raise ValueError(f"{type(encoder).__name__} predicts no ratings: use encoder=matrix_factorization")

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`rmse`, `mae`, `rmse_mean` and `mae_mean`.

        Raises:
            ValueError: there are no ratings.
        """
        if "rating" not in frozen.score:
            raise ValueError("there are no ratings: name their column with dataset.rating=...")
        truth = frozen.score["rating"].double()
        ways = {"": frozen.score["score"].double(), "_mean": frozen.fit["rating"].double().mean()}
        found: dict[str, float] = {}
        for name, guess in ways.items():
            found[f"rmse{name}"] = float((guess - truth).square().mean().sqrt())
            found[f"mae{name}"] = float((guess - truth).abs().mean())
        return found
