"""Tensors from files, without executing anything: PyTorch's archives and safetensors."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor


def first_line(error: BaseException, most: int = 200) -> str:
    """What went wrong, in one line: the beginning of an error's message, or its kind where it has none.

    torch's own advice about pickles is left out: it recommends to trust the file.
    """
    text = str(error).strip()
    if "weights_only" in text or "weights only" in text.lower():
        return "it holds more than tensors and plain containers, and could execute code"
    return text.splitlines()[0][:most] if text else type(error).__name__


def read_archive(path: Path) -> Any:
    """What `torch.save` wrote: tensors and plain containers, to the CPU.

    Raises:
        ValueError: the file is damaged, compressed (torch never compresses, and a small file could become a huge one),
            no archive, or asks for code to be executed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [item.filename for item in archive.infolist() if item.compress_type != zipfile.ZIP_STORED]
            if packed:
                raise ValueError(f"{path} is compressed inside ({packed[0]}), which torch never does")
            if damaged := archive.testzip():
                raise ValueError(f"{path} is damaged ({damaged})")
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {path}") from error
    except ValueError:
        raise
    except Exception as error:  # zipfile and torch.load raise almost anything on garbage
        raise ValueError(f"{path} cannot be read: {first_line(error)}") from error


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """A safetensors file: tensors by name, and its metadata.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return safetensors.torch.load_file(path), metadata
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path} cannot be read: {first_line(error)}") from error


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """The tensors by name of a safetensors file, or of a state dict that `torch.save` wrote (or a mapping with one
    under `state_dict`).

    Raises:
        ValueError: it cannot be read, or holds something else.
    """
    if path.suffix == ".safetensors":
        return read_safetensors(path)[0]
    return as_state_dict(read_archive(path), path)


def as_state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in what an archive held.

    Raises:
        ValueError: there is none.
    """
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise ValueError(f"{path} is no state dict: it must map names to tensors")
    return dict(content)
