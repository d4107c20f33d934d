"""What lies in the folder of a pretrained model of the transformers library, read without executing any of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from embloom.files.tensors import first_line

INTERPOLATION = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
# What a description may not say: where code is, or which kernels to fetch.
NEVER = ("auto_map", "custom_pipelines", "quantization_config", "attn_implementation", "experts_implementation")
ADVICE = "pip install 'embloom[huggingface]'"
Config = dict[str, Any]


@contextmanager
def reading(name: str) -> Iterator[None]:
    """The library's many errors as one message.

    Raises:
        ValueError: something cannot be read.
    """
    try:
        yield
    except ImportError as error:
        raise ValueError(f"encoder=huggingface needs the transformers library: {ADVICE} ({error})") from error
    except Exception as error:  # the library raises almost anything
        hint = "" if Path(name).is_dir() else "; without a network, name a folder"
        raise ValueError(f"encoder.name={name} cannot be read: {first_line(error)}{hint}") from error


def model_config(name: str) -> Config:
    """The description of a model: its `config.json`, without what could fetch or run code.

    Raises:
        ValueError: there is none, or the model is made of code of its own.
    """
    with reading(name):
        from transformers import PreTrainedConfig

        found, _ = PreTrainedConfig.get_config_dict(name)
    if not found.get("model_type"):
        raise ValueError(f"encoder.name={name} holds no model: there is no config.json with a model_type")
    known = {key: value for key, value in found.items() if key not in NEVER and not key.startswith("_")}
    initialized_config(known, name)  # says what is wrong with it
    return known


def initialized_config(described: Mapping[str, Any], name: str = "") -> Any:
    """A description as the library's own class has it.

    Raises:
        ValueError: the library knows no such model: it would be code of the folder's own.
    """
    with reading(name):
        from transformers import AutoConfig
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    rest = {key: value for key, value in described.items() if key not in NEVER and not str(key).startswith("_")}
    kind = rest.pop("model_type", None)
    if kind not in CONFIG_MAPPING:
        raise ValueError(
            f"encoder.name={name}: the transformers library has no model of type {kind}, and code that comes with a "
            "model is never executed: choose a model that the library knows"
        )
    with reading(name):
        return AutoConfig.for_model(kind, **rest)


def initialized_model(described: Mapping[str, Any]) -> nn.Module:
    """A model with randomly initialised weights.

    Raises:
        ValueError: it cannot be built.
    """
    config = initialized_config(described)
    with reading(str(described.get("model_type"))):
        from transformers import AutoModel

        model: nn.Module = AutoModel.from_config(config, trust_remote_code=False)
    return model


def pretrained_weights(name: str, described: Mapping[str, Any]) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict of a model, from safetensors alone, and the names in it that the file did not have.

    Raises:
        ValueError: it cannot be read.
    """
    config = initialized_config(described, name)
    if Path(name).is_dir() and not list(Path(name).glob("*.safetensors")):
        raise ValueError(
            f"encoder.name={name} has no weights in safetensors, and no others are read, since pickled ones can run "
            "code: where you trust it, load the model and call save_pretrained(FOLDER)"
        )
    with reading(name):
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        model, about = AutoModel.from_pretrained(
            name, config=config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    state: dict[str, Tensor] = model.float().state_dict()
    return state, sorted(about["missing_keys"])


def images_of(name: str, described: Mapping[str, Any]) -> Config:
    """How a model takes images: `size` (height, width) or None as they come, `resample`, `mean` and `std`.

    Raises:
        ValueError: the folder does not say.
    """
    with reading(name):
        from transformers.image_processing_base import ImageProcessingMixin

        said, _ = ImageProcessingMixin.get_image_processor_dict(name)
    size = said.get("crop_size") if said.get("do_center_crop") else said.get("size")
    size = {"height": size, "width": size} if isinstance(size, int) else dict(size or {})
    edge = size.get("shortest_edge")
    sides = [size.get("height", edge), size.get("width", edge)] if said.get("do_resize", True) else [None, None]
    resample = said.get("resample", 2)
    plain = said.get("do_normalize") is False
    return {
        "size": sides if all(isinstance(side, int) for side in sides) else None,
        "resample": resample if resample in INTERPOLATION else 2,
        "mean": [0.0] * 3 if plain else [float(x) for x in said.get("image_mean", [0.5] * 3)],
        "std": [1.0] * 3 if plain else [float(x) for x in said.get("image_std", [0.5] * 3)],
    }
