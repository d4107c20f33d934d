"""Damaged files of every kind that embloom writes or reads: a message, the undamaged content, or a rebuild."""

from __future__ import annotations

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from attack.children import ANOTHER, REFUSED, SAME, Kind, run
from attack.examples import make
from attack.kinds import kinds

WORKERS = 2
LEAST = 2000


def attack(place: Path, chosen: list[Kind]) -> Counter[tuple[str, str]]:
    """Attacks kinds, prints what came of them, and fails with the seeds of what must not be."""
    with ThreadPoolExecutor(WORKERS) as pool:
        found = dict(zip([kind.name for kind in chosen], pool.map(lambda kind: run(kind, place), chosen), strict=True))
    counts: Counter[tuple[str, str]] = Counter()
    bad = []
    for name, lines in found.items():
        counts.update((name, line["outcome"]) for line in lines)
        bad += [{"kind": name, **line} for line in lines if line["outcome"] not in (REFUSED, SAME, ANOTHER)]
        most = max(line.get("memory", 0) for line in lines) >> 20
        print(f"{name:<36}", dict(Counter(line["outcome"] for line in lines)), f"most memory {most} MB")
    if place_for_figures := os.environ.get("EMBLOOM_ATTACK_REPORT"):
        Path(place_for_figures).write_text(json.dumps({"found": found, "bad": bad}, indent=1))
    assert not bad, f"{len(bad)} of {counts.total()}:\n" + "\n".join(json.dumps(line) for line in bad[:20])
    return counts


@pytest.mark.slow
def test_thousands_of_damaged_files(tmp_path: Path) -> None:
    make(tmp_path)
    counts = attack(tmp_path, kinds(tmp_path))
    totals = Counter(outcome for (_, outcome), count in counts.items() for _ in range(count))
    print(dict(totals), counts.total())
    assert counts.total() >= LEAST
    assert totals[REFUSED] > totals[SAME] + totals[ANOTHER]  # the damages do damage
