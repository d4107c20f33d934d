"""How much of what users like is found."""

from __future__ import annotations

import torch

from embloom.assembly.parameters import positive_integers
from embloom.probes.base import Frozen, Probe


class Recall(Probe):
    """Of what a user liked and training did not show, the part among the k items that score highest, leaving out
    those that training did show; the mean over users.

    Args:
        k: how many items are recommended.
    """

    def __init__(self, k: int = 10) -> None:
        positive_integers(k=k)
        self.k = k

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`recall_at_<k>`, and that of the most popular items for everybody."""
        scores = frozen.tables["users"] @ frozen.tables["items"].T
        popular = torch.bincount(frozen.fit["item"], minlength=scores.shape[1]).to(scores).expand_as(scores)
        return {
            f"recall_at_{self.k}": self.recall(scores, frozen),
            f"recall_at_{self.k}_popular": self.recall(popular, frozen),
        }

    def recall(self, scores: torch.Tensor, frozen: Frozen) -> float:
        """Scores (users, items) -> the mean recall of those users who have something to find."""
        seen, liked = torch.zeros_like(scores, dtype=torch.bool), torch.zeros_like(scores, dtype=torch.bool)
        seen[frozen.fit["user"], frozen.fit["item"]] = True
        liked[frozen.score["user"], frozen.score["item"]] = True
        best = scores.masked_fill(seen, -torch.inf).topk(self.k).indices
        found, wanted = liked.gather(1, best).sum(1), liked.sum(1)
        return float((found / wanted)[wanted > 0].mean())
