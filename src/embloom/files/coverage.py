"""Probes of questions that a vocabulary barely knows: a score on few of them says little, and is no best score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LEAST = 0.5  # of the questions
MARK = "_coverage"


def coverage_of(tag: str, metrics: Mapping[str, float]) -> float | None:
    """The share of a probe's questions that were known; None where nothing says so."""
    for known in metrics:
        base, mark, part = known.partition(MARK)
        if mark and not part and MARK not in tag and (tag == base or tag.startswith(f"{base}_")):
            return metrics.get(f"{known}{tag.removeprefix(base)}", metrics[known])
    return None


def barely_known(metrics: Mapping[str, float]) -> dict[str, float]:
    """The probes less than half of whose questions were known, and the share of those that were."""
    found = {tag: coverage_of(tag, metrics) for tag in metrics if any(MARK in known for known in metrics)}
    return {tag: share for tag, share in found.items() if share is not None and share < LEAST}


def well_known(metrics: Mapping[str, float]) -> dict[str, float]:
    """The other figures."""
    left = barely_known(metrics)
    return {tag: value for tag, value in metrics.items() if tag not in left}


def told(share: float) -> str:
    """What to say of a score that does not count."""
    return f"no score: its words are of {share:.0%} of the questions only".replace("%", " %")


def notes(runs: Iterable[tuple[str, Mapping[str, float]]]) -> list[str]:
    """A line for each run, by name, whose vocabulary barely knows the questions of a probe."""
    found = []
    for name, metrics in runs:
        left = barely_known(metrics)
        whole = [tag for tag in left if not any(tag.startswith(f"{other}_") for other in left)]
        if whole:
            parts = ", ".join(f"{tag.removeprefix('probe/')} {left[tag]:.0%}".replace("%", " %") for tag in whole)
            found.append(f"not a score: {name} knows the words of too few questions ({parts} of them)")
    return found
