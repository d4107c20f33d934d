"""Whether a resumed run has anything left to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embloom.files.run_state import RunState


def check_epochs_left(checkpoint: Mapping[str, Any] | None, config: Mapping[str, Any]) -> None:
    """Raises:
    ValueError: more epochs have been trained than are asked for now.
    """
    done, limit = checkpoint["position"]["epoch"] if checkpoint else 0, config["trainer"]["max_epochs"]
    if done > limit:
        raise ValueError(
            f"trainer.max_epochs={limit}: {done} epochs have been trained already: ask for as many or more"
        )


def finished(
    state: RunState, checkpoint: Mapping[str, Any], config: Mapping[str, Any], changes: Mapping[str, Any]
) -> bool:
    """Whether there is nothing left to do."""
    limit = config["trainer"]["max_epochs"]
    ended = checkpoint["position"]["epoch"] >= limit or checkpoint["stopped_early"]
    return state.state == "finished" and bool(ended) and not changes
