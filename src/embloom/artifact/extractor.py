"""Vectors of raw inputs from any layers of a trained encoder; needs neither Lightning nor the dataset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from embloom.artifact.readers.base import Reader
from embloom.artifact.readers.text import TextReader
from embloom.artifact.staged import Staged
from embloom.assembly.build import did_you_mean
from embloom.assembly.parameters import choices
from embloom.assembly.wiring import Wire
from embloom.encoders.base import Encoder
from embloom.startup import option

SPELLED = "embedding"  # the layer whose rows can be spelled out
COMBINE = ("concat", "average")


class Extractor:
    """Runs an encoder and takes what some of its layers say.

    Layers are the encoder's named outputs, or any of its submodules by their names (`linears.0`), whose output is
    then caught. What has a vector for each position (words of a text, places of an image) is averaged over them.

    Args:
        wire: the encoder, wired to the columns.
        encoder: the same, in evaluation mode.
        widths: named output -> width.
        reader: turns raw inputs into columns.
        layers: one name or several.
        combine: several layers side by side, `concat`, or their mean, `average`.
        dims: of an embedding with nested widths, only so many numbers; None is all.

    Raises:
        ValueError: there is no such layer, layers of different widths are to be averaged, or one has no such width.
    """

    def __init__(
        self,
        wire: Wire,
        encoder: Encoder,
        widths: Mapping[str, int],
        reader: Reader,
        layers: str | Sequence[str],
        combine: str = "concat",
        dims: int | None = None,
    ) -> None:
        self.encoder, self.dims = encoder, dims
        self.wire, self.widths, self.reader, self.combine = wire, widths, reader, combine
        self.names = [layers] if isinstance(layers, str) else list(layers)
        whole = [name for name in self.names if name not in encoder.nested]
        if whole and dims is not None:
            raise ValueError(f"layer {whole[0]} has no nested widths: {', '.join(encoder.nested)} may be shortened")
        choices(COMBINE, combine=combine)
        self.modules = dict(encoder.plain.named_modules())
        self.rounded = encoder.rounded if isinstance(encoder, Staged) else lambda name, vectors: vectors
        known = [*widths, *(name for name in self.modules if name)]
        for name in self.names:
            if name not in known:
                raise ValueError(f"there is no layer '{name}'; available: {', '.join(widths)}. {hint(name, known)}")
        sizes = {widths[name] for name in self.names if name in widths}
        if combine == "average" and len(sizes) > 1:
            raise ValueError(
                f"layers of {' and '.join(map(str, sorted(sizes)))} numbers cannot be averaged: concatenate"
            )

    @torch.no_grad()
    def __call__(self, inputs: Any) -> Tensor:
        """A batch of raw inputs, or a mapping of named columns -> (N, width), float32 on the CPU."""
        columns = self.read(inputs)
        lengths = columns.get("length")
        flat = lengths is not None and "length" not in self.wire.source.values()
        if flat:
            columns = {**columns, "token": columns["token"][None]}
        outputs = self.outputs(columns)
        whole = {name: pooled(outputs[name], lengths if flat else None).float().cpu() for name in self.names}
        if (
            flat
            and lengths is not None
            and self.encoder.spells
            and SPELLED in whole
            and not isinstance(inputs, Mapping)
        ):
            whole[SPELLED] = self.with_unknown(whole[SPELLED], lengths, inputs)
        vectors = [self.rounded(name, rows) if outputs[name].ndim > 2 else rows for name, rows in whole.items()]
        if self.combine == "concat":
            return torch.cat(vectors, 1)
        if len({part.shape for part in vectors}) > 1:
            raise ValueError("layers of different widths cannot be averaged: concatenate")
        return torch.stack(vectors).mean(0)

    def with_unknown(self, means: Tensor, lengths: Tensor, texts: Any) -> Tensor:
        """Means (N, D) of the known words of texts, `lengths` (N,) many -> those of all words, unknown ones spelled."""
        if not isinstance(self.reader, TextReader):
            return means
        words, place, text = self.reader.unknown(texts)
        if not words:
            return means
        sums = means * lengths[:, None]
        sums.index_add_(0, text, self.encoder.spelled(words).float().cpu()[place])
        return sums / (lengths + text.bincount(minlength=len(lengths))).clamp(min=1)[:, None]

    @torch.no_grad()
    def outputs(self, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What each layer says of a batch."""
        if missing := self.wire.missing(columns):
            raise ValueError(missing[0])
        caught: dict[str, Tensor] = {}
        inner = [name for name in self.names if name not in self.widths]
        hooks = [self.modules[name].register_forward_hook(catcher(caught, name)) for name in inner]
        try:
            outputs = {**self.wire(columns), **caught}
            if self.dims is not None:
                outputs |= self.encoder.cut(outputs, self.dims)
        finally:
            for hook in hooks:
                hook.remove()
        for name in self.names:
            if name not in outputs:
                raise ValueError(f"layer '{name}' does nothing when new inputs are encoded")
        return outputs

    def read(self, inputs: Any) -> dict[str, Tensor]:
        """Raw inputs -> columns; of a mapping that has all that the encoder needs, nothing has to be read.

        Raises:
            ValueError: the inputs are none of what the reader reads.
        """
        if isinstance(inputs, Mapping):
            needed = [self.wire.source[name] for name in self.wire.required]
            if all(name in inputs for name in needed):
                return self.reader.given(inputs)
        return self.reader(inputs)


def check_width(card: Mapping[str, Any], dims: int | None) -> None:
    """Raises:
    ValueError: an embedding was not trained to be shortened to so many numbers.
    """
    found = card.get("nested")
    widths: list[Any] = found if isinstance(found, list) else []
    if dims is not None and dims not in widths:
        there = f"it has {', '.join(map(str, widths))}" if widths else "train it with loss.nested=[...]"
        raise ValueError(f"{option('dims', str(dims))}: this embedding has no such width; {there}")


def hint(name: str, known: Sequence[str]) -> str:
    """The nearest names, if any are near."""
    text = did_you_mean(name, known)
    return text if text.endswith("?") else ""


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


def finite(vectors: Tensor) -> Tensor:
    """The same vectors.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    if not vectors.isfinite().all():
        raise ValueError("its vectors hold NaN or infinite numbers")
    return vectors
