"""Layer sizes as people write them, and what may stand between layers; no encoder itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU, "hardtanh": nn.Hardtanh, "identity": nn.Identity,
}  # fmt: skip
NORMS: dict[str, type[nn.Module]] = {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
AUTO = "auto"
HIDDEN = 512
MOST = 1000


def parse_layers(layers: str | int | Sequence[int | str], key: str = "layers", least: int = 2) -> list[int | None]:
    """Layer sizes as people write them, `1024-512-10`, `auto-512-auto` or a list; None where one is `auto`. `auto`
    alone is `auto-512-auto`.

    Raises:
        ValueError: fewer than `least` sizes, or one that is no positive integer.
    """
    parts: Sequence[object] = (
        layers if isinstance(layers, Sequence) and not isinstance(layers, str) else str(layers).split("-")
    )
    if list(parts) == [AUTO]:
        parts = (AUTO, HIDDEN, AUTO)
    try:
        sizes = [None if str(part) == AUTO else int(str(part)) for part in parts]
    except ValueError:
        sizes = []
    if len(sizes) > MOST:
        raise ValueError(f"{key} has {len(sizes):,} sizes: it takes at most {MOST:,}")
    if len(sizes) < least or min(size if size is not None else 1 for size in sizes) < 1 or None in sizes[1:-1]:
        raise ValueError(
            f"{key}={layers}: write two or more sizes, e.g. encoder.{key}=1024-512-10; the first and last may be auto"
        )
    return sizes


def widths_of(
    layers: str | int | Sequence[int | str],
    features: int | None = None,
    labels: Mapping[str, int] | None = None,
    key: str = "layers",
    least: int = 2,
) -> list[int]:
    """Layer sizes with `auto` filled in: the first is the number of input features, the last that of classes.

    Args:
        layers: see `parse_layers`.
        features: numbers in an input row; None where the first size is free.
        labels: label -> number of classes, of the dataset.
        key: what the option is called.
        least: how many sizes there must be; one is a table with no layer above it.

    Raises:
        ValueError: a size is none, the first is not `features`, or the dataset has no label or several.
    """
    sizes = parse_layers(layers, key, least)
    if sizes[0] is None:
        sizes[0] = features
    if sizes[-1] is None:
        sizes[-1] = only_label(layers, labels or {}, key)
    if sizes[0] is None:
        raise ValueError(f"{key}={layers}: the first size is free here: write a number instead of auto")
    widths = [size for size in sizes if size is not None]
    if features is not None and widths[0] != features:
        fitting = "-".join(map(str, [features, *widths[1:]]))
        raise ValueError(
            f"{key}={'-'.join(map(str, widths))} begins with {widths[0]}, but the dataset has "
            f"{features} features: use encoder.{key}={fitting}, or auto for the first"
        )
    return widths


def only_label(layers: object, labels: Mapping[str, int], key: str) -> int:
    """The number of classes of the only label.

    Raises:
        ValueError: there is none, or there are several.
    """
    if len(labels) == 1:
        return next(iter(labels.values()))
    there = ", ".join(f"{name} {count}" for name, count in labels.items())
    why = f"the dataset has several labels ({there})" if labels else "the dataset has no label"
    raise ValueError(f"{key}={layers}: {why}: write the last size as a number instead of auto")
