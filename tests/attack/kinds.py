"""Every kind of file that embloom writes or reads, with how it is damaged and how a command reads it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

import yaml

from attack.children import Kind
from attack.damage import damaged, lines_damaged, with_another_field, with_another_header
from attack.examples import IMAGES, YAMLS
from attack.readers import (
    anything,
    as_artifact,
    as_built,
    as_checkpoint,
    as_corpus,
    as_events,
    as_folder,
    as_image,
    as_labelled,
    as_mnist,
    as_own_configs,
    as_run,
    as_table,
    as_text,
    as_vectors,
    as_words,
    is_artifact,
    is_columns,
    is_part_of,
    is_pixels,
    is_rows,
    is_state,
    is_texts,
    is_vectors,
    is_words,
)
from embloom.artifact.saving import content_hash
from embloom.comparison.curves import curves
from embloom.files.checkpoint import BEST, LAST, PREVIOUS
from embloom.files.seal import SEAL, sealed, sealed_text, unsealed_text

Damage = Callable[[bytes, random.Random], tuple[str, bytes]]


def of_json(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Bytes or a field, under the old seal."""
    if draw.random() < 0.5:
        return damaged(content, draw)
    how, found = with_another_field(json.loads(content), draw)
    text = json.dumps(found).encode()
    return how, text


def of_state(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """A field, as if it had been written so."""
    how, found = with_another_field({k: v for k, v in json.loads(content).items() if k != SEAL}, draw)
    return how, json.dumps(sealed(found)).encode()


def of_config(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """A field of sealed YAML, as if it had been written so."""
    how, found = with_another_field(yaml.safe_load(unsealed_text(content.decode())), draw)
    try:
        return how, sealed_text(yaml.safe_dump(found, sort_keys=False)).encode()
    except RecursionError:
        return "nested", sealed_text("a: " + "[" * 5000 + "]" * 5000).encode()


def of_yaml(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Bytes or a field of YAML."""
    if draw.random() < 0.5:
        return damaged(content, draw)
    how, found = with_another_field(yaml.safe_load(content), draw)
    try:
        return how, yaml.safe_dump(found, sort_keys=False).encode()
    except RecursionError:
        return "nested", b"a: " + b"[" * 5000 + b"]" * 5000


def of_card(weights: bytes, content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """A field of a card, with right hashes."""
    how, found = with_another_field({k: v for k, v in json.loads(content).items() if k != SEAL}, draw)
    found["content_hash"] = content_hash(weights, found)
    return how, json.dumps(sealed(found)).encode()


def of_header(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Bytes or a field of the header of safetensors."""
    return damaged(content, draw) if draw.random() < 0.5 else with_another_header(content, draw)


def of_packed(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Bytes of gzip, which has a check; but not another file, nor the same text twice, which are sound."""
    while True:
        how, found = damaged(content, draw)
        if how != "another" and len(found) < 2 * len(content):
            return how, found


def of_lines(content: bytes, draw: random.Random) -> tuple[str, bytes]:
    """Bytes or a line."""
    return damaged(content, draw) if draw.random() < 0.5 else lines_damaged(content, draw)


WORD_FILES: dict[str, Damage] = {
    "w.txt": of_lines, "w.bin": damaged, "w.txt.gz": of_packed, "w.bin.gz": of_packed, "glove.txt": of_lines,
}  # fmt: skip
PARTS: dict[str, Damage] = {"t.csv": of_lines, "t.csv.gz": of_packed, "t.parquet": damaged}


def kinds(place: Path) -> list[Kind]:
    """All of them; `place` has been made."""
    weights = (place / "run" / "embeddings" / "layers.safetensors").read_bytes()
    events = next((place / "run").glob("events.*")).name
    drawn = partial(is_part_of, curves(place / "run", most=None))
    entry = next(path for path in (place / "corpus" / "cache").iterdir() if path.is_dir()).name
    found = [
        Kind("run.json", "run/run.json", "run", as_run, of_json, count=150),
        Kind("run.json of somebody else's", "run/run.json", "run", as_run, of_state, is_state, 150),
        Kind("config.yaml", "run/config.yaml", "run", as_run, damaged, count=100),
        Kind("config.yaml of somebody else's", "run/config.yaml", "run", as_built, of_config, is_state, 150),
        Kind("metrics.json", "run/metrics.json", "run", as_run, of_json, count=20),
        Kind("card.json", "run/embeddings/card.json", "run", as_artifact, of_json, count=120),
        Kind("card.json of somebody else's", "run/embeddings/card.json", "run", as_artifact, partial(of_card, weights),
             is_artifact, 200),
        Kind("layers.safetensors", "run/embeddings/layers.safetensors", "run", as_artifact, of_header, count=100),
        *(Kind(name, f"run/checkpoints/{name}", "run", partial(as_checkpoint, name), damaged, count=50)
          for name in (LAST, BEST, PREVIOUS)),
        Kind("events", f"run/{events}", "run", as_events, damaged, drawn, 60),
        *(Kind(f"cache {name}", f"corpus/cache/{entry}/{name}", "corpus", as_corpus,
               of_json if name.endswith("json") else damaged, count=30)
          for name in ("tokens.npy", "offsets.npy", "counts.npy", "vocabulary.json", "about.json", "seal.json")),
        Kind("vectors safetensors", "vectors/v.safetensors", "vectors", partial(as_vectors, "v.safetensors"), of_header,
             is_vectors, 100),
        *(Kind(f"vectors {name}", f"vectors/v.{name}", "vectors", partial(as_vectors, f"v.{name}"),
               of_lines if name == "csv" else damaged, is_vectors, 60) for name in ("npy", "csv", "parquet")),
        *(Kind(f"words {name}", f"vectors/{name}", "vectors", partial(as_words, name), WORD_FILES[name],
               None if name.endswith("gz") else is_vectors, 50) for name in WORD_FILES),
        *(Kind(f"idx {name}", f"idx/MNIST/raw/{name}", "idx", as_mnist, damaged, is_columns, 30)
          for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte")),
        *(Kind(f"image {ending}", f"image/x.{ending}", "image", partial(as_image, f"x.{ending}"), damaged,
               is_pixels, 40) for ending in IMAGES),
        Kind("image folder", "images/a/1.png", "images", as_folder, damaged, is_columns, 40),
        *(Kind(f"labelled {name}", f"texts/{name}", "texts", partial(as_labelled, name),
               of_packed if name.endswith("gz") else of_lines, None if name.endswith("gz") else is_texts, 40)
          for name in ("t.csv", "t.tsv", "t.csv.gz")),
        *(Kind(f"table {name}", f"table/{name}", "table", partial(as_table, name),
               PARTS[name], None if name.endswith("gz") else is_rows, 50)
          for name in ("t.csv", "t.csv.gz", "t.parquet")),
        Kind("corpus", "corpus/c.txt", "corpus", partial(as_text, "c.txt"), of_lines, is_words, 60),
        Kind("corpus gz", "corpus/c.txt.gz", "corpus", partial(as_text, "c.txt.gz"), of_packed, None, 60),
        *(Kind(f"own {name}", f"mine/configs/{name}", "mine", as_own_configs, of_yaml, anything, 30) for name in YAMLS),
    ]  # fmt: skip
    return found
