"""Pretrained models of the transformers library, for images and texts: every hidden state is a layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.parameters import choices, positive_integers
from embloom.encoders.base import Encoder
from embloom.encoders.huggingface_files import (
    INTERPOLATION,
    images_of,
    initialized_model,
    model_config,
    pretrained_weights,
)

POOLING = ("mean", "first")


class HuggingFace(Encoder):
    """A model of the transformers library, without its head.

    Outputs: `hidden_0` (its input embeddings), ..., `hidden_n`, each (B, width), and `embedding`, the mean of the last
    ones, or a linear layer on it. A text's hidden states are averaged over its tokens, as Sentence-Transformers does
    (Reimers and Gurevych 2019, section 3), an image's over its patches or places; or the first token stands for all.

    The model is described by its `config.json` alone: code that lies beside it is never executed. Its weights are read
    from safetensors where a training starts from scratch; the artifact holds weights and description and needs neither
    folder nor network.

    Args:
        sizes: the dataset's; of a text `sizes["token"]` is the size of the vocabulary.
        image_shape: the dataset's (channels, height, width); gray is shown as three equal channels.
        name: a folder, or a name on the Hugging Face hub.
        frozen: no gradients are kept, and dropout is off.
        pooling: `mean` or `first`.
        last: the embedding is the mean of so many hidden states, the last ones.
        embedding: width of a linear layer on it; null for none.
        model: the model's description, instead of `name`.
        images: how it takes images, likewise.
        widths: of its hidden states, likewise.

    Raises:
        ValueError: there is no such model, it needs code of its own, or the dataset does not fit it.
    """

    start_only: ClassVar[tuple[str, ...]] = ("name",)

    def __init__(
        self,
        sizes: Mapping[str, int],
        image_shape: Sequence[int] | None = None,
        name: str | None = None,
        frozen: bool = True,
        pooling: str = "mean",
        last: int = 1,
        embedding: int | None = None,
        model: Mapping[str, Any] | None = None,
        images: Mapping[str, Any] | None = None,
        widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        choices(POOLING, pooling=pooling)
        positive_integers(last=last, **({} if embedding is None else {"embedding": embedding}))
        if model is None and name is None:
            raise ValueError("encoder.name is missing: a folder of a pretrained model, or its name on the hub")
        self.name, self.frozen, self.pooling, self.last = name, frozen, pooling, last
        self.described = dict(model) if model is not None else model_config(str(name))
        self.model = initialized_model(self.described)
        self.reads_images = self.model.main_input_name == "pixel_values"
        if self.reads_images:
            self.check_images(image_shape)
            self.shape = tuple(image_shape or ())
            self.images = dict(images) if images is not None else images_of(str(name), self.described)
        else:
            self.check_texts(sizes)
            self.images = {}
        self.widths = list(widths) if widths is not None else self.measured()
        if last > len(self.widths):
            raise ValueError(f"last={last}: the model has {len(self.widths)} hidden states")
        if len(set(self.widths[-last:])) > 1:
            raise ValueError(f"last={last}: hidden states of {self.widths[-last:]} numbers have no mean; use 1")
        self.linear = nn.Linear(self.widths[-1], embedding) if embedding else None
        self.sizes = {f"hidden_{i}": width for i, width in enumerate(self.widths)}
        self.sizes["embedding"] = embedding or self.widths[-1]
        if frozen:
            self.model.requires_grad_(False)

    def kept_options(self) -> dict[str, Any]:
        """The descriptions, so that the artifact needs no folder."""
        return {"model": self.described, "images": self.images, "widths": self.widths}

    def check_images(self, image_shape: Sequence[int] | None) -> None:
        """Raises:
        ValueError: the dataset has no images of a kind that models know.
        """
        if image_shape is None or image_shape[0] not in (1, 3):
            raise ValueError(f"encoder.name={self.name} reads images: choose a dataset of gray or rgb ones")

    def check_texts(self, sizes: Mapping[str, int]) -> None:
        """Raises:
        ValueError: the dataset has no texts, or numbers them in another way.
        """
        known = self.described.get("vocab_size")
        if "token" not in sizes or "length" not in sizes:
            raise ValueError(f"encoder.name={self.name} reads texts: choose dataset=labelled_like")
        if known is not None and sizes["token"] > known:
            raise ValueError(
                f"encoder.name={self.name} knows {known:,} tokens, and the dataset has {sizes['token']:,}: cut texts "
                f"as the model does, dataset=labelled_like dataset.like={self.name}"
            )

    def train(self, mode: bool = True) -> HuggingFace:
        """A frozen model stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    def forward(
        self, image: Tensor | None = None, token: Tensor | None = None, length: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Image (B, features) in 0..1, or the tokens (T,) of all texts in a row and how many each has (B,) -> the
        outputs above."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            if self.reads_images:
                assert image is not None
                states = [self.of_image(state) for state in self.states(pixel_values=self.pixels(image))]
            else:
                assert token is not None
                assert length is not None
                states = self.of_texts(token, length)
        found = torch.stack(states[-self.last :]).mean(0) if self.last > 1 else states[-1]
        outputs = {f"hidden_{i}": state for i, state in enumerate(states)}
        return {**outputs, "embedding": found if self.linear is None else self.linear(found)}

    def states(self, **inputs: Tensor) -> Sequence[Tensor]:
        """Every hidden state of the model."""
        found: Sequence[Tensor] = self.model(**inputs, output_hidden_states=True).hidden_states
        return found

    def pixels(self, image: Tensor) -> Tensor:
        """Rows in 0..1 -> planes as the model was trained with: scaled, and shifted by mean and deviation."""
        planes = image.unflatten(1, self.shape).expand(-1, 3, -1, -1)
        size, about = self.images["size"], self.images
        if size is not None and planes.shape[-2:] != tuple(size):
            mode = INTERPOLATION[about["resample"]]
            planes = F.interpolate(planes, tuple(size), mode=mode, antialias=True, align_corners=False).clamp(0, 1)
        mean, std = (planes.new_tensor(about[key]).view(1, -1, 1, 1) for key in ("mean", "std"))
        return (planes - mean) / std

    def of_image(self, state: Tensor) -> Tensor:
        """Patches (B, L, D) or places (B, D, H, W) -> (B, D)."""
        if state.ndim == 4:
            return state.mean((2, 3))
        return state[:, 0] if self.pooling == "first" else state.mean(1)

    def of_texts(self, token: Tensor, length: Tensor) -> list[Tensor]:
        """Texts in a row -> every hidden state, pooled over each one's tokens; zeros for a text without any."""
        rows, longest = len(length), max(1, int(length.max())) if len(length) else 1
        mask = torch.arange(longest, device=token.device) < length[:, None]
        ids = token.new_zeros(rows, longest, dtype=torch.long)
        ids[mask] = token.long()
        # What looks at nothing would be NaN: an empty text looks at its padding, and is zero in the end.
        seen = mask.clone()
        seen[:, 0] = True
        states = self.states(input_ids=ids, attention_mask=seen.long())
        share = mask / length.clamp_min(1)[:, None]
        if self.pooling == "first":
            return [state[:, 0] * (length > 0)[:, None] for state in states]
        return [torch.einsum("bl,bld->bd", share.to(state.dtype), state) for state in states]

    @torch.no_grad()
    def measured(self) -> list[int]:
        """The width of each hidden state, by a blank input."""
        training = self.training
        self.eval()
        if self.reads_images:
            rows = self.shape[0] * self.shape[1] * self.shape[2]
            pixels = self.pixels(torch.zeros(1, rows))
            try:
                found = [self.of_image(state) for state in self.states(pixel_values=pixels)]
            except (RuntimeError, ValueError) as error:
                raise ValueError(
                    f"encoder.name={self.name} does not take images of {self.shape[1]}x{self.shape[2]}: "
                    f"{str(error).splitlines()[0][:100]}"
                ) from error
        else:
            token = torch.zeros(1, 2, dtype=torch.long)
            found = [state[:, 0] for state in self.states(input_ids=token, attention_mask=torch.ones_like(token))]
        self.train(training)
        return [int(state.shape[-1]) for state in found]

    def start(self) -> list[str]:
        """Loads the pretrained weights; called where a training starts from scratch."""
        assert self.name is not None
        state, missing = pretrained_weights(self.name, self.described)
        self.model.load_state_dict(state)
        rest = f"; not in the file, randomly initialised: {', '.join(missing[:3])}" if missing else ""
        return [f"encoder.name={self.name}: loaded {len(state) - len(missing)} tensors{rest}"]
