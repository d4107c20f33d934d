"""Small files and runs in the place of what a reader of the documents would have, under the names that these use."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_iris

from documents import DOCUMENTS, ROOT, commands, python, write_files
from embloom.data.grammar import documents
from embloom.files.word2vec import write_word2vec
from harness import finish, fork
from idx import write_mnist

# Steps enough for every part to be used.
FEW = (
    "trainer.max_epochs=1", "trainer.limit_train_batches=3", "trainer.min_batches=1", "+trainer.limit_val_batches=1",
    "+trainer.limit_test_batches=1", "callbacks.classification.misclassified=0",
)  # fmt: skip
SMALL = {  # what a command names -> what it takes to be over soon, or to do without a network
    "color_shape": ["dataset.counts={train: 128, val: 32, test: 64}"],
    "probe=[knn,linear,mlp,chance]": ["probe.mlp.epochs=1"],
    "dataset=mnist": ["dataset.val_size=30"],
    "encoder.weights=default": ["encoder.weights=null"],
    "experiment=skipgram": ["dataset.cache=cache"],
    "experiment=bag_of_ngrams": ["encoder.buckets=1024"],
    "experiment=glove": ["dataset.cache=cache"],
    "hydra/sweeper=optuna": ["hydra.sweeper.n_trials=2"],
}
MINE = ("--config-dir", "mine", "dataset=rings", "encoder=two", "loss=cosine")
RATINGS = ("--config-dir", "docs/examples/ratings", "experiment=ratings")
RUNS = {  # run folder -> how it is trained
    "RUN": [*FEW],
    "outputs/cross_entropy/mlp-mnist-2026-11-21_10-30-00": ["dataset=mnist", *FEW],
    "V1": [*FEW, "seed=1"],
    "V2": [*FEW, "seed=2"],
    "V1WORDS": ["experiment=skipgram", "seed=1"],
    "SIMCLR": ["loss=[nt_xent]", "encoder=conv", *FEW],
    "WORDS": ["experiment=skipgram"],
    "TEXTS": ["experiment=bag_of_embeddings", "dataset.path=reviews.csv", *FEW],
    "AUTOENCODER": ["experiment=autoencoder", *FEW],
    "RINGS": [*MINE, "trainer.max_epochs=5"],
    "RATINGS": [*RATINGS],
    "FILMS": ["experiment=recommender", "trainer.max_epochs=5"],
    "TABLE": ["dataset=table", "dataset.path=flowers.csv", "dataset.label=species", "trainer.max_epochs=3"],
}


def smaller(arguments: list[str]) -> list[str]:
    """The overrides that make a command of a document's small."""
    return [override for name, found in SMALL.items() if any(name in a for a in arguments) for override in found]


def make_place(document: Path, folder: Path) -> None:
    """Fills a folder with what a document's commands and Python name."""
    (folder / "scripts").symlink_to(ROOT / "scripts")
    for shown in DOCUMENTS[2:]:
        write_files(shown, folder)
    write_images(folder)
    write_texts(folder)
    write_tables(folder)
    (folder / "docs").symlink_to(ROOT / "docs")
    wanted = {word.removeprefix("init_from=") for words in commands(document) for word in words}
    for name in RUNS:
        if name in wanted or f'"{name}"' in python(document):
            make_run(folder, name)


def make_run(folder: Path, name: str) -> None:
    """Trains one of the runs."""
    if not (folder / "docs").exists():
        (folder / "docs").symlink_to(ROOT / "docs")
    trained = ["train", *RUNS[name], *smaller(RUNS[name]), "trainer.accelerator=cpu", f"hydra.run.dir={name}"]
    finish(fork(*trained, cwd=folder), folder)


def write_images(folder: Path) -> None:
    """MNIST's files, three classes of photographs and single images."""
    write_mnist(folder / "data", train=150)
    draw = random.Random(0)
    for name in ("boat", "car", "train"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(6):
            pixels = draw.randbytes(12 * 9 * 3)
            Image.frombytes("RGB", (12, 9), pixels).save(folder / "photos" / name / f"{number}.png")
    for name in ("seven.png", "nine.png", "three.jpg"):
        Image.frombytes("L", (28, 28), draw.randbytes(784)).save(folder / name)


def write_texts(folder: Path) -> None:
    """Running text, texts with labels, pairs and questions, vectors."""
    lines = [" ".join(document) for document in documents()]
    words = sorted({word for line in lines for word in line.split()})
    draw = random.Random(0)
    # Words enough for none to be frequent, some of them those of the built-in corpus.
    many = [*words, *(f"word{number}" for number in range(300))]
    reviews = ["label,text", *(f"{'np'[i % 2]}{'eo'[i % 2]}s,{' '.join(draw.choices(many, k=20))}" for i in range(800))]
    (folder / "imdb").mkdir()
    (folder / "imdb" / "train.csv").write_text("\n".join(reviews))
    (folder / "imdb" / "test.csv").write_text("\n".join(reviews[:101]))
    (folder / "reviews.csv").write_text("\n".join(reviews[:301]))
    (folder / "texts.txt").write_text("the king sat\na cat in the field\n")
    (folder / "reviews.csv.gz").write_bytes(gzip.compress("\n".join(reviews[:31]).encode()))
    for name in ("my_corpus.txt.gz", "imdb/corpus.txt.gz"):
        (folder / name).write_bytes(gzip.compress("\n".join(lines).encode()))
    (folder / "similarity").mkdir()
    (folder / "similarity" / "pairs.txt").write_text("king queen 8\nking kitten 1\nman woman 7\n")
    (folder / "questions-words.txt").write_text(": royal\nman king woman queen\nwoman queen man king\n")
    vectors = torch.randn(len(words), 100)
    write_word2vec(folder / "vectors.bin", words, vectors, binary=True)
    rows = [" ".join([word, *map(str, row)]) for word, row in zip(words, vectors.tolist(), strict=True)]
    (folder / "glove.txt.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
    np.save(folder / "other.npy", vectors.numpy())
    (folder / "words.csv").write_text("\n".join(f"{word},{word}" for word in words))
    (folder / "words.txt").write_text("\n".join(words))
    (folder / "kinds.csv").write_text("\n".join(["word,kind", *(f"{word},{len(word) % 2}" for word in words)]))


def write_tables(folder: Path) -> None:
    """Rows of numbers, of paths, and pairs."""
    (folder / "rows.csv").write_text("1.0,0.0\n0.0,2.0\n")
    (folder / "numbers.csv").write_text("\n".join(",".join(["0.5"] * 1024) for _ in range(3)))
    (folder / "list.csv").write_text("path\nphotos/boat/0.png\nphotos/car/1.png\n")
    (folder / "pairs.csv").write_text("user,item\nuser_001,comedy_03\nuser_002,drama_01\n")
    measures = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    bundle = load_iris()
    rows = [
        [*map(str, numbers), ("north", "south")[i % 2], str(bundle.target_names[bundle.target[i]])]
        for i, numbers in enumerate(bundle.data)
    ]
    rows[3][2] = ""
    for name, some in {"flowers": rows, "train": rows[::2], "test": rows[1::2]}.items():
        lines = [",".join(row) for row in [[*measures, "garden", "species"], *some]]
        (folder / f"{name}.csv").write_text("\n".join(lines))
    likes = [f"ann{i % 30},thing{(7 * i) % 40}" for i in range(400)]
    (folder / "likes.csv").write_text("\n".join(["user,item", *likes]))
    visits = {person: [(7 * person + 3 * n) % 50 for n in range(12)] for person in range(30)}
    for name, part in {"train": slice(0, 9), "test": slice(9, 12)}.items():
        lines = [" ".join(map(str, [person, *places[part]])) for person, places in visits.items()]
        (folder / f"{name}.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    films = [f"thing{i},Thing {i} ({1960 + i}),{('drama', 'comedy')[i % 2]}" for i in range(40)]
    (folder / "films.csv").write_text("\n".join(["item,title,genre", *films]))
