"""What the encoder gets to see: the first images of the training split, as training transforms them."""

from __future__ import annotations

import torch

from embloom.assembly.parameters import positive_integers
from embloom.callbacks.base import Callback, Training
from embloom.callbacks.images import image_shape, interleaved, save_png


class Samples(Callback):
    """Draws some images at the start, as `train/samples` and as `images/samples.png` in the run folder; where a loss
    compares views of them, a line of each view in turn.

    Args:
        count: how many.
        columns: how many beside each other.

    Raises:
        ValueError: a number is below 1.
    """

    def __init__(self, count: int = 48, columns: int = 12) -> None:
        positive_integers(count=count, columns=columns)
        self.count, self.columns = count, columns

    def on_start(self, run: Training) -> None:
        """Draws, once in a run; noise is made as in training, without changing what training makes."""
        shape = image_shape(run)
        if run.step or not run.first_process or shape is None:
            return
        batch = next(iter(run.batches_of("train")))
        batch = run.dataset.choose(batch, torch.arange(min(self.count, len(next(iter(batch.values()))))))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            images = run.dataset.transform(batch, "train")["image"]
        views = images.float().cpu().clamp(0, 1).chunk(run.dataset.views)
        image = interleaved(list(views), self.columns, shape)
        run.log_image("train/samples", image)
        save_png(image, run.folder / "images" / "samples.png")
