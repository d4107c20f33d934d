"""What a run of a sweep takes from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from embloom.callbacks.base import Callback


@dataclass
class InSweep:
    """The sweep that a run is part of.

    Attributes:
        command: what continues the sweep, should a signal stop it in this run.
        said: lines of headers and warnings that its runs have said already.
        callbacks: what happens in this run beside what its configuration says.
    """

    command: str
    said: set[str] = field(default_factory=set)
    callbacks: dict[str, Callback] = field(default_factory=dict)
