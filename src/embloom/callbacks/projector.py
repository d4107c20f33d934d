"""Vectors, labels and thumbnails for TensorBoard's projector, written at the end of a run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from embloom.assembly.parameters import positive_integers
from embloom.callbacks.base import Callback, Training
from embloom.data.samples import sampled
from embloom.data.sprites import grid
from embloom.files.atomic import write_whole
from embloom.probes.base import table_keys

# TensorBoard looks for it beside the event files, so that one --logdir shows every run.
CONFIG = "projector_config.pbtxt"
FOLDER = "projector"
THUMB = 32


class Projector(Callback):
    """Writes `projector/` and `projector_config.pbtxt` to the run folder: of every embedding layer the rows, what
    they are called, and small images where the data is images.

    Args:
        count: at most so many rows: of samples, chosen at random from the test split; of a table the first, which for
            words are the most frequent.
        layers: names, or `embedding` alone, which is enough for most.

    Raises:
        ValueError: the count is below 1.
    """

    def __init__(self, count: int = 5000, layers: str | Sequence[str] = "embedding") -> None:
        positive_integers(count=count)
        self.count, self.layers = count, [layers] if isinstance(layers, str) else list(layers)

    def check(self, run: Training) -> None:
        """Raises:
        ValueError: the encoder has no such layer.
        """
        for name in self.layers if self.layers != ["embedding"] else []:
            if name not in run.encoder.layers():
                there = ", ".join(run.encoder.layers())
                raise ValueError(f"callbacks.projector.layers={name}: there is no such layer; available: {there}")

    def on_tested(self, run: Training) -> None:
        """Embeds once more and writes; the weights are the ones that the artifact keeps."""
        if not run.first_process:
            return
        (run.folder / FOLDER).mkdir(exist_ok=True)
        tables = run.encoder.tables()
        entries = [self.table(run, name, tables[name]) for name in self.layers if name in tables]
        activations = [name for name in self.layers if name in run.encoder.activations()]
        entries += self.samples(run, activations) if activations else []
        text = "".join(entries).encode()
        # It goes last: it names the others.
        write_whole(run.folder / CONFIG, lambda file: file.write(text))

    def table(self, run: Training, name: str, table: Tensor) -> str:
        """The first rows of a table, and what they are called."""
        rows = table[: self.count].detach().float().cpu()
        names = table_keys(run.encoder, run.dataset).get(name) or [str(row) for row in range(len(rows))]
        write_vectors(run.folder, name, rows)
        write_metadata(run.folder, f"{name}_names", {"name": names[: len(rows)]})
        return entry(name, f"{name}_names")

    def samples(self, run: Training, layers: list[str]) -> list[str]:
        """Test samples, their classes and their images."""
        found = sampled(run.dataset, run.encode, layers, self.count, run.device)
        classes = {label.name: [label.classes[i] for i in label.values.tolist()] for label in found.labels}
        if classes:
            write_metadata(run.folder, "samples", classes)
        sprite = write_sprite(run.folder, found.images)
        for name in layers:
            write_vectors(run.folder, name, found.vectors[name])
        return [entry(name, "samples" if classes else None, sprite) for name in layers]


def write_vectors(folder: Path, name: str, rows: Tensor) -> None:
    """(N, D) as tab-separated lines."""
    text = "".join("\t".join(f"{x:.5g}" for x in row) + "\n" for row in rows.tolist()).encode()
    write_whole(folder / FOLDER / f"{name}.tsv", lambda file: file.write(text))


def write_metadata(folder: Path, name: str, columns: dict[str, list[str]]) -> None:
    """The columns; the projector wants a heading only where there are several."""
    lines = [list(columns)] if len(columns) > 1 else []
    lines += [list(row) for row in zip(*columns.values(), strict=True)]
    text = "".join("\t".join(" ".join(cell.split()) or "(empty)" for cell in line) + "\n" for line in lines).encode()
    write_whole(folder / FOLDER / f"{name}.tsv", lambda file: file.write(text))


def write_sprite(folder: Path, images: Tensor | None) -> tuple[int, int] | None:
    """(N, C, H, W) as one image; returns the width and height of each."""
    if images is None:
        return None
    from PIL import Image

    content, _, (height, width) = grid(images.cpu(), THUMB)
    file = io.BytesIO()
    Image.fromarray(content).save(file, "PNG")
    write_whole(folder / FOLDER / "sprite.png", lambda target: target.write(file.getvalue()))
    return width, height


def entry(name: str, metadata: str | None, sprite: tuple[int, int] | None = None) -> str:
    """One embedding of the projector's configuration; paths count from the run folder."""
    lines: list[Any] = [f'  tensor_name: "{name}"', f'  tensor_path: "{FOLDER}/{name}.tsv"']
    if metadata:
        lines.append(f'  metadata_path: "{FOLDER}/{metadata}.tsv"')
    if sprite:
        lines.append(f'  sprite {{ image_path: "{FOLDER}/sprite.png" single_image_dim: {sprite[0]} '
                     f"single_image_dim: {sprite[1]} }}")  # fmt: skip
    return "embeddings {\n" + "\n".join(lines) + "\n}\n"
