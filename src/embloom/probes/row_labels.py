"""What the vectors of a table say about what is known of its rows: a genre from the vector of a film."""

from __future__ import annotations

import torch

from embloom.assembly.parameters import integers, numbers
from embloom.encoders.base import Encoder
from embloom.probes.base import Frozen, Probe
from embloom.probes.knn import KNN
from embloom.probes.linear import Linear
from embloom.seeding import generator

LEAST = 20  # rows with a label


class RowLabels(Probe):
    """A linear classifier and the nearest neighbors, by cosine, on the rows of a table, for each of their attributes;
    fitted to some rows, scored on the others.

    Args:
        k: neighbors.
        held_out: part of the rows that is scored.
        split_seed: which ones.

    Raises:
        ValueError: an option is out of range.
    """

    of_tables = True

    def __init__(self, k: int = 5, held_out: float = 0.3, split_seed: int = 0) -> None:
        self.knn, self.linear = KNN(k, "cosine", "rows"), Linear(penalty=1e-3, layers="rows")
        numbers(above=0, below=1, held_out=held_out)
        integers(0, split_seed=split_seed)
        self.held_out, self.split_seed = held_out, split_seed

    def check(self, encoder: Encoder) -> None:
        """Any encoder with tables will do; others have nothing to measure."""

    def __call__(self, frozen: Frozen) -> dict[str, float]:
        """`linear_<label>`, `knn_<label>`, and `chance_<label>`, the share of the most frequent class."""
        found: dict[str, float] = {}
        for table, labels in frozen.row_classes.items():
            for label, known in labels.items():
                if table in frozen.tables and int((known.codes >= 0).sum()) >= LEAST:
                    found |= self.measured(frozen.tables[table], known.codes, len(known.names), label)
        return found

    def measured(self, rows: torch.Tensor, codes: torch.Tensor, classes: int, label: str) -> dict[str, float]:
        """The figures of one label: rows (N, D), classes (N,), -1 where none is known."""
        known = (codes >= 0).nonzero()[:, 0]
        known = known[torch.randperm(len(known), generator=generator(self.split_seed))]
        held = max(1, round(self.held_out * len(known)))
        score, fit = (
            {"rows": rows[part], label: codes[part].to(rows.device)} for part in known.split([held, len(known) - held])
        )
        frozen = Frozen(fit, score, {label: classes}, activations=["rows"])
        most = torch.bincount(fit[label], minlength=classes).argmax()
        chance = {f"chance_{label}": float((score[label] == most).double().mean())}
        figures = {**self.linear(frozen), **self.knn(frozen)}
        return {**{name.removesuffix("_rows"): value for name, value in figures.items()}, **chance}
