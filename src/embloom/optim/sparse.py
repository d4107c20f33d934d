"""Which optimizers and settings work with sparse gradients, and what to use instead of those that do not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embloom.encoders.base import Encoder
from embloom.losses.weighted import WeightedLoss

TAKES_SPARSE = ("RowwiseAdagrad", "SparseAdam", "Adagrad", "SGD")
ADVICE = "use optimizer=rowwise_adagrad, optimizer=sparse_adam or optimizer=sparse_sgd, or encoder.sparse=false"


def sparse_problems(
    encoder: Encoder, loss: WeightedLoss, optimizer: Mapping[str, Any], trainer: Mapping[str, Any]
) -> list[str]:
    """One message for each setting that an encoder with sparse gradients cannot be trained with."""
    name = str(optimizer.get("_target_", "")).rpartition(".")[2]
    if not encoder.sparse:
        if name == "SparseAdam":
            return ["optimizer=sparse_adam takes sparse gradients only: use encoder.sparse=true or optimizer=adam"]
        return []
    found = []
    if name not in TAKES_SPARSE and str(optimizer.get("_target_", "")).startswith("torch."):
        found.append(f"{name} refuses the sparse gradients of the encoder's tables: {ADVICE}")
    for key in ("momentum", "weight_decay", "nesterov", "fused", "foreach"):
        if name in TAKES_SPARSE and optimizer.get(key):
            off = "false" if isinstance(optimizer[key], bool) else 0
            found.append(f"optimizer.{key}={optimizer[key]} does not work with sparse gradients: use {key}={off}")
    if trainer.get("gradient_clip_val"):
        found.append("trainer.gradient_clip_val does not work with sparse gradients: use null, or encoder.sparse=false")
    whole = [term for term, wire in loss.wires.items() if "output" in wire.source.values()]
    if whole and name == "SparseAdam":
        found.append(
            f"loss.{whole[0]} moves the whole output table, which optimizer=sparse_adam refuses: "
            "use optimizer=rowwise_adagrad"
        )
    return found
