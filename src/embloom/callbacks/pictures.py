"""The confusion matrix and the misread pictures of every loss that classifies, in TensorBoard."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from embloom.data.base import Dataset, Split
from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events


class Pictures(Callback):
    """Draws at the end, from the test split, and during training from the validation split.

    Args:
        every_n_epochs: also draw after every so many epochs; 0 for the end only.
        misread: how many wrongly classified pictures to show, the most confident mistakes first.
    """

    def __init__(self, every_n_epochs: int = 0, misread: int = 36) -> None:
        if every_n_epochs < 0 or misread < 0:
            raise ValueError(f"every_n_epochs={every_n_epochs}: it and misread={misread} must be at least 0")
        self.every_n_epochs, self.misread = every_n_epochs, misread

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the test split."""
        self.draw(trainer, pl_module, "test")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws the validation split, now and then."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self.draw(trainer, pl_module, "val")

    def draw(self, trainer: Trainer, module: LightningModule, split: Split) -> None:
        """Classifies a split once more and writes the pictures of each term."""
        assert isinstance(module, EmbeddingModule)
        if not trainer.is_global_zero or not isinstance(trainer.logger, Events) or not module.loss.predictors:
            return
        for term, found in classified(module, split).items():
            label = module.loss.wires[term].source["target"]
            names = module.dataset.names.get(label) or [str(i) for i in range(module.dataset.sizes[label])]
            board = trainer.logger.experiment
            board.add_figure(f"{split}/confusion_{term}", confusion(found, names), trainer.global_step)
            if module.dataset.image_shape and self.misread:
                figure = mistakes(found, module.dataset, split, names, self.misread)
                board.add_figure(f"{split}/misread_{term}", figure, trainer.global_step)


def classified(module: EmbeddingModule, split: Split) -> dict[str, dict[str, Tensor]]:
    """For each term that classifies: `predicted`, `target` (N,) and the `confidence` in the prediction."""
    parts: dict[str, list[dict[str, Tensor]]] = {}
    training = module.training
    module.eval()
    with torch.no_grad():
        for batch in module.dataset.loader(split, every_rank=True):
            tensors = module({k: v.to(module.device) for k, v in batch.items()})
            for term, (predicted, target) in module.loss.predictions(tensors).items():
                scores = (
                    tensors[module.loss.wires[term].source["input"]]
                    if "input" in module.loss.wires[term].source
                    else None
                )
                confidence = scores.softmax(1).amax(1) if scores is not None else torch.ones_like(predicted).float()
                part = {"predicted": predicted.cpu(), "target": target.cpu(), "confidence": confidence.cpu()}
                parts.setdefault(term, []).append(part)
    module.train(training)
    return {term: {k: torch.cat([p[k] for p in found]) for k in found[0]} for term, found in parts.items()}


def confusion(found: dict[str, Tensor], names: list[str]) -> Any:
    """The confusion matrix as a figure: rows are the true classes, shaded by share of the row."""
    from matplotlib.figure import Figure

    count = len(names)
    matrix = torch.zeros(count, count, dtype=torch.long)
    matrix.index_put_((found["target"], found["predicted"].clamp_max(count - 1)), torch.tensor(1), accumulate=True)
    side = min(12.0, 2.5 + 0.5 * count)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(matrix / matrix.sum(1, keepdim=True).clamp_min(1), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(
        range(count),
        names,
        rotation=45 if max(map(len, names)) > 2 else 0,
        ha="right" if max(map(len, names)) > 2 else "center",
    )
    axes.set_yticks(range(count), names)
    accuracy = float((found["predicted"] == found["target"]).double().mean())
    axes.set(xlabel="predicted", ylabel="true", title=f"accuracy {accuracy:.2%} of {len(found['target']):,}")
    if count <= 20:
        for row in range(count):
            for column in range(count):
                if number := int(matrix[row, column]):
                    dark = number > matrix[row].sum() / 2
                    axes.text(
                        column,
                        row,
                        str(number),
                        ha="center",
                        va="center",
                        fontsize=8,
                        color="white" if dark else "black",
                    )
    return figure


def mistakes(found: dict[str, Tensor], dataset: Dataset, split: Split, names: list[str], most: int) -> Any:
    """The most confident mistakes as a figure: `true as predicted` over each picture."""
    from matplotlib.figure import Figure

    wrong = (found["predicted"] != found["target"]).nonzero().flatten()
    wrong = wrong[found["confidence"][wrong].argsort(descending=True, stable=True)][:most]
    columns = min(6, max(1, len(wrong)))
    rows = max(1, -(-len(wrong) // columns))
    figure = Figure(figsize=(1.5 * columns, 1.7 * rows + 0.4), layout="constrained")
    figure.suptitle(f"misread, most confident first ({len(wrong)} shown)" if len(wrong) else "nothing misread")
    pictures = rows_of(dataset, split, wrong)
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if place < len(wrong):
            assert dataset.image_shape is not None
            image = pictures[place].reshape(dataset.image_shape).permute(1, 2, 0)
            axes.imshow(image.squeeze(-1), cmap="gray", vmin=0, vmax=1)
            truth, guess = (names[int(found[key][wrong[place]])] for key in ("target", "predicted"))
            axes.set_title(f"{truth} as {guess}", fontsize=9)
    return figure


def rows_of(dataset: Dataset, split: Split, rows: Tensor) -> Tensor:
    """The pictures (len(rows), features) at those places of a split read in order."""
    wanted, found, start = set(rows.tolist()), {}, 0
    for batch in dataset.loader(split, every_rank=True):
        images = dataset.transform(batch, False)["image"]
        for row in wanted & set(range(start, start + len(images))):
            found[row] = images[row - start].float().cpu()
        start += len(images)
        if len(found) == len(wanted):
            break
    return torch.stack([found[row] for row in rows.tolist()]) if len(rows) else torch.empty(0)
