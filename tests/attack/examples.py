"""A sound example of every kind of file that embloom writes or reads."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import torch
from PIL import Image

from embloom.artifact.vector_writing import parts_of, write_vectors
from embloom.data.corpus import CorpusOptions, open_corpus
from embloom.files.word2vec import write_word2vec
from idx import write_mnist
from trained import SMALL_DIGITS, trained

WORDS = [f"word{number}" for number in range(60)]
IMAGES = ("png", "jpg", "gif", "bmp", "tif", "webp", "ppm")
YAMLS = {
    "dataset/mine.yaml": "_target_: embloom.data.digits.Digits\nbatch_size: 64\nval_size: 300\n",
    "encoder/mine.yaml": '_target_: embloom.encoders.mlp.MLP\nlayers: "1024-16-10"\nactivation: relu\nof: null\n',
    "loss/mine.yaml": "mine:\n  _target_: embloom.losses.triplet.Triplet\n  weight: 1.0\n  margin: 0.2\n"
    "  of: {target: label}\n",
    "experiment/mine.yaml": "# @package _global_\ndefaults:\n  - override /loss: [triplet]\nseed: 3\n",
}


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
