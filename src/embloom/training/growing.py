"""Growth: what was known keeps its rows to the bit, or is anchored to where it began, while new rows are trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from embloom.artifact.weights import Source
from embloom.encoders.base import Encoder
from embloom.encoders.lookup import lookup
from embloom.losses.weighted import WeightedLoss

HEADS = "heads/"  # as in an artifact: what belongs to a loss that classifies
SAMPLED = 4096  # rows of a table with sparse gradients whose distance a step measures
ASKED, NEAREST = 1000, 10  # rows whose neighbors are compared at the end, and how many of each
MOVED = "moved"  # the tensor that the term `anchor` reads
ANCHOR = "anchor"


class Grown:
    """The rows that another embedding left, and where they began.

    Kept rows have no gradient, and what an optimizer does to them all the same (weight decay) is undone after each of
    its steps; a sparse gradient does not name them at all.

    Args:
        encoder: whose tables have such rows.
        loss: whose heads have.
        began: name in the encoder's state dict, or `heads/<term>/<name>` -> row numbers (R,) and their values (R, ...).
        keep: those rows stay as they are; else they are anchored.
        known: column -> the names that the vocabulary must have whatever the data holds.
    """

    def __init__(
        self,
        encoder: Encoder,
        loss: WeightedLoss,
        began: Mapping[str, tuple[Tensor, Tensor]],
        keep: bool,
        known: Mapping[str, list[str]],
    ) -> None:
        self.encoder, self.loss, self.keep, self.known = encoder, loss, keep, dict(known)
        self.began = {name: (rows, values.clone()) for name, (rows, values) in began.items()}
        self.dense: set[str] = set()
        self.fresh: dict[str, Tensor] = {}  # of kept tables, which rows are new

    def parameter(self, name: str) -> nn.Parameter | None:
        """A tensor of `began`, where it is one that is trained."""
        if not name.startswith(HEADS):
            return dict(self.encoder.named_parameters()).get(name)
        _, term, inner = name.split("/", 2)
        return dict(self.loss.terms[term].named_parameters()).get(inner)

    def parameters(self) -> dict[str, nn.Parameter]:
        """Those that are trained, by name."""
        found = {name: self.parameter(name) for name in self.began}
        return {name: parameter for name, parameter in found.items() if parameter is not None}

    # -- kept rows

    @torch.no_grad()
    def mask(self) -> None:
        """Takes kept rows out of the gradients, before anything is made of them."""
        if not self.keep:
            return
        for name, parameter in self.parameters().items():
            gradient = parameter.grad
            if gradient is None:
                continue
            fresh = self.new_rows(name, parameter)
            if gradient.is_sparse:
                parameter.grad = masked(gradient, fresh)
            else:
                self.dense.add(name)
                gradient.mul_(fresh.view(-1, *[1] * (gradient.ndim - 1)).to(gradient.dtype))

    def new_rows(self, name: str, parameter: Tensor) -> Tensor:
        """(rows,) which of a table's are new."""
        if name not in self.fresh or self.fresh[name].device != parameter.device:
            rows = self.began[name][0].to(parameter.device)
            self.fresh[name] = torch.ones(len(parameter), dtype=torch.bool, device=parameter.device)
            self.fresh[name][rows] = False
        return self.fresh[name]

    @torch.no_grad()
    def restore(self, *arguments: Any) -> None:
        """Puts kept rows back, where a step may have moved them: where the whole table had a gradient."""
        for name in self.dense:
            parameter = self.parameter(name)
            if parameter is not None:
                rows, values = self.placed(name, parameter)
                parameter.index_copy_(0, rows, values)

    def placed(self, name: str, like: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and values, on the device and in the dtype of a parameter."""
        rows, values = self.began[name]
        if rows.device != like.device or values.dtype != like.dtype:
            rows, values = self.began[name] = rows.to(like.device), values.to(like)
        return rows, values

    # -- anchored rows

    def moved(self, sparse: bool) -> Tensor:
        """The mean, over the rows that were started, of the squared distance to where they began, a scalar.

        Args:
            sparse: of tables with sparse gradients, estimate it from a sample of rows.
        """
        total, count = None, 0
        for name, parameter in self.parameters().items():
            rows, values = self.placed(name, parameter)
            count += len(rows)
            some = torch.randint(len(rows), (SAMPLED,), device=rows.device) if sparse and len(rows) > SAMPLED else None
            chosen, there = (rows, values) if some is None else (rows[some], values[some])
            now = lookup(chosen, parameter, sparse) if parameter.ndim == 2 else parameter.index_select(0, chosen)
            part = (now - there).square().sum() * (len(rows) / len(chosen))
            total = part if total is None else total + part
        assert total is not None
        return total / count

    # -- what it comes to

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a resume never needs the source."""
        began = {name: {"rows": rows.cpu(), "values": values.cpu()} for name, (rows, values) in self.began.items()}
        return {"began": began, "known": self.known}

    @torch.no_grad()
    def promise(self) -> dict[str, float]:
        """What is left of the rows that were started: `rows_kept`, how many are the same to the bit, `rows_kept_share`,
        and of tables `neighbors_kept`, the share of their nearest neighbors among each other that still are."""
        same, count, found = 0, 0, dict[str, float]()
        for name, parameter in self.parameters().items():
            rows, values = (part.cpu() for part in self.placed(name, parameter))
            now = parameter.detach().cpu()[rows]
            same, count = same + int((bits(now) == bits(values)).all(1).sum()), count + len(rows)
            if now.ndim == 2 and len(rows) > NEAREST and "neighbors_kept" not in found and name in self.tables():
                found["neighbors_kept"] = neighbors_kept(values, now)
        return {"rows_kept": float(same), "rows_kept_share": same / max(1, count), **found}

    def tables(self) -> list[str]:
        """Names that tables with named rows may have in the state dict."""
        return [name for table in self.encoder.rows for name in (table, f"{table}.weight", table.removesuffix("s"))]


def masked(gradient: Tensor, fresh: Tensor) -> Tensor:
    """A sparse gradient without the rows that are not `fresh`; on a GPU, which must not be asked how many those are,
    they are 0."""
    rows, values = gradient._indices(), gradient._values()
    left = fresh[rows[0]]
    if rows.device.type == "cpu":
        rows, values = rows[:, left], values[left]
    else:
        values = values * left[:, None].to(values.dtype)
    return torch.sparse_coo_tensor(rows, values, gradient.shape, check_invariants=False)


def bits(rows: Tensor) -> Tensor:
    """(R, ...) -> (R, bytes)."""
    flat = rows.reshape(len(rows), -1).contiguous()
    return flat.view(torch.uint8)


def neighbors_kept(before: Tensor, after: Tensor) -> float:
    """Of rows (R, D) in two states, the mean share of the nearest ones by cosine that are the same."""
    asked = torch.arange(0, len(before), max(1, len(before) // ASKED))[:ASKED]

    def nearest(table: Tensor) -> Tensor:
        unit = F.normalize(table.float(), dim=1)
        scores = unit[asked] @ unit.T
        scores[torch.arange(len(asked)), asked] = -torch.inf
        return scores.topk(min(NEAREST, len(before) - 1)).indices

    one, other = nearest(before), nearest(after)
    return float((one[:, :, None] == other[:, None, :]).any(2).double().mean())


def class_rows(
    encoder: nn.Module, loss: WeightedLoss, source: Source, names: Mapping[str, list[str]]
) -> dict[str, tuple[list[str], list[str]]]:
    """Tensors with a row for each class -> what these are called here, and in the source: of the heads of losses that
    classify, and of the encoder's last linear layer where a loss without weights takes `embedding` for logits.

    Args:
        encoder: of this run.
        loss: likewise.
        source: where the weights come from.
        names: label -> its classes, here.
    """
    found: dict[str, tuple[list[str], list[str]]] = {}
    linear = [name for name, module in encoder.named_modules() if isinstance(module, nn.Linear)]
    for term in loss.scorers:
        label = loss.label(term)
        there = source.labels.get(source.heads.get(term, label))
        if there is None or label not in names:
            continue
        both = names[label], there
        weights = {f"{HEADS}{term}/{key}": tensor for key, tensor in loss.terms[term].state_dict().items()}
        if not weights and linear and "embedding" in loss.scorers[term].source.values():
            inner = encoder.get_submodule(linear[-1]).state_dict()
            weights = {f"{linear[-1]}.{key}": tensor for key, tensor in inner.items()}
        found |= {name: both for name, tensor in weights.items() if tensor.ndim and len(tensor) == len(names[label])}
    return found


def growing(node: Mapping[str, Any] | None) -> bool:
    """Whether `init_from` grows what it names, instead of only starting from it."""
    return bool(node and node.get("path") and (node.get("keep_rows") or node.get(ANCHOR)))


def of_state(encoder: Encoder, loss: WeightedLoss, keep: bool, state: Mapping[str, Any]) -> Grown:
    """See `Grown.state`."""
    began = {name: (found["rows"], found["values"]) for name, found in state["began"].items()}
    return Grown(encoder, loss, began, keep, state["known"])
