"""An artifact in a few lines, as `print` shows it; `embloom card` tells all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from embloom.files.coverage import MARK, well_known
from embloom.files.run_state import printable

MOST = 5  # probes


def told(card: Mapping[str, Any]) -> Iterator[str]:
    """Layers and their widths, what goes in, named rows, the best probes, the hash."""
    names = card.get("names", {})
    what = " · ".join(str(names[key]) for key in ("dataset", "encoder", "loss") if key in names)
    yield printable(f"Embedding {what}".rstrip())
    yield printable(f"  layers  {', '.join(f'{name} ({width})' for name, width in card['layers'].items())}")
    kind = str(card["reader"].get("_target_", "")).rpartition(".")[2].removesuffix("Reader").lower()
    sides = {key: card["reader"][key] for key in ("side", "channels") if key in card["reader"]}
    about = f" ({', '.join(f'{key} {value}' for key, value in sides.items())})" if sides else ""
    yield printable(f"  inputs  {kind or 'unknown'}{about}")
    for table, rows in card["keys"].items():
        shown = ", ".join(name[:30] for name in rows[:5]) + (", ..." if len(rows) > 5 else "")
        yield printable(f"  rows    {table}: {len(rows):,} ({shown})")
    for label, classes in card["labels"].items():
        yield printable(f"  label   {label}: {len(classes)} classes")
    yield from probe_lines(card.get("metrics", {}))
    yield f"  hash    {card['content_hash'].removeprefix('sha256:')[:12]}"


def probe_lines(metrics: Mapping[str, float]) -> Iterator[str]:
    """The best of the probes, with the level of chance where it is known."""
    probes = {tag[6:]: value for tag, value in well_known(metrics).items() if tag.startswith("probe/")}
    scores = {name: value for name, value in probes.items() if MARK not in name and not name.startswith("chance_")}
    best = sorted(scores, key=lambda name: -scores[name])[:MOST]
    for place, name in enumerate(best):
        chance = probes.get(f"chance_{name.partition('_')[2]}")
        level = f" (chance {chance:.4f})" if chance is not None else ""
        yield printable(f"  {'probes' if not place else '      '}  {name} {scores[name]:.4f}{level}")
