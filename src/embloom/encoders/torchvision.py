"""Models of torchvision, with the weights they were trained with or randomly initialised ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.assembly.build import did_you_mean
from embloom.assembly.parameters import positive_integers
from embloom.encoders.base import Encoder
from embloom.files.tensors import read_state_dict

# Of ImageNet, which all classification weights of torchvision expect (Krizhevsky et al. 2012; torchvision's docs).
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DEFAULT = "default"


class TorchVision(Encoder):
    """A torchvision classification model cut off at its layers, whose outputs are averaged over positions.

    Each of `layers` is an output of that name, (B, channels): the mean over places of an image or tokens of a
    transformer. `embedding` is the last of them, or a linear layer on it.

    Args:
        image_shape: the dataset's (channels, height, width); gray is shown as three equal channels.
        name: `resnet18`, `vit_b_16`, ...: any of `torchvision.models.list_models(torchvision.models)`.
        weights: a file (PyTorch's, read as tensors only, or safetensors), `default` to download torchvision's, or
            null for randomly initialised ones. Read when a training starts from scratch, never by a resume or the
            artifact.
        layers: names of the model's parts (torchvision's `get_graph_node_names` lists them); null is the last one
            before its classifier.
        embedding: width of a linear layer on the last; null for none.
        frozen: do not train the model, only the linear layer, and keep its running statistics.
        side: scale the images to side x side, where the model needs a size (`vit_b_16`: 224).

    Raises:
        ValueError: there is no such model or layer, or the images do not fit.
    """

    start_only: ClassVar[tuple[str, ...]] = ("weights",)

    def __init__(
        self,
        image_shape: Sequence[int] | None,
        name: str = "resnet18",
        weights: str | None = None,
        layers: str | Sequence[str] | None = None,
        embedding: int | None = None,
        frozen: bool = False,
        side: int | None = None,
    ) -> None:
        super().__init__()
        if image_shape is None or image_shape[0] not in (1, 3):
            raise ValueError("encoder=torchvision reads images: choose a dataset of gray or rgb ones")
        positive_integers(**{k: v for k, v in {"embedding": embedding, "side": side}.items() if v is not None})
        self.image_shape, self.side = tuple(image_shape), side
        self.name, self.weights, self.frozen = str(name), weights, frozen
        model = initialized_model(self.name)
        wanted = [layers] if isinstance(layers, str) else list(layers or [last_layer(model)])
        self.model = cut(model, wanted)
        self.names = wanted
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.sizes = self.measured()
        width = self.sizes[wanted[-1]]
        self.linear = nn.Linear(width, embedding) if embedding else None
        self.sizes["embedding"] = embedding or width
        if frozen:
            self.model.requires_grad_(False)

    def train(self, mode: bool = True) -> TorchVision:
        """A frozen model stays in evaluation mode, so that its running statistics stay, too."""
        super().train(mode)
        if self.frozen:
            self.model.eval()
        return self

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Image (B, features) in 0..1 -> each of the layers (B, channels), and `embedding` (B, D)."""
        planes = image.unflatten(1, self.image_shape).expand(-1, 3, -1, -1)
        if self.side is not None and planes.shape[-2:] != (self.side, self.side):
            planes = F.interpolate(planes, (self.side, self.side), mode="bilinear", antialias=True)
        found = self.model((planes - self.mean) / self.std)
        outputs = {name: self.averaged(name, found[name]) for name in self.names}
        last = outputs[self.names[-1]]
        return {**outputs, "embedding": last if self.linear is None else self.linear(last)}

    def averaged(self, layer: str, output: Tensor) -> Tensor:
        """(B, C, H, W), within Swin transformers (B, H, W, C), or tokens (B, L, C) -> (B, C)."""
        if output.ndim == 4:
            channels_last = self.name.startswith("swin") and layer.startswith(("features", "norm"))
            return output.mean((1, 2)) if channels_last else output.mean((2, 3))
        return output.mean(1) if output.ndim == 3 else output

    @torch.no_grad()
    def measured(self) -> dict[str, int]:
        """The width of each layer, by a blank image.

        Raises:
            ValueError: the model does not take images of this size.
        """
        self.linear = None
        training = self.training
        self.eval()
        try:
            outputs = self(torch.zeros(1, self.image_shape[0] * self.image_shape[1] * self.image_shape[2]))
        except (RuntimeError, AssertionError) as error:
            raise ValueError(
                f"encoder.name={self.name} does not take images of {self.image_shape[1]}x{self.image_shape[2]} "
                f"({str(error).splitlines()[0][:80]}): set encoder.side=224"
            ) from error
        self.train(training)
        return {name: outputs[name].shape[1] for name in self.names}

    def start(self) -> list[str]:
        """Loads the pretrained weights; called where a training starts from scratch.

        Returns:
            What to print.

        Raises:
            ValueError: they cannot be read, or are another model's.
        """
        if self.weights is None:
            return [f"encoder.weights: none, {self.name} starts from randomly initialised weights"]
        state = downloaded(self.name) if self.weights == DEFAULT else read_state(Path(self.weights).expanduser())
        mine = self.model.state_dict()
        bad = [k for k, v in mine.items() if k not in state or state[k].shape != v.shape]
        if bad:
            what = "is missing" if bad[0] not in state else "has another shape"
            raise ValueError(f"encoder.weights={self.weights} is not of {self.name}: {bad[0]} {what}")
        self.model.load_state_dict({key: state[key] for key in mine})
        skipped = sorted({key.rpartition(".")[0] for key in state if key not in mine})
        rest = f"; skipped, after the last layer: {', '.join(skipped)}" if skipped else ""
        return [f"encoder.weights={self.weights}: loaded {len(mine)} tensors of {self.name}{rest}"]


def initialized_model(name: str) -> nn.Module:
    """A model with randomly initialised weights.

    Raises:
        ValueError: torchvision has none of that name.
    """
    from torchvision import models

    known = models.list_models(models)
    if name not in known:
        raise ValueError(f"encoder.name={name}: torchvision has no such classifier; {did_you_mean(name, known)}")
    options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    model: nn.Module = models.get_model(name, weights=None, **options)
    return model


def graph_nodes(model: nn.Module) -> list[str]:
    """The names that `cut` takes, from the image on."""
    from torchvision.models.feature_extraction import get_graph_node_names

    names: list[str] = get_graph_node_names(model.eval(), suppress_diff_warning=True)[1]
    return names


def last_layer(model: nn.Module) -> str:
    """What the classifier reads, before it is flattened or dropped out."""
    heads = ("fc", "classifier", "heads", "head", "flatten", "dropout")
    body = [name for name in graph_nodes(model) if name.split(".")[0].split("_")[0] not in heads]
    return body[-1]


def cut(model: nn.Module, layers: Sequence[str]) -> nn.Module:
    """The part of a model that its layers need.

    Raises:
        ValueError: it has no such layer.
    """
    from torchvision.models.feature_extraction import create_feature_extractor

    nodes = graph_nodes(model)
    parts = {node.split(".")[0] for node in nodes}
    for layer in layers:
        if not any(node == layer or node.startswith(f"{layer}.") for node in nodes):
            raise ValueError(f"encoder.layers={layer}: the model has no such layer; {did_you_mean(layer, parts)}")
    extractor: nn.Module = create_feature_extractor(model, list(layers), suppress_diff_warning=True)
    return extractor


def read_state(path: Path) -> dict[str, Any]:
    """A state dict from a file, without executing anything.

    Raises:
        ValueError: there is none.
    """
    if not path.is_file():
        raise ValueError(f"encoder.weights={path} is no file: name one, or 'default' to download torchvision's")
    return read_state_dict(path)


def downloaded(name: str) -> dict[str, Any]:
    """Torchvision's own weights, from the network or torch's cache.

    Raises:
        ValueError: there are none, or the network fails.
    """
    from torchvision import models

    try:
        weights = models.get_model_weights(name).DEFAULT
        state: dict[str, Any] = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (OSError, AttributeError, RuntimeError) as error:
        raise ValueError(
            f"encoder.weights=default: cannot download the weights of {name} ({error}): give encoder.weights=FILE"
        ) from error
    return state
