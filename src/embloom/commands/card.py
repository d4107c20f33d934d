"""`embloom card`: what an artifact is, as Markdown. Reads the card alone, so it answers at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: there is no artifact.
    """
    if len(arguments) != 1 or arguments[0] in ("-h", "--help"):
        raise ValueError("name one run: embloom card RUN")
    from embloom.artifact.embedding import artifact_folder, read_card

    folder = artifact_folder(arguments[0])
    print("\n".join(markdown(read_card(folder), folder)))


def markdown(card: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """The lines of the card."""
    names, trained = card.get("names", {}), card.get("trained", {})
    title = "-".join(str(names[key]) for key in ("dataset", "encoder", "loss") if key in names) or folder.name
    yield f"# {title}\n"
    yield (
        f"An embedding trained with embloom {card.get('embloom_version', '')}: encoder `{names.get('encoder')}` with "
        f"the loss `{names.get('loss')}` on the dataset `{names.get('dataset')}`"
        + (
            f", {trained['epochs']} epochs, {trained['steps']:,} steps, finished on {trained['at']}."
            if trained
            else "."
        )
    )
    yield f"\n- content hash: `{card['content_hash']}` (equal hashes are equal embeddings)"
    yield f"- format version: {card['format_version']}"
    if card.get("started_from"):
        yield f"- started from: `{card['started_from']['path']}` (`{card['started_from']['content_hash']}`)"
    versions = card.get("versions", {})
    yield f"- made with: {', '.join(f'{name} {version}' for name, version in versions.items())}"
    yield "\n## Layers\n\n| layer | width | rows |\n| --- | ---: | --- |"
    keys: Mapping[str, list[str]] = card.get("keys", {})
    for name, width in card["layers"].items():
        yield f"| `{name}` | {width} | {f'{len(keys[name]):,} named rows' if name in keys else ''} |"
    for name in keys:
        if name not in card["layers"]:
            yield f"| `{name}` | | {len(keys[name]):,} named rows |"
    yield from data_lines(card)
    yield from metric_lines(card.get("metrics", {}))
    yield from use_lines(card, folder)


def data_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """What it was trained on."""
    data = card.get("data", {})
    rows = ", ".join(f"{count:,} {split}" for split, count in data.get("rows", {}).items())
    yield f"\n## Data\n\n- {data.get('dataset', 'unknown')}: {rows}"
    for label, classes in card.get("labels", {}).items():
        shown = ", ".join(cleaned(name) for name in classes[:20]) + (", ..." if len(classes) > 20 else "")
        yield f"- {len(classes)} classes of `{label}`: {shown}"
    for kind, about in card.get("inputs", {}).items():
        yield f"- inputs: {kind} ({', '.join(f'{key} {value}' for key, value in about.items() if value is not None)})"


def metric_lines(metrics: Mapping[str, float]) -> Iterator[str]:
    """Probes first: losses of different kinds are no comparable numbers."""
    for title, prefix in (
        ("Probes of the frozen embedding", "probe/"),
        ("Test split", "test/"),
        ("Validation", "val/"),
    ):
        found = {tag.removeprefix(prefix): value for tag, value in metrics.items() if tag.startswith(prefix)}
        if found:
            yield f"\n## {title}\n\n| | |\n| --- | ---: |"
            yield from (f"| {tag} | {value:.4f} |" for tag, value in sorted(found.items()))


def use_lines(card: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """How to load it, with an example that fits."""
    kinds, keys = card.get("inputs", {}), card.get("keys", {})
    what = "['one.png', 'two.png']" if "image" in kinds else "['a text']" if "text" in kinds else None
    yield f"\n## Use\n\n```python\nimport embloom\n\nembedding = embloom.load({str(folder)!r})"
    if what:
        layer = "embedding" if "embedding" in card["layers"] else next(iter(card["layers"]))
        yield f"vectors = embedding.encode({what}, layer={layer!r})"
    for name in list(keys)[:1]:
        yield f"rows, names = embedding.table({name!r}), embedding.keys[{name!r}]"
    yield "```\n\n```"
    if what:
        yield f"embloom encode {folder} INPUT --layer {next(iter(card['layers']))} --output vectors.safetensors"
    yield f"embloom export {folder} --to {'word2vec' if keys else 'onnx'}\n```"


def cleaned(name: object) -> str:
    """A name in one line of Markdown, without markup of its own."""
    text = " ".join(str(name).split())
    return "".join(f"\\{c}" if c in "\\`*_|<>[]#" else c for c in text)
