"""Runs probes one by one, so that one that fails costs nobody anything but its own figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from embloom.files.tensors import first_line
from embloom.probes.base import Frozen, Probe


@dataclass
class Measured:
    """What the probes found: tag -> value; and why those that failed did: name -> reason."""

    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def measured(probes: Mapping[str, Probe], frozen: Frozen) -> Measured:
    """Calls every probe."""
    found = Measured()
    for name, probe in probes.items():
        try:
            found.values |= {f"probe/{tag}": float(value) for tag, value in probe(frozen).items()}
        except Exception as error:  # a probe may be anybody's
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            found.failed[name] = kind + first_line(error)
    return found
