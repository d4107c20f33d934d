"""The model card of a published embedding: `README.md` with the metadata that the Hugging Face hub reads.

See https://huggingface.co/docs/hub/model-cards; `model-index` is the form of Papers with Code that the hub shows as
results.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from embloom.commands.card import (
    cleaned,
    code,
    data_lines,
    identity_lines,
    layer_lines,
    metric_lines,
    title_of,
    trained_line,
    use_lines,
)
from embloom.files.run_folder import NO_SCORES
from embloom.files.run_state import printable

KINDS = {"image": "images", "text": "texts", "table": "rows of a table", "columns": "rows of numbers"}
PIPELINES = {"image": "image-feature-extraction", "text": "feature-extraction"}  # tasks of the hub
ACCURACIES = ("knn", "linear", "mlp", "few_labels", "accuracy")
MEASURES = {  # beginning of a probe's name -> what it is
    "knn_": "accuracy of a vote of the nearest neighbors",
    "linear_": "accuracy of a linear classifier on the embedding",
    "mlp_": "accuracy of a small network on the embedding",
    "few_labels_": "accuracy of a linear classifier that saw a few labels only",
    "chance_": "accuracy of always naming the most frequent class, to compare with",
    "recall_at_": "share of what a person had later that is among the first k of all items",
    "ndcg_at_": "the same, the earlier the better",
    "hit_rate_at_": "share of people for whom at least one of the first k is right",
    "mrr_at_": "1 / place of the first right one, 0 beyond k",
    "coverage_at_": "share of the items that anybody is shown",
    "popular_share_at_": "how much of what is shown is among the most popular fifth",
    "rmse": "error of predicted ratings",
    "mae": "error of predicted ratings",
    "analogies": "share of analogies solved; _coverage: of which all words are known",
    "word_similarity": "rank correlation of cosines with what people say; _coverage: pairs of known words",
}
SETTINGS = ("encoder", "loss", "optimizer", "scheduler")
BASIC = ("batch_size", "max_epochs", "precision", "seed")


def readme(card: Mapping[str, Any], name: str, license_name: str, recommends: bool = False) -> str:
    """The text of the file.

    Args:
        card: of the artifact, without what is not to be published.
        name: of the folder.
        license_name: as the hub writes it.
        recommends: whether the encoder recommends items to people.
    """
    lines = [f"# {cleaned(title_of(card) or name)}\n", *what_it_is(card)]
    lines += [*use_of(card, name, recommends), *layer_lines(card), *training(card)]
    lines += [*measuring(card), *limits(card, recommends), *files(card)]
    shown = "\n".join(printable(line) for text in lines for line in text.split("\n"))
    head = yaml.safe_dump(metadata(card, name, license_name), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n\n{shown}\n"


# -- metadata


def metadata(card: Mapping[str, Any], name: str, license_name: str) -> dict[str, Any]:
    """The front matter."""
    names, found = card.get("names", {}), results(card)
    tags = ["embloom", "embeddings", *(str(names[key]) for key in ("dataset", "encoder", "loss") if key in names)]
    tags = [tag for part in tags for tag in part.split("+")]
    about: dict[str, Any] = {
        "license": license_name,
        "library_name": "embloom",
        "tags": list(dict.fromkeys(re.sub(r"[^\w.-]+", "-", tag) for tag in tags)),
    }
    if kind_of(card) in PIPELINES:
        about["pipeline_tag"] = PIPELINES[kind_of(card)]
    if found:
        about["metrics"] = list(dict.fromkeys(metric["type"] for metric in found))
        dataset = str(names.get("dataset", "unknown"))
        result = {
            "task": {"type": PIPELINES.get(kind_of(card), "feature-extraction"), "name": "Embedding"},
            "dataset": {"name": dataset, "type": dataset, "split": "test"},
            "metrics": found,
        }
        about["model-index"] = [{"name": title_of(card) or name, "results": [result]}]
    return about


def results(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Probes and accuracies of the test split, as the hub lists metrics."""
    found = []
    for tag, value in sorted(card.get("metrics", {}).items(), key=lambda item: not item[0].startswith("probe/")):
        group, _, name = tag.partition("/")
        probe = group == "probe" and not name.startswith(NO_SCORES) and "_coverage" not in name
        if probe or (group == "test" and name.startswith("accuracy")):
            kind = "accuracy" if name.startswith(ACCURACIES) else name
            found.append({"type": kind, "name": f"{'probe ' if probe else 'test '}{name}", "value": round(value, 6)})
    return found


# -- text


def kind_of(card: Mapping[str, Any]) -> str:
    """What the inputs are: image, text, table, columns."""
    return str(card["reader"].get("_target_", "")).rpartition(".")[2].removesuffix("Reader").lower()


def own_parts(card: Mapping[str, Any]) -> list[str]:
    """Classes that are not embloom's, and not in the folder."""
    nodes = [card["encoder"], card["reader"], *(head["node"] for head in card["heads"].values())]
    targets = [str(node.get("_target_", "")) for node in nodes]
    return [target for target in dict.fromkeys(targets) if target.split(".")[0] not in ("embloom", "torch")]


def what_it_is(card: Mapping[str, Any]) -> Iterator[str]:
    """The first paragraph."""
    rows = "words" if kind_of(card) == "text" else "rows"
    counts = {table: len(names) for table, names in card["keys"].items()}
    if "embedding" in counts:
        counts = {rows: counts["embedding"]}
    named = [f"{count:,} {table}" for table, count in counts.items()]
    of = " and ".join(named) if named else KINDS.get(kind_of(card), "inputs of a kind of its own")
    yield f"An embedding of {cleaned(of)}, {trained_line(card)}"
    yield from identity_lines(card)


def use_of(card: Mapping[str, Any], name: str, recommends: bool) -> Iterator[str]:
    """How to load it."""
    own = own_parts(card)
    named, option = (", config_dir='mine'", " --config-dir mine") if own else ("", "")
    yield from use_lines(card, Path(name), named, option)
    more = list(questions(card, recommends))
    if more:
        yield "\n```python\n" + "\n".join(more) + "\n```"
    yield (
        f"\n`{name}` is this folder; from the hub, `huggingface_hub.snapshot_download(...)` gives its path. It takes "
        f"`pip install embloom` and nothing else; nothing in the folder can execute code."
    )
    if own:
        yield (
            f"\n**It was trained with parts that are not embloom's**: {', '.join(code(o) for o in own)}. "
            "Their code is not in this folder: ask who published it, read it, and name the folder that you keep it in, "
            "here `mine`."
        )


def questions(card: Mapping[str, Any], recommends: bool) -> Iterator[str]:
    """What else can be asked, with names that are there."""
    keys: Mapping[str, list[str]] = card["keys"]
    if recommends and keys.get("items") and keys.get("users"):
        yield f"embedding.recommend({keys['users'][0]!r}, top=5)"
    main = "embedding" if "embedding" in keys else next(iter(keys), "")
    if main in card["tables"] and keys[main]:
        yield f"embedding.words.neighbors({keys[main][len(keys[main]) // 2]!r}, top=5)"


def training(card: Mapping[str, Any]) -> Iterator[str]:
    """The data, and the settings that matter."""
    yield from data_lines(card)
    config = card.get("config", {})
    chosen = {f"{group}.{key}": value for group in SETTINGS for key, value in flat(config.get(group) or {})}
    rest = [*flat(config.get("dataset") or {}), *flat(config.get("trainer") or {}), ("seed", config.get("seed"))]
    chosen |= {key: value for key, value in rest if key in BASIC and value is not None}
    if chosen:
        yield "\n## Training\n\n| setting | value |\n| --- | --- |"
        yield from (f"| {cleaned(key)} | {cleaned(value)} |" for key, value in chosen.items())


def flat(node: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted name; of classes the name."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        elif key == "_target_":
            yield f"{prefix}class", value
        elif value is not None:
            yield f"{prefix}{key}", value


def measuring(card: Mapping[str, Any]) -> Iterator[str]:
    """The figures, and what they are."""
    metrics = card.get("metrics", {})
    yield from metric_lines(metrics)
    names = {tag.removeprefix("probe/") for tag in metrics if tag.startswith("probe/")}
    if not names:
        yield "\n## How it was measured\n\nNo probe was run: nothing is known but the loss."
        return
    yield (
        "\n## How it was measured\n\nThe embedding was frozen. Probes were fitted to the training split and scored on "
        "the test split, which neither training nor the choice of the epoch has seen; of tables, to some rows and on "
        "the others.\n"
    )
    yield from (
        f"- `{begin}...`: {text}" for begin, text in MEASURES.items() if any(n.startswith(begin) for n in names)
    )


def limits(card: Mapping[str, Any], recommends: bool) -> Iterator[str]:
    """What it cannot do, as far as that is known from how it was made."""
    data = card.get("data", {})
    rows = data.get("rows", {}).get("train")
    yield "\n## Limits\n"
    yield (
        f"- It knows what {f'{rows:,} training examples' if rows else 'its training data'} of "
        f"{code(card.get('names', {}).get('dataset', 'unknown'))} show, and has what is one-sided in them; on "
        "other data its figures do not hold: measure it there."
    )
    if kind_of(card) == "image":
        reader = card["reader"]
        side, channels = reader.get("side"), reader.get("channels")
        yield f"- Every image is made {side} x {side} pixels, {cleaned(channels)}, before it is seen."
    if card["keys"]:
        yield "- It knows the names in its tables and no others."
    for label, classes in card["labels"].items():
        if any(head["label"] == label for head in card["heads"].values()):
            yield f"- `predict` names one of {len(classes)} classes of {code(label)} for whatever it is shown."
    if recommends:
        yield "- It holds the names of the people of the training and what each of them had."
    yield "- Its distances mean something among its own vectors only, never between two embeddings."
    yield (
        "- This file was written by `embloom publish` from the figures of the run. What the embedding is for, and what "
        "it must not be used for, is for whoever publishes it to add here."
    )


def files(card: Mapping[str, Any]) -> Iterator[str]:
    """What lies beside the file."""
    yield (
        "\n## Files\n\n- `model.safetensors`: the weights\n- `config.json`: the encoder, how inputs are read, names of "
        "rows and classes, settings and figures of the training, and the content hash"
    )
