"""A transformer over the words or pieces of texts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import choices, positive_integers
from embloom.encoders.dropout import Dropout
from embloom.encoders.in_context import INITIAL_STD, InContext, Windows

POSITIONS = ("rotary", "learned", "none")
BASE = 10_000.0  # of the wavelengths of rotary positions


class Transformer(InContext):
    """Blocks of self-attention and a feed-forward layer (Vaswani et al. 2017), each normalized before it (Xiong et al.
    2020).

    Attention is torch's fused one. Everything else runs on the tokens alone: padding is computed in the attention only.

    Args:
        sizes: the dataset's; `sizes["token"]` is the size of the vocabulary.
        dim: width of all layers.
        layers: blocks.
        heads: of attention; `dim` is a multiple of them.
        feedforward: width within the feed-forward layers; null is four times `dim`.
        window: tokens that are read together; a longer text is read in windows.
        positions: `rotary`, queries and keys turn with their place (Su et al. 2021, equation 34); `learned`, a vector a
            place is added; `none`.
        dropout: probability of dropping a number of the looked-up vectors and of what attention and feed-forward add.
        causal: no position sees a later one, as the loss next_token needs it.

    Raises:
        ValueError: an option is unknown or out of range.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        dim: int = 128,
        layers: int = 4,
        heads: int = 4,
        feedforward: int | None = None,
        window: int = 128,
        positions: str = "rotary",
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        positive_integers(heads=heads, **({} if feedforward is None else {"feedforward": feedforward}))
        choices(POSITIONS, positions=positions)
        super().__init__(sizes, dim, layers, window, dropout, causal)
        if dim % heads or (positions == "rotary" and dim // heads % 2):
            even = " whose quotient is even, for rotary positions" if positions == "rotary" else ""
            raise ValueError(f"heads={heads}: dim={dim} must be a multiple of it{even}")
        self.blocks = nn.ModuleList(Block(dim, heads, feedforward or 4 * dim, dropout, causal) for _ in range(layers))
        for block in self.blocks:
            assert isinstance(block, Block)
            for linear in (block.out, block.down):  # what adds to the sum of 2 n layers (Radford et al. 2019)
                nn.init.normal_(linear.weight, std=INITIAL_STD / (2 * layers) ** 0.5)
        self.places = nn.Parameter(INITIAL_STD * torch.randn(window, dim)) if positions == "learned" else None
        self.turns = dim // heads if positions == "rotary" else 0

    def layers_of(self, x: Tensor, windows: Windows) -> list[Tensor]:
        """See `InContext`."""
        if self.places is not None:
            x = x + windows.flat(self.places[: windows.width].expand(*windows.shape, -1))
        x = self.dropout(x)
        found = [x]
        turn = turns(windows.width, self.turns, x.device) if self.turns else None
        real = windows.real()
        mask = None if real is None or self.causal else real[:, None, None, :]
        for block in self.blocks:
            x = block(x, windows, mask, turn)
            found.append(x)
        return found


class Block(nn.Module):
    """One block.

    Args:
        dim: width.
        heads: of attention.
        feedforward: width within the feed-forward layer.
        dropout: of what is added.
        causal: no position sees a later one.
    """

    def __init__(self, dim: int, heads: int, feedforward: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.first, self.second = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, feedforward), nn.Linear(feedforward, dim)
        self.dropout = Dropout(dropout)
        for linear in (self.qkv, self.out, self.up, self.down):
            nn.init.normal_(linear.weight, std=INITIAL_STD)
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor, windows: Windows, mask: Tensor | None, turn: Tensor | None) -> Tensor:
        """Tokens (T, D), their windows, where keys are real (W, 1, 1, L), and rotations (2, L, D / heads) -> (T, D)."""
        x = x + self.dropout(self.out(self.attention(self.qkv(self.first(x)), windows, mask, turn)))
        added: Tensor = self.down(F.gelu(self.up(self.second(x)), approximate="tanh"))
        return x + self.dropout(added)

    def attention(self, qkv: Tensor, windows: Windows, mask: Tensor | None, turn: Tensor | None) -> Tensor:
        """(T, 3 D) -> (T, D)."""
        parts = windows.grid(qkv).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        if turn is not None:
            query, key = rotated(query, turn), rotated(key, turn)
        # With padding at the end, no real position that looks back only ever sees any.
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=self.causal)
        return windows.flat(seen.transpose(1, 2).flatten(2))


def turns(count: int, width: int, device: torch.device) -> Tensor:
    """Cosines and sines of the angles by which places turn: (2, count, width)."""
    speed = BASE ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(count, device=device)[:, None] * speed
    return torch.stack([angle.cos(), angle.sin()]).repeat(1, 1, 2)


def rotated(x: Tensor, turn: Tensor) -> Tensor:
    """Turns the pairs (i, i + width / 2) of vectors (..., L, width) by the angles of their places."""
    cosine, sine = turn.to(x.dtype)
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat([-second, first], -1) * sine
