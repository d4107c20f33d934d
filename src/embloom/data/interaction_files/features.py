"""Attributes of items or people as numbers that an encoder takes, and as classes that probes ask about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.artifact.readers.attributes import MISSING, AttributesReader
from embloom.artifact.readers.table import CATEGORICAL, NUMERIC
from embloom.data.base import RowClasses
from embloom.data.interaction_files.attributes import Attribute

MOST_CATEGORIES = 200  # of an attribute that an encoder takes: titles and the like say nothing about other rows
MOST_CLASSES = 50  # of an attribute that probes ask about


def features_of(attributes: Mapping[str, Attribute]) -> Tensor | None:
    """(N, F): numbers standardised, 0 where one is missing, and categories one column each; None where nothing is of
    use."""
    parts = []
    for attribute in attributes.values():
        if attribute.numbers is not None:
            known = np.isfinite(attribute.numbers)
            std = float(attribute.numbers[known].std()) if known.any() else 0.0
            if std > 0:
                mean = float(attribute.numbers[known].mean())
                parts.append(np.where(known, (attribute.numbers - mean) / std, 0)[:, None])
        elif 1 < len(attribute.names) <= MOST_CATEGORIES:
            parts.append(attribute.multi_hot())
    return torch.from_numpy(np.concatenate(parts, 1).astype(np.float32)) if parts else None


def reader_of(attributes: Mapping[str, Attribute], key: str) -> AttributesReader | None:
    """What makes the same features of other rows; None where there are none.

    Args:
        attributes: as `features_of` takes them.
        key: the column of ids.
    """
    columns: list[dict[str, Any]] = []
    for name, attribute in attributes.items():
        if attribute.numbers is not None:
            known = attribute.numbers[np.isfinite(attribute.numbers)]
            if len(known) and known.std() > 0:
                scale = {"mean": float(known.mean()), "std": float(known.std())}
                columns.append({"name": name, "kind": NUMERIC, **scale, "missing": False})
        elif 1 < len(attribute.names) <= MOST_CATEGORIES:
            several = attribute.offsets is not None
            names = list(attribute.names)
            columns.append({"name": name, "kind": CATEGORICAL, "categories": names, "several": several})
    return AttributesReader(columns, key) if columns else None


def classes_of(attributes: Mapping[str, Attribute]) -> dict[str, RowClasses]:
    """The attributes that are classes; of several categories of a row, the first."""
    found = {}
    for name, attribute in attributes.items():
        if attribute.codes is None:
            continue
        names = [each for each in attribute.names if each != MISSING]
        if 2 <= len(names) <= MOST_CLASSES:
            number = np.array([names.index(each) if each != MISSING else -1 for each in attribute.names], np.int64)
            found[name] = RowClasses(torch.from_numpy(number[attribute.codes]), names)
    return found


def renamed(names: list[str], titles: Attribute) -> list[str]:
    """Ids by their titles; where two share one, or have none, the id stands beside it or alone."""
    assert titles.codes is not None
    texts = [titles.names[code] for code in titles.codes.tolist()]
    twice = {text for text, count in zip(*np.unique(texts, return_counts=True), strict=True) if count > 1}
    return [
        name if text == MISSING else f"{text} [{name}]" if text in twice else text
        for name, text in zip(names, texts, strict=True)
    ]
