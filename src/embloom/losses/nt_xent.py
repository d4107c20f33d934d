"""Normalized temperature-scaled cross-entropy, the loss of SimCLR: learns from two views of each sample, no labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise

from torch import Tensor, nn

from embloom.losses.supervised_contrastive import SupervisedContrastive


class NTXent(nn.Module):
    """Finds each row's other view among all rows of the batch, by the cosine (Chen et al. 2020, equation 1):

        l(i, j) = -log( exp(cos(z_i, z_j) / t) / sum over all k but i of exp(cos(z_i, z_k) / t) )

    averaged over the rows i, with j the other view of i's sample; of several other views, the mean. That is the
    supervised contrastive loss whose classes are the samples. z is the embedding, or what a projection head makes of
    it: with one, the embedding may keep what the views do not share (Chen et al. 2020, section 4.2). The head is
    trained with the loss and left behind with it.

    Args:
        sizes: of `embedding`, where there is a projection.
        temperature: divides the cosines; smaller looks harder at near rows.
        projection: widths of the head's layers, `128-64`: each but the last with batch norm and ReLU; null for none.

    Raises:
        ValueError: the temperature is not positive, or a width is no positive integer.

    Example:
        >>> import torch
        >>> loss = NTXent({}, temperature=0.5)
        >>> views = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
        >>> loss(views, sample=torch.tensor([0, 1, 0, 1]))  # log(e^2 + 2) - 2
        tensor(0.2395)
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        temperature: float = 0.5,
        projection: str | int | Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.contrast = SupervisedContrastive(temperature)
        self.head = nn.Identity() if projection is None else head(sizes["embedding"], projection)

    def forward(self, embedding: Tensor, sample: Tensor) -> Tensor:
        """Embedding (B, D), sample (B,) numbers, equal for views of one sample -> scalar, nats."""
        loss: Tensor = self.contrast(self.head(embedding), sample)
        return loss


def head(width: int, projection: str | int | Sequence[int]) -> nn.Sequential:
    """The projection head: (B, width) -> (B, the last of the projection's widths).

    Raises:
        ValueError: a width is no positive integer.
    """
    parts = str(projection).split("-") if isinstance(projection, (str, int)) else list(projection)
    if not parts or not all(str(part).isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f"projection={projection}: write the widths of its layers, e.g. 128-64, or null for none")
    widths = [width, *map(int, parts)]
    hidden = [[nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.ReLU()] for a, b in pairwise(widths[:-1])]
    return nn.Sequential(*chain.from_iterable(hidden), nn.Linear(widths[-2], widths[-1]))
