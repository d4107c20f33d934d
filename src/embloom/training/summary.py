"""The few lines at the start of a run: layers, parameters, and whether there is data enough for them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from torch import nn

from embloom.training.components import Components

RULE_OF_THUMB = 10
FAR_BELOW = 1.0


def print_summary(components: Components) -> None:
    """Prints the embedding layers, the parameters, and training examples per parameter."""
    console = Console(force_jupyter=False)
    encoder, loss = count(components.encoder), count(components.module.loss)
    examples = components.dataset.rows()["train"]
    layers = Table("embedding layer", "width", box=None, pad_edge=False)
    for name, width in components.encoder.sizes.items():
        layers.add_row(name, f"{width:,}")
    console.print(layers)
    heads = f" + {loss:,} in the losses" if loss else ""
    ratio = examples / max(1, encoder + loss)
    console.print(
        f"{encoder:,} parameters in the encoder{heads}; {examples:,} training examples, {ratio:.2g} a parameter",
        highlight=False,
    )
    # Of a table a sample moves a few rows only: the rule says nothing about it.
    if encoder + loss and ratio < FAR_BELOW and not components.encoder.tables():
        console.print(
            f"warning: the rule of thumb is {RULE_OF_THUMB} examples a parameter; with {ratio:.2g} the model can "
            "learn the examples by heart: watch val/loss, use dropout, fewer or smaller layers, or more data",
            highlight=False,
            soft_wrap=True,
        )


def count(module: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
