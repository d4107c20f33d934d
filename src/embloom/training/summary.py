"""The few lines at the start of a run: layers, parameters."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.table import Table
from torch import nn

from embloom.training.components import Components

PART = "\x1e"  # ASCII's record separator


def print_summary(components: Components, said: set[str]) -> None:
    """Prints the embedding layers, the parameters, and training examples per parameter.

    Args:
        components: of the run.
        said: what other runs of a sweep have printed here, which is not repeated; gets what this one prints.
    """
    console = Console(force_jupyter=False)
    with console.capture() as capture:
        summarize(components, console)
    for part in capture.get().split(PART):
        if part not in said:
            said.add(part)
            sys.stdout.write(part)


def summarize(components: Components, console: Console) -> None:
    """Prints its parts, a `PART` between them."""
    encoder, loss = count(components.encoder), count(components.module.loss)
    examples = components.dataset.rows()["train"]
    layers = Table("embedding layer", "width", box=None, pad_edge=False)
    for name, width in components.encoder.sizes.items():
        layers.add_row(name, f"{width:,}")
    console.print(layers)
    console.out(PART, end="")
    heads = f" + {loss:,} in the losses" if loss else ""
    ratio = f", {examples / (encoder + loss):.2g} a parameter" if encoder + loss else ""
    console.print(
        f"{encoder:,} parameters in the encoder{heads}; {examples:,} training examples{ratio}",
        highlight=False,
    )


def count(module: nn.Module) -> int:
    """Trainable parameters."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
