"""A fixed sample of a split, for probes that run while a model trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from embloom.assembly.wiring import Wire
from embloom.data.base import Batch, Dataset, Split, samples_in, to_device
from embloom.encoders.base import Encoder
from embloom.probes.base import EncodedSplit, Frozen, freeze


class Rows:
    """The raw rows of the first shuffled batches of a split: always the same, read once, when they are first asked for.

    Args:
        dataset: set up.
        split: which one.
        count: at most so many.
    """

    def __init__(self, dataset: Dataset, split: Split, count: int) -> None:
        self.dataset, self.split, self.count = dataset, split, count
        self.found: list[Batch] = []

    def __iter__(self) -> Iterator[Batch]:
        left = min(self.count, self.dataset.rows()[self.split]) if not self.found else 0
        if left:
            for batch in self.dataset.loader(self.split, shuffle=True, every_rank=True):
                size = samples_in(self.dataset, batch)
                batch = self.dataset.choose(batch, torch.arange(left)) if size > left else dict(batch)
                self.found.append(batch)
                left -= min(size, left)
                if not left:
                    break
        return iter(self.found)


class SampledSplit(EncodedSplit):
    """See `EncodedSplit`: of a sample only."""

    def __init__(self, rows: Rows, whole: EncodedSplit) -> None:
        super().__init__(whole.dataset, whole.split, whole.encode, whole.names, whole.device)
        self.rows = rows

    @torch.no_grad()
    def compute(self, names: list[str]) -> dict[str, Tensor]:
        """The columns and layers of the sample."""
        parts: dict[str, list[Tensor]] = {name: [] for name in names}
        for batch in self.rows:
            columns = self.dataset.seen(to_device(batch, self.device), "embed")
            tensors: Mapping[str, Tensor] = {**columns, **self.encode(columns)}
            for name, part in parts.items():
                part.append(tensors[name].float() if tensors[name].is_floating_point() else tensors[name])
        return {name: torch.cat(part) for name, part in parts.items()}


def freeze_sample(
    encode: Wire, encoder: Encoder, dataset: Dataset, device: torch.device, fit: Rows, score: Rows
) -> Frozen:
    """What probes see of a sample of the training split and of the split that is scored."""
    frozen = freeze(encode, encoder, dataset, device=device, score=score.split)
    assert isinstance(frozen.fit, EncodedSplit)
    assert isinstance(frozen.score, EncodedSplit)
    return replace(frozen, fit=SampledSplit(fit, frozen.fit), score=SampledSplit(score, frozen.score))
