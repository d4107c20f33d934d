"""What makes one run better than another: a metric by its name, to be raised, or behind a minus to be lowered."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from embloom.files.coverage import well_known
from embloom.files.run_folder import NO_SCORES


@dataclass(frozen=True)
class Objective:
    """A metric and its direction.

    Attributes:
        tag: the metric (`probe/knn_label`).
        lower: less is better.
    """

    tag: str
    lower: bool = False

    @classmethod
    def of(cls, text: str) -> Objective:
        """`probe/knn_label`, or `-val/loss` to lower it."""
        return cls(text.removeprefix("-"), text.startswith("-"))

    def text(self) -> str:
        """As it is typed."""
        return f"-{self.tag}" if self.lower else self.tag

    def order(self, metrics: Mapping[str, float]) -> float:
        """Sorts the best first, and what has no value last."""
        value = metrics.get(self.tag, math.nan)
        return math.inf if math.isnan(value) else value if self.lower else -value


def is_error(tag: str) -> bool:
    """Whether less of it is better, whoever asks: a loss, or an error of ratings."""
    return tag.partition("/")[2].startswith(("loss", "rmse", "mae"))


def scores(metrics: Iterable[Mapping[str, float]]) -> list[str]:
    """The probes that say that one embedding is better than another, in the order of the runs' own."""
    tags = dict.fromkeys(tag for found in metrics for tag in well_known(found) if tag.startswith("probe/"))
    return [tag for tag in tags if not tag.removeprefix("probe/").startswith(NO_SCORES) and "_coverage" not in tag]


def default(metrics: Sequence[Mapping[str, float]]) -> list[Objective]:
    """The first probe; without one the loss, though losses of different kinds cannot be compared."""
    tag = next(iter(scores(metrics)), "val/loss")
    return [Objective(tag, is_error(tag))]
