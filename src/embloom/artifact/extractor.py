"""Vectors of raw inputs from any layers of a trained encoder; needs neither Lightning nor the dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from embloom.assembly.build import did_you_mean
from embloom.assembly.wiring import Wire

COMBINE = ("concat", "average")


class Extractor:
    """Runs an encoder and takes what some of its layers say.

    Layers are the encoder's named outputs, or any of its submodules by their names (`linears.0`), whose output is
    then caught. What has a vector for each position (words of a text, places of a picture) is averaged over them.

    Args:
        encoder: in evaluation mode.
        card: its artifact's card.
        layers: one name or several.
        combine: several layers side by side, `concat`, or their mean, `average`.

    Raises:
        ValueError: there is no such layer, or layers of different widths are to be averaged.
    """

    def __init__(
        self, encoder: nn.Module, card: Mapping[str, Any], layers: str | Sequence[str], combine: str = "concat"
    ) -> None:
        self.encoder, self.card, self.combine = encoder, card, combine
        self.names = [layers] if isinstance(layers, str) else list(layers)
        self.wire = Wire(encoder.forward, card.get("of"), "encoder")
        if combine not in COMBINE:
            raise ValueError(f"combine={combine}: it must be one of {', '.join(COMBINE)}")
        self.modules = dict(encoder.named_modules())
        known = [*card["layers"], *(name for name in self.modules if name)]
        for name in self.names:
            if name not in known:
                there = ", ".join(card["layers"])
                raise ValueError(f"there is no layer '{name}'; there is: {there}. {did_you_mean(name, known)}")
        widths = {card["layers"][name] for name in self.names if name in card["layers"]}
        if combine == "average" and len(widths) > 1:
            raise ValueError(
                f"layers of {' and '.join(map(str, sorted(widths)))} numbers cannot be averaged: concatenate"
            )
        self._reader: Callable[[Any], dict[str, Tensor]] | None = None

    @torch.no_grad()
    def __call__(self, inputs: Any) -> Tensor:
        """A batch of raw inputs, or a mapping of named tensors -> (N, width), float32 on the CPU."""
        columns = (
            {k: torch.as_tensor(v) for k, v in inputs.items()} if isinstance(inputs, Mapping) else self.read(inputs)
        )
        lengths = columns.get("length")
        flat = lengths is not None and "length" not in self.wire.source
        if flat:
            columns = {**columns, "token": columns["token"][None]}
        outputs = self.outputs(columns)
        vectors = [pooled(outputs[name], lengths if flat else None).float().cpu() for name in self.names]
        if self.combine == "concat":
            return torch.cat(vectors, 1)
        if len({part.shape for part in vectors}) > 1:
            raise ValueError("layers of different widths cannot be averaged: concatenate")
        return torch.stack(vectors).mean(0)

    def outputs(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each layer says of a batch."""
        caught: dict[str, Tensor] = {}
        inner = [name for name in self.names if name not in self.card["layers"]]
        hooks = [self.modules[name].register_forward_hook(catcher(caught, name)) for name in inner]
        try:
            outputs = {**self.wire(columns), **caught}
        finally:
            for hook in hooks:
                hook.remove()
        for name in self.names:
            if name not in outputs:
                raise ValueError(f"layer '{name}' does nothing when new inputs are encoded")
        return outputs

    def read(self, inputs: Any) -> dict[str, Tensor]:
        """Raw pictures or texts -> named tensors, as the card describes them.

        Raises:
            ValueError: the card describes neither.
        """
        if self._reader is None:
            self._reader = self.reader()
        return self._reader(inputs)

    def reader(self) -> Callable[[Any], dict[str, Tensor]]:
        """What turns this encoder's raw inputs into tensors."""
        described, source = self.card["inputs"], self.wire.source
        if "image" in described:
            from embloom.artifact.readers.image import Pixels

            pixels = Pixels(**described["image"])
            return lambda inputs: {source.get("image", "image"): pixels.of_any(inputs)}
        if "text" in described:
            from embloom.artifact.readers.text import Words

            words = Words.described(described["text"], self.vocabulary())
            renamed = {name: source.get(name, name) for name in ("token", "length")}
            return lambda inputs: {renamed[name]: column for name, column in words(inputs).items()}
        raise ValueError(f"give the inputs by name, a mapping of: {', '.join(source.values())}")

    def vocabulary(self) -> list[str]:
        """The words that tokens number."""
        tables: Mapping[str, str] = getattr(self.encoder, "rows", {})
        keys: Mapping[str, list[str]] = self.card["keys"]
        return next((keys[table] for table, column in tables.items() if column == "token" and table in keys), [])


def pooled(output: Tensor, lengths: Tensor | None) -> Tensor:
    """The mean over positions: (B, D) as it is, (B, L, D) over L, (B, C, H, W) over places; (1, T, D) of texts that
    lie in a row over each one's words, 0 where it has none."""
    if lengths is not None:
        text = torch.repeat_interleave(lengths, output_size=output.shape[1])
        total = output.new_zeros(len(lengths), output.shape[-1]).index_add_(0, text, output[0])
        return total / lengths.clamp_min(1)[:, None]
    if output.ndim == 3:
        return output.mean(1)
    return output.flatten(2).mean(2) if output.ndim > 3 else output


def catcher(caught: dict[str, Tensor], name: str) -> Callable[[nn.Module, Any, Any], None]:
    """A hook that keeps a module's output, the first one where it is a tuple."""

    def hook(module: nn.Module, inputs: Any, output: Any) -> None:
        caught[name] = output[0] if isinstance(output, tuple) else output

    return hook


def chunks(inputs: Any, size: int) -> Any:
    """Raw inputs in parts of `size`: slices of lists, arrays and tensors, and of each column of a mapping."""
    if isinstance(inputs, Mapping):
        columns = {name: torch.as_tensor(value) for name, value in inputs.items()}
        if "length" in columns:  # words in a row: they cannot be sliced by texts
            yield columns
            return
        count = len(next(iter(columns.values())))
        for i in range(0, count, size):
            yield {name: column[i : i + size] for name, column in columns.items()}
        return
    if isinstance(inputs, str) or not hasattr(inputs, "__len__"):
        yield [inputs]
        return
    for i in range(0, len(inputs), size):
        yield inputs[i : i + size]
