"""Encoders that read words in context: against plain loops, alone as in a batch, and blind to what comes later."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from embloom.encoders.in_context import InContext, windows_of
from embloom.encoders.lstm import LSTM
from embloom.encoders.transformer import Block, Transformer, rotated, turns
from embloom.losses.masked_language_model import MaskedLanguageModel
from embloom.losses.next_token import NextToken

SIZES = {"token": 30, "length": 1}
LENGTH = torch.tensor([5, 0, 13, 1, 8])
KINDS: list[dict[str, Any]] = [
    {"positions": "rotary"}, {"positions": "learned"}, {"positions": "none"}, {"causal": True},
    {"causal": True, "positions": "learned"},
]  # fmt: skip


def made(**options: Any) -> Transformer:
    torch.manual_seed(0)
    encoder = Transformer(SIZES, **{"dim": 8, "layers": 2, "heads": 2, "window": 8, "dropout": 0.0, **options})
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return encoder.double().eval()


def encoders() -> list[InContext]:
    torch.manual_seed(0)
    return [*(made(**kind) for kind in KINDS), LSTM(SIZES, dim=8, layers=2, window=8).double().eval()]


def tokens() -> Tensor:
    return torch.randint(30, (int(LENGTH.sum()),), generator=torch.Generator().manual_seed(1))


def plain(encoder: Transformer, token: Tensor) -> list[Tensor]:
    """One window, position by position and head by head."""
    x = encoder.words.weight[token]
    if encoder.places is not None:
        x = x + encoder.places[: len(token)]
    found = [x]
    for block in encoder.blocks:
        assert isinstance(block, Block)
        query, key, value = block.qkv(block.first(x)).chunk(3, 1)
        width = x.shape[1] // block.heads
        seen = torch.zeros_like(x)
        for head in range(block.heads):
            part = slice(head * width, (head + 1) * width)
            for i in range(len(token)):
                scores = []
                for j in range(i + 1 if encoder.causal else len(token)):
                    q, k = query[i, part], key[j, part]
                    if encoder.turns:
                        q, k = turned(q, i), turned(k, j)
                    scores.append((q * k).sum() / math.sqrt(width))
                weights = torch.stack(scores).softmax(0)
                seen[i, part] = sum((w * value[j, part] for j, w in enumerate(weights)), torch.zeros(width))
        x = x + block.out(seen)
        x = x + block.down(F.gelu(block.up(block.second(x)), approximate="tanh"))
        found.append(x)
    return found


def turned(x: Tensor, place: int) -> Tensor:
    """Each pair of numbers as a complex one, turned by place x 10000^(-2 i / width)."""
    half = len(x) // 2
    pairs = torch.complex(x[:half], x[half:])
    angle = place * 10_000.0 ** (-torch.arange(half).double() / half)
    found = pairs * torch.polar(torch.ones_like(angle), angle)
    return torch.cat([found.real, found.imag])


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_transformer_is_a_plain_loop(options: dict[str, Any]) -> None:
    encoder, token = made(**options), tokens()
    outputs = encoder(token, LENGTH)
    for text, (part, length) in enumerate(zip(token.split(LENGTH.tolist()), LENGTH.tolist(), strict=True)):
        windows = [plain(encoder, window) for window in part.split(8)] if length else []
        for layer in range(3):
            rows = torch.cat([found[layer] for found in windows]) if windows else torch.zeros(1, 8)
            torch.testing.assert_close(outputs[f"hidden_{layer}"][text], rows.double().mean(0), atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(outputs["tokens"], encoder.norm(outputs["tokens_2"]))
    assert outputs.keys() == encoder.sizes.keys()
    assert all(outputs[name].shape[-1] == width for name, width in encoder.sizes.items())


@pytest.mark.parametrize("number", range(len(KINDS) + 1))
def test_a_text_alone_is_as_in_a_batch(number: int) -> None:
    encoder, token = encoders()[number], tokens()
    whole = encoder(token, LENGTH)
    for text, part in enumerate(token.split(LENGTH.tolist())):
        alone = encoder(part, torch.tensor([len(part)]))
        for name in encoder.activations():
            torch.testing.assert_close(alone[name][0], whole[name][text])
    assert not whole["embedding"][1].any()
    assert torch.equal(encoder(token[:0], torch.tensor([0]))["hidden_1"], torch.zeros(1, 8).double())


@pytest.mark.parametrize("number", range(len(KINDS) + 1))
def test_what_is_causal_does_not_see_what_comes_later(number: int) -> None:
    encoder, token = encoders()[number], tokens()[:8]
    other = torch.cat([token[:5], (token[5:] + 1) % 30])
    one, two = (encoder(some, torch.tensor([8]))["tokens"] for some in (token, other))
    assert torch.allclose(one[:5], two[:5], atol=1e-12) == encoder.causal
    assert not torch.allclose(one[5:], two[5:])
    assert ("causal_tokens" in encoder.sizes) == encoder.causal


def test_rotary_positions_are_relative() -> None:
    query, key = torch.randn(2, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    turn = turns(40, 6, torch.device("cpu")).double()
    at = torch.stack([rotated(query.expand(40, 6), turn), rotated(key.expand(40, 6), turn)])
    for distance in (0, 3, 11):
        products = (at[0, distance:] * at[1, : 40 - distance]).sum(1)
        torch.testing.assert_close(products, products[:1].expand_as(products), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(at.norm(dim=2), torch.stack([query, key]).norm(dim=1)[:, None].expand(2, 40))


def test_windows_hold_every_token_once() -> None:
    found = windows_of(LENGTH, 4, int(LENGTH.sum()))
    assert found.length.tolist() == [4, 1, 4, 4, 4, 1, 1, 4, 4]
    x = torch.randn(int(LENGTH.sum()), 3)
    torch.testing.assert_close(found.flat(found.grid(x)), x)
    real = found.real()
    assert real is not None
    assert not found.grid(x)[~real].any()
    assert windows_of(torch.tensor([4, 8]), 4, 12).place is None


def test_masked_language_model_is_a_plain_loop() -> None:
    draw = torch.Generator().manual_seed(0)
    loss = MaskedLanguageModel({"target": 7}).double()
    torch.nn.init.normal_(loss.bias, generator=draw)
    x, words = (torch.randn(n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (6, 7))
    masked, target = torch.tensor([4, 1, 2]), torch.tensor([0, 6, 6])
    by_hand = torch.zeros((), dtype=torch.float64)
    for place, word in zip(masked.tolist(), target.tolist(), strict=True):
        scores = torch.stack([(x[place] * words[v]).sum() + loss.bias[v] for v in range(7)])
        by_hand = by_hand - (scores[word] - scores.exp().sum().log()) / 3
    torch.testing.assert_close(loss(x, words, masked, target), by_hand)
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, masked, target), (x, words))
    assert loss(x, words, masked[:0], target[:0]).item() == 0


def test_next_token_is_a_plain_loop() -> None:
    draw = torch.Generator().manual_seed(0)
    loss = NextToken({"token": 7}).double()
    torch.nn.init.normal_(loss.bias, generator=draw)
    length, token = torch.tensor([3, 0, 1, 2]), torch.tensor([0, 1, 2, 3, 4, 5])
    x, words = (torch.randn(n, 3, generator=draw, dtype=torch.float64, requires_grad=True) for n in (6, 7))
    terms = []
    for before, after in ((0, 1), (1, 2), (4, 5)):
        terms.append(-F.log_softmax(x[before] @ words.T + loss.bias, 0)[token[after]])
    torch.testing.assert_close(loss(x, words, token, length), torch.stack(terms).mean())
    assert torch.autograd.gradcheck(lambda a, b: loss(a, b, token, length), (x, words))
    assert loss(x[:2], words, token[:2], torch.tensor([1, 1])).item() == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"heads": 3}, "heads=3: dim=8 must be a multiple"),
        ({"heads": 8}, "even, for rotary"),
        ({"positions": "absolute"}, "positions=absolute"),
        ({"window": 0}, "window=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
    ],
)
def test_mistakes(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        made(**options)
