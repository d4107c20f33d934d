"""Originals beside what the decoder makes of their embeddings, in TensorBoard and as a file."""

from __future__ import annotations

import torch
from torch import Tensor

from embloom.assembly.parameters import integers, positive_integers
from embloom.callbacks.base import Callback, Training
from embloom.callbacks.images import image_shape, interleaved, save_png
from embloom.data.base import Split


class Reconstructions(Callback):
    """Draws rows in turn: originals, what the encoder saw of them where the dataset adds noise, reconstructions.

    At the end from the test split, also as `images/reconstructions.png` in the run folder.

    Args:
        every_n_epochs: also draw after every so many epochs, from the validation split; 0 for the end only.
        count: how many images.
        columns: how many beside each other.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, every_n_epochs: int = 0, count: int = 32, columns: int = 16) -> None:
        integers(0, every_n_epochs=every_n_epochs)
        positive_integers(count=count, columns=columns)
        self.every_n_epochs, self.count, self.columns = every_n_epochs, count, columns

    def check(self, run: Training) -> None:
        """Raises:
        ValueError: there is nothing to draw.
        """
        if "reconstruction" not in run.encoder.sizes or image_shape(run) is None:
            raise ValueError(
                "callbacks.reconstructions: the encoder reconstructs no images: leave it out with callbacks=[default]"
            )

    def on_validated(self, run: Training) -> None:
        """Draws the validation split, now and then."""
        if self.every_n_epochs and (run.epoch + 1) % self.every_n_epochs == 0:
            self.draw(run, "val")

    def on_tested(self, run: Training) -> None:
        """Draws the test split."""
        self.draw(run, "test")

    def draw(self, run: Training, split: Split) -> None:
        """Writes the image."""
        shape = image_shape(run)
        if run.first_process and shape is not None:
            image = interleaved(seen_and_rebuilt(run, split, self.count), self.columns, shape)
            run.log_image(f"{split}/reconstructions", image)
            if split == "test":
                save_png(image, run.folder / "images" / "reconstructions.png")


def seen_and_rebuilt(run: Training, split: Split, count: int) -> list[Tensor]:
    """The first images of a split, (count, features) each: clean, noisy where there is noise, reconstructed."""
    batch = next(iter(run.batches_of(split)))
    batch = run.dataset.choose(batch, torch.arange(min(count, len(next(iter(batch.values()))))))
    # Noise is made in training only; the image shows it, without changing what training makes next.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tensors = run.tensors(batch, "train")
    clean, image = tensors.get("clean", tensors["image"]), tensors["image"]
    noisy = [] if torch.equal(clean, image) else [image]
    return [rows.float().cpu().clamp(0, 1) for rows in (clean, *noisy, tensors["reconstruction"])]
