"""Batches of blocks of running text: subsampled, cut and shuffled chunk by chunk, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from embloom.data.alias_sampler import AliasSampler
from embloom.data.resumable import Resumable
from embloom.seeding import generator, mix
from embloom.threads import single

CHUNK = 1 << 20  # tokens that are subsampled and shuffled together
SLACK = 1.02  # room for chunks that keep more tokens than the average one
PASSAGE = 10_000  # longer documents are cut, so that a part can be held out


@dataclass(frozen=True)
class Passages:
    """Running text: a memory-mapped token array, cut into passages that belong to a split each.

    Attributes:
        tokens: (T,) token ids.
        offsets: (P + 1,) where each passage begins, and the end.
        used: (P,) whether a passage belongs to the split that is read.
    """

    tokens: NDArray[np.int32]
    offsets: NDArray[np.int64]
    used: NDArray[np.bool_]


def cut_long(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Cut documents into passages of at most `PASSAGE` tokens, shorter where the text is."""
    total = int(offsets[-1])
    length = max(1, min(PASSAGE, -(-total // 20)))
    if int(np.diff(offsets).max(initial=0)) <= length:
        return offsets
    cuts = [np.arange(a, b, length) for a, b in pairwise(offsets.tolist())]
    return np.concatenate([*cuts, [total]]).astype(np.int64)


class Blocks(Resumable):
    """Iterates over batches of blocks of `block` neighboring tokens, and can be resumed inside an epoch.

    A batch has `token` (B,) and `position` (B,), B a multiple of `block`, and `noise` (B / block * negatives,), noise
    words for each block. Positions count the tokens that survived subsampling; tokens of different passages are more
    than `gap` apart, and so is padding. While one chunk is trained on, a thread makes the next.

    Args:
        passages: the text.
        keep: (V,) the probability that an occurrence survives subsampling.
        share: the part of all tokens that does survive, on average.
        noise: draws noise words.
        negatives: noise words of a block.
        block: tokens in a block.
        batch_size: tokens in a batch, all processes together.
        gap: more than the widest window.
        seed: with the epoch, decides subsampling and order. None: the order of the text, same tokens each time.
        device: where the batches are made.
        resident: keep all tokens there.
    """

    def __init__(
        self,
        passages: Passages,
        keep: Tensor,
        share: float,
        noise: AliasSampler,
        *,
        negatives: int,
        block: int,
        batch_size: int,
        gap: int,
        seed: int | None,
        device: torch.device,
        resident: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__()
        self.passages, self.block, self.gap, self.seed, self.device = passages, block, gap, seed, device
        self.keep, self.noise, self.negatives = keep.to(device), noise.to(device), negatives
        self.rank, self.world_size = rank, world_size
        self.blocks = batch_size // block
        self.resident = torch.from_numpy(np.array(passages.tokens)).to(device) if resident else None
        total = len(passages.tokens)
        chunks = max(1, round(total / CHUNK))
        self.bounds = [total * number // chunks for number in range(chunks + 1)]
        self.steps = [max(1, -(-int((b - a) * share * SLACK) // batch_size)) for a, b in pairwise(self.bounds)]

    def __len__(self) -> int:
        """Batches in an epoch, always the same."""
        return sum(self.steps)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        start = self.begin()
        order = list(range(len(self.steps)))
        if self.seed is not None:
            order = torch.randperm(len(order), generator=generator(self.seed, self.epoch)).tolist()
        left = []
        for chunk in order:
            steps = self.steps[chunk]
            if start < steps:
                left.append((chunk, start))
            start = max(0, start - steps)
        for (chunk, skip), columns in zip(left, self._ahead([chunk for chunk, _ in left]), strict=True):
            for step in range(skip, self.steps[chunk]):
                rows = slice(step * self.blocks + self.rank, (step + 1) * self.blocks, self.world_size)
                yield {name: column[rows].reshape(-1) for name, column in columns.items()}

    def _ahead(self, chunks: list[int]) -> Iterator[dict[str, Tensor]]:
        """The columns of each chunk, made one ahead in a thread; on a GPU in turn."""
        if self.device.type != "cpu":
            yield from map(self._chunk, chunks)
            return
        with single() as maker:
            following = [maker.submit(self._chunk, chunk) for chunk in chunks[:1]]
            for number in range(len(chunks)):
                columns = following.pop().result()
                following += [maker.submit(self._chunk, chunk) for chunk in chunks[number + 1 : number + 2]]
                yield columns

    def _chunk(self, chunk: int) -> dict[str, Tensor]:
        """Subsample one chunk and cut it into (blocks, block) tokens and positions, in random order."""
        first, last = self.bounds[chunk], self.bounds[chunk + 1]
        epoch, blocks = self.epoch if self.seed is not None else 0, self.steps[chunk] * self.blocks
        draws = torch.Generator(self.device).manual_seed(mix(self.seed or 0, epoch, chunk))
        if self.resident is not None:
            text = self.resident[first:last].long()
        else:
            text = torch.from_numpy(self.passages.tokens[first:last].astype(np.int64)).to(self.device)
        chance = self.keep.index_select(0, text)
        passage, used = self._passages(first, last)
        kept = (torch.rand(len(text), generator=draws, device=self.device) < chance) & used
        text, position = text[kept], passage[kept] * self.gap
        position += torch.arange(len(text), device=self.device, dtype=torch.int32)
        order = torch.randperm(blocks, generator=draws, device=self.device) if self.seed is not None else None
        token, position = self._cut(text, position, blocks, order)
        return {"token": token, "position": position, "noise": self.noise.draw(blocks, self.negatives, draws)}

    def _passages(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        """For each token of [first, last): the number of its passage, from 0 up, and whether it is used."""
        offsets = self.passages.offsets
        low = int(np.searchsorted(offsets, first, "right")) - 1
        high = int(np.searchsorted(offsets, last, "left"))
        lengths = np.diff(np.clip(offsets[low : high + 1], first, last)).astype(np.int64)
        passage = np.repeat(np.arange(high - low, dtype=np.int32), lengths)
        used = np.repeat(self.passages.used[low:high], lengths)
        return torch.from_numpy(passage).to(self.device), torch.from_numpy(used).to(self.device)

    def _cut(self, text: Tensor, position: Tensor, blocks: int, order: Tensor | None) -> tuple[Tensor, Tensor]:
        begins = torch.arange(blocks + 1, device=self.device) * len(text) // blocks
        lengths = begins.diff().clamp_(max=self.block)[:, None]
        place = torch.arange(self.block, device=self.device)
        rows = begins[:-1, None] + place
        if order is not None:
            rows, lengths = rows[order], lengths[order]
        # Something to point at for padding, even in a chunk of which nothing was kept.
        text = torch.cat([text, text.new_zeros(1)])
        position = torch.cat([position, position.new_zeros(1)])
        rows.clamp_(max=len(text) - 1)
        padding = (-self.gap * (place + 1)).int()
        return text[rows], torch.where(place < lengths, position[rows], padding)
