"""The multilayer perceptron: its layers, its names, its options."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from embloom.encoders.layers import ACTIVATIONS, parse_layers
from embloom.encoders.mlp import MLP

SIZES = {"image": 12, "features": 12, "label": 3}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [("12-3", [12, 3]), ("12-8-6-3", [12, 8, 6, 3]), ([12, 8, 3], [12, 8, 3]), ((12, 3), [12, 3])],
)
def test_layers_as_people_write_them(layers: Any, expected: list[int]) -> None:
    assert parse_layers(layers) == expected
    encoder = MLP(SIZES, layers)
    assert [(m.in_features, m.out_features) for m in encoder.linears if isinstance(m, nn.Linear)] == list(
        pairwise(expected)
    )
    names = [f"hidden_{i}" for i in range(len(expected) - 2)] + ["embedding"]
    outputs = encoder(torch.randn(5, 12))
    assert list(outputs) == list(encoder.sizes) == encoder.layers() == encoder.activations() == names
    assert [t.shape for t in outputs.values()] == [(5, width) for width in expected[1:]]


@pytest.mark.parametrize("layers", ["1024", "big", "12-", "12-0-3", "12--3", "", [12], 12, [12, -3], "12-3.5"])
def test_refuses_layers_that_are_none(layers: Any) -> None:
    with pytest.raises(ValueError, match=r"^layers=.*: write two or more sizes, e\.g\. encoder\.layers=1024-512-10"):
        MLP(SIZES, layers)


def test_refuses_layers_that_do_not_fit_the_data_and_says_which_do() -> None:
    with pytest.raises(
        ValueError, match=r"^layers=1024-8-3 begins with 1024, .* 12 features: use encoder\.layers=12-8-3, or auto"
    ):
        MLP(SIZES, "1024-8-3")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_is_a_stack_of_plain_layers(activation: str) -> None:
    encoder = MLP(SIZES, "12-8-6-3", activation=activation, norm="layer").eval()
    image = torch.randn(5, 12)
    functions = {
        "relu": torch.relu, "gelu": nn.functional.gelu, "silu": nn.functional.silu, "tanh": torch.tanh,
        "sigmoid": torch.sigmoid, "leaky_relu": nn.functional.leaky_relu, "identity": lambda x: x,
        "hardtanh": lambda x: x.clamp(-1, 1),
    }  # fmt: skip
    state, x = encoder.state_dict(), image
    for i, width in enumerate((8, 6)):
        x = x @ state[f"linears.{i}.weight"].T + state[f"linears.{i}.bias"]
        x = functions[activation](nn.functional.layer_norm(x, (width,)))
        torch.testing.assert_close(encoder(image)[f"hidden_{i}"], x)
    torch.testing.assert_close(
        encoder(image)["embedding"], x @ state["linears.2.weight"].T + state["linears.2.bias"]
    )  # no activation on the last


def test_outputs_are_fresh_and_the_input_is_left_alone() -> None:
    encoder = MLP(SIZES, "12-8-3", dropout=0.5, input_dropout=0.5).train()
    image = torch.randn(5, 12)
    before = image.clone()
    one, other = encoder(image), encoder(image)
    assert torch.equal(image, before)
    assert one["hidden_0"].data_ptr() != other["hidden_0"].data_ptr()


@pytest.mark.parametrize("option", ["dropout", "input_dropout"])
def test_dropout_works_in_training_only(option: str) -> None:
    options: dict[str, Any] = {option: 0.5}
    encoder = MLP(SIZES, "12-8-3", **options)
    image = torch.randn(64, 12)
    encoder.train()
    assert not torch.equal(encoder(image)["embedding"], encoder(image)["embedding"])
    encoder.eval()
    assert torch.equal(encoder(image)["embedding"], encoder(image)["embedding"])


def test_named_hidden_layers_are_before_their_dropout() -> None:
    encoder = MLP(SIZES, "12-64-3", dropout=0.9).train()
    image = torch.randn(5, 12)
    torch.testing.assert_close(encoder(image)["hidden_0"], torch.relu(encoder.linears[0](image)))


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_every_parameter_gets_a_gradient(norm: str) -> None:
    encoder = MLP(SIZES, "12-8-6-3", norm=norm, activation="tanh")
    encoder(torch.randn(16, 12))["embedding"].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in encoder.named_parameters() if "weight" in n)


def test_batch_norm_normalises_over_the_batch() -> None:
    encoder = MLP(SIZES, "12-8-3", norm="batch", activation="identity").train()
    hidden = encoder(3 + 5 * torch.randn(512, 12))["hidden_0"]
    torch.testing.assert_close(hidden.mean(0), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(hidden.std(0, unbiased=False), torch.ones(8), atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("option", "value"),
    [("activation", "rellu"), ("norm", "group"), ("dropout", 1.0), ("dropout", -0.1), ("input_dropout", 1.5)],
)
def test_refuses_options_it_does_not_know(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{option}="):
        MLP(SIZES, "12-3", **{option: value})
