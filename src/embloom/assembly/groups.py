"""The groups of the configuration, and where their files are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# In a wheel they lie inside the package; in a checkout at its top, where people read them first.
CONFIGS = next((p for p in (PACKAGE / "configs", PACKAGE.parents[1] / "configs") if p.is_dir()), PACKAGE / "configs")
GROUPS = (
    "experiment", "dataset", "encoder", "loss", "optimizer", "scheduler", "trainer", "callbacks", "probe", "logger",
)  # fmt: skip


def options(group: str, folders: Sequence[str | Path] = ()) -> list[str]:
    """What can be selected in a group, in the user's own folders too."""
    return sorted({path.stem for place in (CONFIGS, *folders) for path in (Path(place) / group).glob("*.yaml")})
