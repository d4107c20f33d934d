"""`embloom card`: what an artifact is, as Markdown. Reads the card alone, so it answers at once."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embloom.commands.opening import own_option
from embloom.files.run_state import printable, recorded_config_dirs, shown, with_config_dirs


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: there is no artifact.
    """
    parser = argparse.ArgumentParser("embloom card", description="What a trained embedding is, as Markdown.")
    parser.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    own_option(parser)
    options = parser.parse_args(arguments)
    from embloom.artifact.saving import artifact_folder

    print(text_of(artifact_folder(options.run)))


def text_of(folder: Path) -> str:
    """The card of an artifact.

    Raises:
        ValueError: there is none, or it holds something else.
    """
    from embloom.artifact.saving import read_card

    try:
        lines = list(markdown(read_card(folder), folder))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the card in {folder} is not as embloom writes it: {error}") from error
    return "\n".join(printable(line) for text in lines for line in text.split("\n"))


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
    reader = {key: value for key, value in card["reader"].items() if key != "_target_" and value is not None}
    kind = str(card["reader"].get("_target_", "")).rpartition(".")[2].removesuffix("Reader").lower()
    yield f"- inputs: {kind} ({', '.join(f'{key} {cleaned(brief(value))}' for key, value in reader.items())})"


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
    keys = card["keys"]
    own = recorded_config_dirs(folder)
    options = "".join(f" {option}" for option in with_config_dirs(own))
    named = f", config_dir={str(shown(Path(own[0])))!r}" if own else ""
    kind = str(card["reader"].get("_target_", "")).rpartition(".")[2]
    what = {
        "ImageReader": "['one.png', 'two.png']",
        "TextReader": "['a text']",
        "ColumnsReader": "rows",
        "TableReader": "rows",
    }.get(kind)
    yield f"\n## Use\n\n```python\nimport embloom\n\nembedding = embloom.load({str(folder)!r}{named})"
    if what:
        layer = "embedding" if "embedding" in card["layers"] else next(iter(card["layers"]))
        yield f"vectors = embedding.encode({what}, layer={layer!r})"
        if card["heads"]:
            yield f"classes = embedding.predict({what})"
    for name in list(keys)[:1]:
        yield f"rows, names = embedding.table({name!r}), embedding.keys[{name!r}]"
    yield "```\n\n```"
    if what:
        layer = next(iter(card["layers"]))
        yield f"embloom encode {folder} INPUT --layer {layer} --output vectors.safetensors{options}"
    yield f"embloom export {folder} --to {'word2vec' if keys else 'onnx'}{options}\n```"


def brief(value: Any) -> Any:
    """An option of a reader; of columns that have much to say the names."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        return ", ".join(str(item["name"]) for item in value)
    return value


def cleaned(name: object) -> str:
    """A name in one line of Markdown, without markup of its own."""
    text = printable(" ".join(str(name).split()))
    return "".join(f"\\{c}" if c in "\\`*_|<>[]#" else c for c in text)
