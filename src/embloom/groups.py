"""The groups of the configuration, and where their files are."""

from __future__ import annotations

from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"
GROUPS = ("experiment", "dataset", "encoder", "loss", "optimizer", "scheduler", "trainer", "callbacks", "probe")


def options(group: str) -> list[str]:
    """What can be selected in a group."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
