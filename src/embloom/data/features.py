"""`dataset.features`: the vectors of frozen embeddings as columns of any dataset that fits into memory.

They are of the clean samples, computed once for all splits, and kept in the cache under the embedding's content hash,
the layer and what identifies the data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.lineage import Parent
from embloom.artifact.readers.base import Reader
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.readers.table import TableReader
from embloom.artifact.readers.upstream import FEATURES, Upstream, UpstreamReader, combined, opened, side_by_side
from embloom.data.added import RAW, Added
from embloom.data.base import SPLITS, Batch, Dataset
from embloom.data.batches import as_tensor
from embloom.data.cache import cached, default_cache

FORMAT = 1
KEYS = ("path", "layer", "column")
SHAPE = "write dataset.features=[RUN], or 'dataset.features=[{path: RUN, layer: hidden_0, column: mine}]'"


class Features(Added):
    """Embeddings that a dataset is built on.

    Args:
        upstream: in the order of their columns.
        cache: folder of what was encoded; None is the user's.
    """

    def __init__(self, upstream: Sequence[Upstream], cache: Path | None = None) -> None:
        self.upstream, self.cache = list(upstream), cache or default_cache()
        self.sizes = combined({one.column: one.width for one in self.upstream})

    def check(self, dataset: Dataset) -> None:
        """Raises:
        ValueError: an embedding does not take what the dataset has.
        """
        for one in self.upstream:
            missing = [name for name in one.needed if name not in dataset.sizes and name != "length"]
            mine, theirs = dataset.reader, one.embedding.reader
            if missing:
                raise ValueError(
                    f"dataset.features: {one.path} takes '{missing[0]}', and the dataset has "
                    f"{', '.join(sorted(dataset.sizes))}"
                )
            if isinstance(mine, (ImageReader, TableReader)) and told(mine) != told(theirs):
                raise ValueError(
                    f"dataset.features: {one.path} reads its inputs otherwise ({differing(mine, theirs)}): train both "
                    "on the same columns, or with the same dataset.side and dataset.channels"
                )
            if "token" in one.needed and not getattr(theirs, "known", None):
                raise ValueError(f"dataset.features: {one.path} does not say which words it knows")

    def attach(self, dataset: Dataset) -> None:
        """Gives a dataset that has read its data the vectors of every split."""
        splits = dataset.rows()
        about = [type(dataset).__name__, splits, dataset.digest(), keys_of(dataset)]
        for number, one in enumerate(self.upstream):
            own = [FORMAT, one.embedding.content_hash, one.layer, about]
            key = "features-" + hashlib.blake2b(json.dumps(own, sort_keys=True).encode(), digest_size=16).hexdigest()
            files = [f"{split}.npy" for split in splits]
            entry = cached(self.cache, key, files, partial(encode_all, dataset, one))
            for split in SPLITS:
                if split not in splits:
                    continue
                vectors = as_tensor(np.load(entry / f"{split}.npy", mmap_mode="r", allow_pickle=False))
                dataset.attach(split, f"{RAW}{number}", vectors)

    def placed(self, columns: Batch) -> Batch:
        """A transformed batch with the vectors under their names."""
        found = {name: column for name, column in columns.items() if not name.startswith(RAW)}
        vectors = {one.column: columns[f"{RAW}{number}"].float() for number, one in enumerate(self.upstream)}
        return {**found, **side_by_side(vectors)}

    def reader(self, inner: Reader | None, needed: Sequence[str], keys: Mapping[str, Sequence[str]]) -> UpstreamReader:
        """What reads raw inputs for an encoder that needs some columns."""
        inner = inner or self.upstream[0].embedding.reader
        keep = [name for name in needed if name not in self.sizes]
        described = [one.described() for one in self.upstream]
        return UpstreamReader(inner.described(), described, keep, keys, opened=self.upstream)

    def identity(self) -> list[dict[str, str]]:
        """What decides the vectors of a sample."""
        return [one.described() for one in self.upstream]

    def parents(self) -> list[Parent]:
        """What is built on."""
        return [one.parent() for one in self.upstream]

    @property
    def taken(self) -> set[str]:
        """The columns that the embeddings take."""
        return {name for one in self.upstream for name in one.needed}


def features_of(node: Any, cache: Any = None) -> Features | None:
    """What `dataset.features` says; None where it says nothing.

    Raises:
        ValueError: it is malformed, or there is no such embedding.
    """
    if node is None or node == []:
        return None
    items = node if isinstance(node, (list, tuple)) else [node]
    found: list[Upstream] = []
    for number, item in enumerate(items):
        about = {"path": item} if isinstance(item, str) else item
        if not isinstance(about, Mapping) or not about.get("path") or set(about) - set(KEYS):
            raise ValueError(f"dataset.features={node}: {SHAPE}")
        column = str(about.get("column") or (FEATURES if len(items) == 1 else f"{FEATURES}_{number}"))
        if column in [one.column for one in found]:
            raise ValueError(f"dataset.features: the column '{column}' is there twice: name another")
        try:
            found.append(opened(str(about["path"]), str(about.get("layer") or "embedding"), column))
        except ValueError as error:
            raise ValueError(f"dataset.features={about['path']}: {error}") from error
    return Features(found, Path(cache).expanduser() if cache else None)


@torch.no_grad()
def encode_all(dataset: Dataset, one: Upstream, folder: Path) -> None:
    """Writes the vectors of each split, in its order."""
    words = dataset.keys().get("token")
    there = dataset.rows()
    for split in (split for split in SPLITS if split in there):
        batches = dataset.loader(split, every_rank=True)
        parts = [one(cpu(dataset.transform(cpu(batch), "embed")), words).numpy() for batch in batches]
        np.save(folder / f"{split}.npy", np.concatenate(parts).astype(np.float32, copy=False))


def cpu(batch: Mapping[str, Tensor]) -> Batch:
    """A batch where embeddings encode."""
    return {name: column.cpu() for name, column in batch.items()}


def told(reader: Reader) -> dict[str, Any]:
    """What of a reader decides the numbers that it makes of data in memory."""
    return {key: value for key, value in reader.described().items() if key != "fit"}


def differing(mine: Reader, theirs: Reader) -> str:
    """Where two readers differ, in short."""
    one, other = told(mine), told(theirs)
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    return ", ".join(f"{key} {str(one.get(key))[:40]} here, {str(other.get(key))[:40]} there" for key in keys[:2])


def keys_of(dataset: Dataset) -> str:
    """What identifies the names of a dataset's rows."""
    return hashlib.blake2b(repr(sorted(dataset.keys().items())).encode(), digest_size=16).hexdigest()
