"""Axes that a person chooses: `king - man` against `old - young`, for words, for items and for classes of samples."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
import torch.nn.functional as F
from torch import Tensor

SPELLINGS = 200_000


@dataclass(frozen=True)
class Formula:
    """Names that count for a direction, and those that count against it.

    Attributes:
        text: as it was typed.
        plus: at least one name.
        minus: names, or none.
    """

    text: str
    plus: tuple[str, ...]
    minus: tuple[str, ...]


def formula(text: str) -> Formula:
    """`king - man` -> what counts for it and what against it; signs stand between spaces, so names may hold some.

    Raises:
        ValueError: it is no formula.
    """
    names: list[list[str]] = [[]]
    signs = ["+"]
    for token in text.split():
        if token in ("+", "-"):
            names.append([])
            signs.append(token)
        else:
            names[-1].append(token)
    if text.split()[:1] in (["+"], ["-"]) or not all(names):
        raise ValueError(f"--axes '{text}': write names with + or - between them, spaces around: 'king - man'")
    parts = [(sign, " ".join(name)) for sign, name in zip(signs, names, strict=True)]
    plus, minus = (tuple(name for sign, name in parts if sign == wanted) for wanted in ("+", "-"))
    return Formula(text, plus, minus)


def along(rows: Tensor, asked: Formula, names: Mapping[str, int], table: Tensor, cosine: bool) -> Tensor:
    """Where rows stand along a formula's direction.

    Args:
        rows: (N, D).
        asked: the formula.
        names: name -> its row in `table`.
        table: (M, D), the vectors of what a formula may name.
        cosine: by angle: vectors and rows have length 1 then, and the result is a cosine.

    Returns:
        (N,): the cosine, or the length of the projection of a row less the mean row.

    Raises:
        ValueError: a name is unknown, or the formula's vectors cancel.
    """
    direction = torch.zeros(rows.shape[1])
    for chosen, sign in ((asked.plus, 1.0), (asked.minus, -1.0)):
        for name in chosen:
            row = names.get(name, names.get(name.lower()))
            if row is None:
                raise ValueError(f"--axes '{asked.text}': there is no '{name}'; {hint(name, names)}")
            vector = table[row].float()
            direction += sign * (F.normalize(vector, dim=0) if cosine else vector)
    if float(direction.norm()) < 1e-9:
        raise ValueError(f"--axes '{asked.text}': what counts for it and against it is the same")
    direction = F.normalize(direction, dim=0)
    rows = F.normalize(rows.float(), dim=1) if cosine else rows.float() - rows.float().mean(0)
    return rows @ direction


def hint(name: str, names: Mapping[str, int]) -> str:
    """Names that are spelled alike, else what there is."""
    near = difflib.get_close_matches(name.lower(), islice(names, SPELLINGS), n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    some = ", ".join(islice(names, 12))
    return f"available: {some}{', ...' if len(names) > 12 else ''}" if names else "there are no names"


def class_means(rows: Tensor, labels: Iterable[tuple[Sequence[str], Tensor]]) -> tuple[dict[str, int], Tensor]:
    """The means of classes, for formulas that name classes.

    Args:
        rows: (N, D).
        labels: for each its classes' names and the class of each row (N,).

    Returns:
        class name -> its row in (M, D); of labels with a class of the same name the first counts.
    """
    found: dict[str, Tensor] = {}
    for classes, values in labels:
        for number, name in enumerate(classes):
            members = rows[values == number]
            if len(members) and name not in found:
                found[name] = members.float().mean(0)
    table = torch.stack(list(found.values())) if found else rows[:0]
    return {name: row for row, name in enumerate(found)}, table
