"""The confusion matrix and the misclassified images of every loss that classifies, in TensorBoard."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from embloom.assembly.parameters import integers
from embloom.callbacks.base import Callback, Training
from embloom.callbacks.images import image_shape
from embloom.data.base import Dataset, Split, encoded, encoded_batches


class Classification(Callback):
    """Draws at the end, from the test split, and during training from the validation split.

    Args:
        every_n_epochs: also draw after every so many epochs; 0 for the end only.
        misclassified: how many wrongly classified images to show, the most confident mistakes first.

    Raises:
        ValueError: a number is negative.
    """

    def __init__(self, every_n_epochs: int = 0, misclassified: int = 36) -> None:
        integers(0, every_n_epochs=every_n_epochs, misclassified=misclassified)
        self.every_n_epochs, self.misclassified = every_n_epochs, misclassified

    def on_tested(self, run: Training) -> None:
        """Draws the test split."""
        self.draw(run, "test")

    def on_validated(self, run: Training) -> None:
        """Draws the validation split, now and then."""
        if self.every_n_epochs and (run.epoch + 1) % self.every_n_epochs == 0:
            self.draw(run, "val")

    def draw(self, run: Training, split: Split) -> None:
        """Classifies a split once more and writes the figures of each term."""
        if not run.first_process or not run.loss.scorers:
            return
        shape, named = image_shape(run), run.loss.by_label()
        for term, found in classified(run, split).items():
            names = run.dataset.class_names(run.loss.label(term))
            run.log_figure(f"{split}/confusion_{named[term]}", confusion(found, names))
            if shape and self.misclassified:
                wrong = confident_mistakes(found, self.misclassified)
                images = images_at(run.dataset, split, wrong, run.device)
                run.log_figure(f"{split}/misclassified_{named[term]}", mistakes(found, wrong, images, shape, names))


def classified(run: Training, split: Split) -> dict[str, dict[str, Tensor]]:
    """For each term that classifies: `predicted`, `target` (N,) and the `confidence` in the prediction."""
    parts: dict[str, list[dict[str, Tensor]]] = {}
    for tensors in encoded_batches(run.dataset, split, run.encode, run.device):
        with torch.no_grad():
            for term, (scores, target) in run.loss.scored(tensors).items():
                part = {"predicted": scores.argmax(1), "target": target, "confidence": scores.softmax(1).amax(1)}
                parts.setdefault(term, []).append({name: column.cpu() for name, column in part.items()})
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


def confident_mistakes(found: dict[str, Tensor], most: int) -> Tensor:
    """The rows that are misclassified, the most confident first."""
    wrong = (found["predicted"] != found["target"]).nonzero().flatten()
    return wrong[found["confidence"][wrong].argsort(descending=True, stable=True)][:most]


def mistakes(
    found: dict[str, Tensor], wrong: Tensor, images: Tensor, shape: tuple[int, int, int], names: list[str]
) -> Any:
    """Misclassified images as a figure: `true as predicted` over each."""
    from matplotlib.figure import Figure

    columns = min(6, max(1, len(wrong)))
    rows = max(1, -(-len(wrong) // columns))
    figure = Figure(figsize=(1.5 * columns, 1.7 * rows + 0.4), layout="constrained")
    title = f"misclassified, most confident first ({len(wrong)} shown)"
    figure.suptitle(title if len(wrong) else "nothing misclassified")
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if place < len(wrong):
            image = images[place].reshape(shape).permute(1, 2, 0)
            axes.imshow(image.squeeze(-1), cmap="gray", vmin=0, vmax=1)
            truth, guess = (names[int(found[key][wrong[place]])] for key in ("target", "predicted"))
            axes.set_title(f"{truth} as {guess}", fontsize=9)
    return figure


def images_at(dataset: Dataset, split: Split, rows: Tensor, device: torch.device) -> Tensor:
    """The images (len(rows), features) at those places of a split read in order."""
    if not len(rows):
        return torch.empty(0)
    order = rows.argsort()
    images = encoded(dataset, split, lambda columns: {}, ["image"], device, rows[order])["image"].cpu()
    return images[order.argsort()].clamp(0, 1)
