"""What a logger is: one place that a run's numbers, settings and pictures go to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import Tensor


@dataclass
class About:
    """What a logger is told of a run.

    Attributes:
        folder: the run folder.
        name: what to call the run.
        settings: by dotted key.
        config: the whole configuration, YAML.
        fresh: it begins, or begins again; else it goes on from a checkpoint.
    """

    folder: Path
    name: str
    settings: Mapping[str, Any]
    config: str
    fresh: bool


class RunLogger:
    """One place that a run is logged to. Derive your own from this, and override what you need.

    The constructor takes settings and says what is wrong with them; nothing is written before `open`. Where several
    processes train, only the first one calls these.
    """

    def open(self, about: About) -> None:
        """A run begins, or goes on."""

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Numbers by tag."""

    def image(self, tag: str, image: Tensor, step: int) -> None:
        """An image (C, H, W) in 0..1."""

    def figure(self, tag: str, figure: Any, step: int) -> None:
        """A figure of matplotlib's."""

    def position(self) -> dict[str, int]:
        """How long the files in the run folder are, by name: what a resume goes back to."""
        return {}

    def artifact(self, place: Path) -> None:
        """The artifact has been written there."""

    def close(self, state: str) -> None:
        """The run has ended: `finished`, `stopped` or `failed`."""


def require(package: str, option: str) -> None:
    """Raises:
    ValueError: a logger's package is not installed.
    """
    if find_spec(package) is None:
        raise ValueError(f"logger={option} needs a package that is not installed: pip install 'embloom[{option}]'")
