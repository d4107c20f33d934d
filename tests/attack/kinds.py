"""Every kind of file that embloom writes or reads, with a sound example, and how a command reads it."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from torch import Tensor

import embloom
from attack.children import Kind
from attack.damage import damaged, lines_damaged, with_another_field, with_another_header
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.saving import content_hash
from embloom.artifact.vector_files import Vectors, parts_of, read_vector_file, write_vectors
from embloom.artifact.weights import read_source
from embloom.assembly import own
from embloom.assembly.checks import problems
from embloom.assembly.compose import asked_for
from embloom.commands.card import text_of
from embloom.commands.train import changed, stored_config
from embloom.comparison.collect import read
from embloom.comparison.curves import curves
from embloom.comparison.table import Comparison
from embloom.data.corpus import CorpusOptions, open_corpus
from embloom.data.image_folder import ImageFolder
from embloom.data.labelled_text import LabelledText
from embloom.data.mnist import MNIST
from embloom.data.table import Table
from embloom.data.text import Text
from embloom.files.checkpoint import BEST, LAST, PREVIOUS, newest_good, read_checkpoint
from embloom.files.run_folder import row_of
from embloom.files.run_state import FITS, RunState, is_text, read_state
from embloom.files.seal import SEAL, sealed, sealed_text, unsealed_text
from embloom.files.word2vec import read_vectors, write_word2vec
from embloom.training.components import build_components
from embloom.training.tensorboard import rewind
from idx import write_mnist
from trained import SMALL_DIGITS, trained

Damage = Callable[[bytes, random.Random], tuple[str, bytes]]
WORDS = [f"word{number}" for number in range(60)]
IMAGES = ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm")
YAMLS = {
    "dataset/mine.yaml": "_target_: embloom.data.digits.Digits\nbatch_size: 64\nval_size: 300\n",
    "encoder/mine.yaml": '_target_: embloom.encoders.mlp.MLP\nlayers: "1024-16-10"\nactivation: relu\nof: null\n',
    "loss/mine.yaml": "mine:\n  _target_: embloom.losses.triplet.Triplet\n  weight: 1.0\n  margin: 0.2\n"
    "  of: {target: label}\n",
    "experiment/mine.yaml": "# @package _global_\ndefaults:\n  - override /loss: [triplet]\nseed: 3\n",
}


# -- sound examples


def make(place: Path) -> None:
    """One of each."""
    trained(place / "run", *SMALL_DIGITS, "callbacks.checkpoints.every_n_steps=1", "encoder.layers=1024-16-10")
    (place / "vectors").mkdir()
    rows = torch.randn(60, 8, generator=torch.Generator().manual_seed(0))
    for ending in ("safetensors", "npy", "csv", "parquet"):
        about = {"content_hash": "sha256:1234", "layer": "embedding"}
        write_vectors(place / "vectors" / f"v.{ending}", parts_of(WORDS, rows), about)
    for name in ("w.txt", "w.bin", "w.txt.gz", "w.bin.gz"):
        write_word2vec(place / "vectors" / name, WORDS, rows, binary=".bin" in name)
    lines = (place / "vectors" / "w.txt").read_bytes().split(b"\n", 1)[1]
    (place / "vectors" / "glove.txt").write_bytes(lines)
    make_data(place)
    for name, text in YAMLS.items():
        path = place / "mine" / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def make_data(place: Path) -> None:
    """Files of data."""
    write_mnist(place / "idx", 90, 20)
    draw = random.Random(0)
    for name in ("a", "b"):
        (place / "images" / name).mkdir(parents=True)
        for number in range(4):
            pixels = draw.randbytes(12 * 9 * 3)
            Image.frombytes("RGB", (12, 9), pixels).save(place / "images" / name / f"{number}.png")
    for ending in IMAGES:
        (place / "image").mkdir(exist_ok=True)
        Image.frombytes("RGB", (24, 18), draw.randbytes(24 * 18 * 3)).save(place / "image" / f"x.{ending}")
    (place / "texts").mkdir()
    reviews = ["label,text", *(f'{"np"[i % 2]},"{" ".join(draw.choices(WORDS, k=8))}"' for i in range(120))]
    content = ("\n".join(reviews) + "\n").encode()
    (place / "texts" / "t.csv").write_bytes(content)
    (place / "texts" / "t.tsv").write_bytes(content.replace(b",", b"\t", 1).replace(b",", b"\t"))
    (place / "texts" / "t.csv.gz").write_bytes(gzip.compress(content, mtime=0))
    (place / "table").mkdir()
    rows = ["name,size,label", *(f"{'xyz'[i % 3]},{i % 7}.{i % 5},{'uv'[i % 2]}" for i in range(90))]
    (place / "table" / "t.csv").write_text("\n".join(rows) + "\n")
    (place / "table" / "t.csv.gz").write_bytes(gzip.compress(("\n".join(rows) + "\n").encode(), mtime=0))
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(place / "table" / "t.csv"), place / "table" / "t.parquet")
    (place / "corpus").mkdir()
    text = "\n".join(" ".join(draw.choices(WORDS[:20], k=12)) for _ in range(200)) + "\n"
    (place / "corpus" / "c.txt").write_text(text)
    (place / "corpus" / "c.txt.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    before = Path.cwd()
    os.chdir(place / "corpus")
    open_corpus("c.txt", CorpusOptions(min_count=1), Path("cache"))
    os.chdir(before)


# -- damages


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


# -- readers


def as_run(folder: Path) -> Any:
    """As `embloom runs`, `compare` and `resume` read it."""
    row_of(folder)
    state = read_state(folder)
    run = read(folder)
    Comparison([run]).as_csv()
    changed(stored_config(folder), state, [], [])
    return {**asdict(state), "config": run.config}


def as_built(folder: Path) -> Any:
    """As `embloom resume` builds it."""
    found = as_run(folder)
    if wrong := problems(found["config"], folder):
        raise ValueError("\n".join(wrong))
    with own.parts():
        parts = build_components(found["config"])
        parts.dataset.setup("fit")
        next(iter(parts.dataset.loader("train")))
    return found


def as_artifact(folder: Path) -> Any:
    """As `embloom card`, `encode`, `export` and `compare` read it."""
    loaded = embloom.load(folder)
    text_of(folder / "embeddings")
    rows = loaded.encode(torch.zeros(2, 1024))
    predicted = loaded.predict(torch.zeros(2, 1024)) if loaded.heads else []
    return loaded.card, loaded.encoder.state_dict(), rows, predicted


def as_checkpoint(name: str, folder: Path) -> Any:
    """As `embloom resume` and `init_from` read it."""
    path = folder / "checkpoints" / name
    for other in (folder / "checkpoints").iterdir():
        if other != path:
            other.unlink()
    found, complaints = newest_good(folder / "checkpoints")
    if found is None:
        raise ValueError("\n".join(complaints))
    return read_checkpoint(found), read_source(path).weights


def as_events(folder: Path) -> Any:
    """As `embloom compare --html` and `resume` read them."""
    found = curves(folder, most=None)
    rewind(folder, {path.name: 100 for path in folder.glob("events.*")})
    return found


def as_corpus(folder: Path) -> Any:
    """As training reads it."""
    corpus = open_corpus("c.txt", CorpusOptions(min_count=1), folder / "cache")
    dataset = Text(128, "c.txt", min_count=1, val_fraction=0.1, test_fraction=0.1, cache=str(folder / "cache"))
    dataset.setup("fit")
    batch = next(iter(dataset.loader("train", shuffle=True)))
    return corpus, batch


def as_text(name: str, folder: Path) -> Any:
    """As training reads it, without a cache."""
    dataset = Text(128, name, min_count=1, val_fraction=0.1, test_fraction=0.1, cache=str(folder / "new"))
    dataset.setup("fit")
    next(iter(dataset.loader("train", shuffle=True)))
    assert dataset.corpus is not None
    # The key is a hash of the packed file, the header of which says when it was packed.
    return replace(dataset.corpus, key="", about={})


def as_vectors(name: str, folder: Path) -> Any:
    """As a search reads it, and `init_from`."""
    found = read_vector_file(folder / name)
    found.nearest(found, 3)
    if name.endswith(".safetensors"):
        read_source(folder / name)
    return found


def as_words(name: str, folder: Path) -> Any:
    """As `init_from` reads it."""
    read_source(folder / name)
    return read_vectors(folder / name)


def as_mnist(folder: Path) -> Any:
    """As training reads it."""
    dataset = MNIST(32, str(folder), val_size=30, download=False)
    dataset.setup("fit")
    return dataset.columns


def as_folder(folder: Path) -> Any:
    """As training reads it."""
    dataset = ImageFolder(4, str(folder), side=8)
    dataset.setup("fit")
    return dataset.columns


def as_image(name: str, folder: Path) -> Any:
    """As `embloom encode` reads it."""
    return ImageReader(8).checked(folder / name)


def as_labelled(name: str, folder: Path) -> Any:
    """As training reads it."""
    dataset = LabelledText(16, str(folder / name), min_count=1)
    dataset.setup("fit")
    return dataset.texts, dataset.vocabulary


def as_table(name: str, folder: Path) -> Any:
    """As training reads it."""
    dataset = Table(16, str(folder / name))
    dataset.setup("fit")
    return dataset.found, dataset.reader.columns


def as_own_configs(folder: Path) -> Any:
    """As `embloom train --config-dir` reads it, up to the building of the parts."""
    mine = ("dataset=mine", "encoder=mine", "loss=mine", "experiment=mine", "trainer=cpu")
    with own.parts([folder / "configs"]):
        asked, _ = asked_for(mine, own.folders_in_use())
        if wrong := problems(asked.config, folder / "run"):
            raise ValueError("\n".join(wrong))
        build_components(asked.config)
    return asked.config


# -- what a file without a check of its own must still be


def is_state(found: Any) -> bool:
    """All fields are of the kinds that are promised, and nothing in them reaches a terminal."""
    config = found["config"]
    return all(fits(found[name]) for name, fits in FITS.items()) and all(map(is_text, config))


def is_artifact(found: Any) -> bool:
    """Two rows of finite or other numbers."""
    return found[2].ndim == 2 and len(found[2]) == 2


def is_vectors(found: Any) -> bool:
    """Finite rows, and as many names or none."""
    if isinstance(found, Vectors):
        found = (found.names, found.rows)
    names, rows = found
    named = len(names) in (0, len(rows)) and all(isinstance(name, str) for name in names)
    return bool(rows.ndim == 2 and rows.dtype == torch.float32 and rows.isfinite().all()) and named


def is_part_of(whole: Any, found: Any) -> bool:
    """Points that were written, in their order: a run that is killed leaves such a file too."""
    return all(
        tag in whole and list(zip(*points, strict=True)) == list(zip(*whole[tag], strict=True))[: len(points[0])]
        for tag, points in found.items()
    )


def is_pixels(found: Tensor) -> bool:
    """A row of pixels."""
    return found.dtype == torch.uint8 and found.shape == (64,)


def is_columns(found: Any) -> bool:
    """Columns of one length in each split."""
    return all(len({len(column) for column in split.values()}) == 1 for split in found.values())


def is_texts(found: Any) -> bool:
    """Token ids of the vocabulary."""
    texts, vocabulary = found
    sizes = [int(text["token"].max()) for text in texts.values() if len(text["token"])]
    return max(sizes, default=-1) < len(vocabulary)


def is_rows(found: Any) -> bool:
    """Finite numbers."""
    return all(split["numbers"].isfinite().all() for split in found[0].values())


def is_words(found: Any) -> bool:
    """A corpus whose parts fit each other."""
    return len(found.words) == len(found.counts) > int(found.tokens.max()) and found.offsets[-1] == len(found.tokens)


def anything(found: Any) -> bool:
    """A configuration that could be built."""
    return True


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


__all__ = ["RunState", "kinds", "make"]
