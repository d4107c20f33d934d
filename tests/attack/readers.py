"""How commands read each kind of file, and what a file without a check of its own must still be."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import embloom
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.vector_files import read_vector_file
from embloom.artifact.vectors import Vectors
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
from embloom.files.checkpoint import newest_good, read_checkpoint
from embloom.files.run_folder import row_of
from embloom.files.run_state import FITS, is_text, read_state
from embloom.files.word2vec import read_vectors
from embloom.training.components import build_components
from embloom.training.loggers.tensorboard import rewind


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
