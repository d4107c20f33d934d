"""All loggers of a run as one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from embloom.files.run_state import RunState
from embloom.files.tensors import first_line
from embloom.training.loggers import csv_file, tensorboard
from embloom.training.loggers.base import About, RunLogger


class Board:
    """All loggers of a run; in further processes nothing.

    Args:
        loggers: by name.
        folder: the run folder.
    """

    def __init__(self, loggers: Mapping[str, RunLogger], folder: Path) -> None:
        self.loggers, self.folder, self.is_open = loggers, folder, False

    @rank_zero_only
    def open(self, settings: Mapping[str, Any], config: str, fresh: bool) -> None:
        """See `About`."""
        place = self.folder.resolve()
        about = About(self.folder, f"{place.parent.name}/{place.name}", settings, config, fresh)
        for logger in self.loggers.values():
            logger.open(about)
        self.is_open = True

    @rank_zero_only
    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """See `RunLogger`, as for the others."""
        for logger in self.loggers.values():
            logger.scalars(values, step)

    @rank_zero_only
    def image(self, tag: str, image: Tensor, step: int) -> None:
        """An image."""
        for logger in self.loggers.values():
            logger.image(tag, image, step)

    @rank_zero_only
    def figure(self, tag: str, figure: Any, step: int) -> None:
        """A figure."""
        for logger in self.loggers.values():
            logger.figure(tag, figure, step)

    def position(self) -> dict[str, int]:
        """Of all files."""
        return self._position() or {}

    @rank_zero_only
    def _position(self) -> dict[str, int]:
        return {name: size for logger in self.loggers.values() for name, size in logger.position().items()}

    @rank_zero_only
    def artifact(self, place: Path) -> None:
        """The artifact."""
        for logger in self.loggers.values():
            logger.artifact(place)

    @rank_zero_only
    def close(self, state: str) -> None:
        """The end, of those that have begun."""
        if self.is_open:
            self.is_open = False
            for name, logger in self.loggers.items():
                try:
                    logger.close(state)
                except ValueError as error:  # the run itself has ended, well or not, and says how
                    print(f"warning: logger.{name}: {first_line(error)}", file=sys.stderr)


def rewind(folder: Path, position: Mapping[str, int]) -> None:
    """Takes the files in a run folder back to a `position`, so that a resumed run writes what follows a second time and
    only the second stays."""
    tensorboard.rewind(folder, position)
    csv_file.rewind(folder, position)


def flat_settings(config: Mapping[str, Any], state: RunState) -> dict[str, Any]:
    """The configuration as flat settings, for loggers."""
    flat: dict[str, Any] = {"dataset": state.dataset, "encoder": state.encoder, "loss": state.loss}

    def walk(prefix: str, node: Any) -> None:
        if isinstance(node, Mapping):
            for key, value in node.items():
                walk(f"{prefix}.{key}" if prefix else str(key), value)
        elif node is not None and not prefix.endswith("_target_"):
            flat[prefix] = node

    for group in ("dataset", "encoder", "loss", "optimizer", "scheduler", "trainer", "init_from", "nested", "seed"):
        walk(group, config.get(group))
    return flat
