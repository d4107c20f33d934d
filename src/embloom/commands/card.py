"""`embloom card`: what an artifact is, as Markdown. Reads the card alone, so it answers at once."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embloom.artifact.lineage import parents_of
from embloom.commands.opening import own_option
from embloom.files.run_state import printable, recorded_config_dirs, shown, with_config_dirs


def main(arguments: list[str]) -> None:
    """Runs the command.

    Raises:
        ValueError: there is no artifact.
    """
    parser = argparse.ArgumentParser("embloom card", description="What a trained embedding is, as Markdown.")
    parser.add_argument("run", metavar="RUN", help="a run folder, or its embeddings/")
    parser.add_argument(
        "--lineage", action="store_true", help="which embeddings it comes from, as far as they are there"
    )
    own_option(parser)
    options = parser.parse_args(arguments)
    from embloom.artifact.saving import artifact_folder

    folder = artifact_folder(options.run)
    print("\n".join(map(printable, lineage_lines(folder))) if options.lineage else text_of(folder))


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
    yield f"# {title_of(card) or folder.name}\n"
    yield f"An embedding {trained_line(card)}"
    yield from identity_lines(card)
    yield from layer_lines(card)
    yield from data_lines(card)
    yield from metric_lines(card.get("metrics", {}))
    own = recorded_config_dirs(folder)
    options = "".join(f" {option}" for option in with_config_dirs(own))
    named = f", config_dir={str(shown(Path(own[0])))!r}" if own else ""
    yield from use_lines(card, folder, named, options)


def lineage_lines(folder: Path) -> Iterator[str]:
    """The tree of what an embedding comes from, as nested lists.

    Raises:
        ValueError: there is no artifact.
    """
    from embloom.artifact.ancestry import walked

    yield f"# Lineage of {code(shown(folder))}"
    yield ""
    for depth, found in walked(folder):
        place = code(shown(found.folder) if found.folder else found.path)
        line = f"{'  ' * depth}- {found.how} {place}".replace("-  ", "- ")
        about = [f"{found.content_hash.removeprefix('sha256:')[:12]}", cleaned(found.note)]
        if found.card is not None:
            made = (found.card.get("lineage") or {}).get("at") or found.card.get("trained", {}).get("at")
            about += [cleaned(title_of(found.card)), f"made on {cleaned(made)}" if made else ""]
            promise = promised(found.card)
            about += [
                f"measured: {promise}" if promise else "",
                "" if parents_of(found.card) else "trained from scratch",
            ]
        yield f"{line}: {', '.join(cleaned(part) if i == 0 else part for i, part in enumerate(about) if part)}"


def title_of(card: Mapping[str, Any]) -> str:
    """What a run is called: dataset, encoder and loss."""
    names = card.get("names", {})
    return "-".join(str(names[key]) for key in ("dataset", "encoder", "loss") if names.get(key))


def trained_line(card: Mapping[str, Any]) -> str:
    """How it was trained, in a sentence."""
    names, trained = card.get("names", {}), card.get("trained", {})
    loss = names.get("loss")
    text = (
        f"trained with embloom {card.get('embloom_version', '')}: encoder {code(names.get('encoder'))} "
        f"{f'with the loss {code(loss)}' if loss else 'without a loss'} on the dataset {code(names.get('dataset'))}"
    )
    if trained.get("steps"):
        text += f", {trained['epochs']} epochs, {trained['steps']:,} steps, finished on {trained['at']}"
    return f"{text}."


def identity_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """Which embedding it is."""
    yield f"\n- content hash: `{card['content_hash']}` (equal hashes are equal embeddings)"
    yield f"- format version: {card['format_version']}"
    for parent in parents_of(card):
        yield f"- {parent.how}: {code(parent.path)} ({code(parent.content_hash)})"
    if promise := promised(card):
        yield f"- measured against {'it' if len(parents_of(card)) == 1 else 'them'}: {promise}"
    versions = card.get("versions", {})
    yield f"- made with: {', '.join(f'{name} {version}' for name, version in versions.items())}"


def promised(card: Mapping[str, Any]) -> str:
    """The promise that was measured, if there is one."""
    found = (card.get("lineage") or {}).get("promise", {})
    return ", ".join(
        f"{cleaned(name)} {value:,.0f}" if value > 1 and value == int(value) else f"{cleaned(name)} {value:.4f}"
        for name, value in found.items()
    )


def layer_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """What can be asked for."""
    yield "\n## Layers\n\n| layer | width | rows |\n| --- | ---: | --- |"
    keys: Mapping[str, list[str]] = card.get("keys", {})
    for name, width in card["layers"].items():
        yield f"| {code(name)} | {width} | {f'{len(keys[name]):,} named rows' if name in keys else ''} |"
    for name in keys:
        if name not in card["layers"]:
            yield f"| {code(name)} | | {len(keys[name]):,} named rows |"


def data_lines(card: Mapping[str, Any]) -> Iterator[str]:
    """What it was trained on."""
    data = card.get("data", {})
    rows = ", ".join(f"{count:,} {split}" for split, count in data.get("rows", {}).items())
    yield f"\n## Data\n\n- {data.get('dataset', 'unknown')}: {rows}"
    for label, classes in card.get("labels", {}).items():
        shown = ", ".join(cleaned(name) for name in classes[:20]) + (", ..." if len(classes) > 20 else "")
        yield f"- {len(classes)} classes of {code(label)}: {shown}"
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
            yield from (f"| {cleaned(tag)} | {value:.4f} |" for tag, value in sorted(found.items()))


def use_lines(card: Mapping[str, Any], folder: Path, named: str = "", options: str = "") -> Iterator[str]:
    """How to load it, with an example that fits.

    Args:
        card: the card.
        folder: where it is.
        named: what `load` takes besides, for parts of the user's own.
        options: likewise a command.
    """
    keys = [name for name in card["keys"] if name in card["tables"]]
    what = example_of(card)
    yield f"\n## Use\n\n```python\nimport embloom\n\nembedding = embloom.load({str(folder)!r}{named})"
    if what:
        layer = "embedding" if "embedding" in card["layers"] else next(iter(card["layers"]))
        yield f"vectors = embedding.encode({what}, layer={layer!r})"
        if card["heads"]:
            yield f"classes = embedding.predict({what})"
    for name in keys[:1]:
        yield f"rows, names = embedding.table({name!r}), embedding.keys[{name!r}]"
    yield "```\n\n```sh"
    where = shlex.quote(str(folder))
    if what:
        layer = next(iter(card["layers"]))
        yield f"embloom encode {where} INPUT --layer {layer} --output vectors.safetensors{options}"
    yield f"embloom export {where} --to {'word2vec' if keys else 'onnx'}{options}\n```"


def example_of(card: Mapping[str, Any]) -> str:
    """Inputs that it takes, as Python; empty where that is not known."""
    reader = card["reader"]
    kind = str(reader.get("_target_", "")).rpartition(".")[2]
    if kind == "TableReader":
        return repr([{str(column["name"]): usual(column) for column in reader["columns"]}])
    if kind == "ColumnsReader":
        return repr({name: row_of(about) for name, about in reader["columns"].items()})
    return {"ImageReader": "['one.png', 'two.png']", "TextReader": "['a text']"}.get(kind, "")


def usual(column: Mapping[str, Any]) -> object:
    """What often stands in a column of a table."""
    return float(f"{column['mean']:.3g}") if column["kind"] == "numeric" else next(iter(column["categories"]), "")


def row_of(column: Mapping[str, Any]) -> list[Any]:
    """One row of a column of numbers: zeros."""
    zero: Any = 0 if column["dtype"] == "int64" else 0.0
    return [zero if column["width"] is None else Zeros(zero, column["width"])]


class Zeros:
    """Many equal numbers, written as Python writes them in short."""

    def __init__(self, number: Any, count: int) -> None:
        self.number, self.count = number, count

    def __repr__(self) -> str:
        return f"[{self.number!r}] * {self.count}" if self.count > 4 else repr([self.number] * self.count)


def brief(value: Any) -> Any:
    """An option of a reader; of columns that have much to say the names."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) and "name" in item for item in value):
        return ", ".join(str(item["name"]) for item in value)
    return value


def code(name: object) -> str:
    """A name in Markdown as code, in a table too."""
    return f"`{printable(' '.join(str(name).split())).replace('`', chr(39)).replace('|', '/')}`"


def cleaned(name: object) -> str:
    """A name in one line of Markdown, without markup of its own."""
    text = printable(" ".join(str(name).split()))
    marked = "".join(f"\\{c}" if c in "\\`*_|<>[]#" else c for c in text)
    return re.sub(r"(?<=[^\W_])\\_(?=[^\W_])", "_", marked)  # inside a word it is no markup
