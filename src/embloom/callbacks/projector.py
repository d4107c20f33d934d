"""Vectors, labels and thumbnails for TensorBoard's projector, written at the end of a run."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from embloom.compare.points import drawn
from embloom.data.base import Dataset
from embloom.data.sprites import grid
from embloom.files.atomic import write_whole
from embloom.training.module import EmbeddingModule
from embloom.training.tensorboard import Events

# TensorBoard looks for it beside the event files, so that one --logdir shows every run.
CONFIG = "projector_config.pbtxt"
FOLDER = "projector"
THUMB = 32


class Projector(Callback):
    """Writes `projector/` and `projector_config.pbtxt` to the run folder: of every embedding layer the rows, what
    they are called, and small pictures where the data is pictures.

    Args:
        count: at most so many rows: of samples, drawn from the test split; of a table the first, which for words
            are the most frequent.
        layers: names, or `embedding` alone, which is enough for most.

    Raises:
        ValueError: the count is below 1.
    """

    def __init__(self, count: int = 5000, layers: str | Sequence[str] = "embedding") -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"count={count}: it must be a whole number of at least 1")
        self.count, self.layers = count, [layers] if isinstance(layers, str) else list(layers)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Embeds once more and writes; the weights are the ones that the artifact keeps."""
        assert isinstance(pl_module, EmbeddingModule)
        if not trainer.is_global_zero or not isinstance(trainer.logger, Events):
            return
        folder = trainer.logger.folder
        (folder / FOLDER).mkdir(exist_ok=True)
        there: dict[str, Tensor | None] = pl_module.encoder.embedding_layers()  # type: ignore[operator]
        tables = {name: there[name] for name in self.layers if there.get(name) is not None}
        sampled = [name for name in self.layers if name in there and name not in tables]
        entries = [self.table(folder, pl_module, name, table) for name, table in tables.items() if table is not None]
        entries += self.samples(folder, pl_module, sampled) if sampled else []
        text = "".join(entries).encode()
        # It goes last: it names the others.
        write_whole(folder / CONFIG, lambda file: file.write(text))

    def table(self, folder: Path, module: EmbeddingModule, name: str, table: Tensor) -> str:
        """The first rows of a table, and what they are called."""
        rows = table[: self.count].detach().float().cpu()
        columns = getattr(module.encoder, "rows", {})
        keys: dict[str, list[str]] = getattr(module.dataset, "keys", dict)()
        names = keys.get(columns.get(name, ""), [str(row) for row in range(len(rows))])[: len(rows)]
        write_vectors(folder, name, rows)
        write_metadata(folder, f"{name}_names", {"name": names})
        return entry(name, f"{name}_names")

    @torch.no_grad()
    def samples(self, folder: Path, module: EmbeddingModule, layers: Sequence[str]) -> list[str]:
        """Test samples, their classes and their pictures."""
        _, points, columns = drawn(module.dataset, self.count)
        module.encoder.eval()
        chunks = [module.encode_wire(part) for part in split(module.dataset, columns, module.device)]
        classes = {label.name: [label.classes[i] for i in label.values.tolist()] for label in points.labels}
        if classes:
            write_metadata(folder, "samples", classes)
        sprite = write_sprite(folder, points.pictures)
        for name in layers:
            write_vectors(folder, name, torch.cat([chunk[name] for chunk in chunks]).float().cpu())
        return [entry(name, "samples" if classes else None, sprite) for name in layers]


def split(
    dataset: Dataset, columns: dict[str, Tensor], device: torch.device, size: int = 2048
) -> list[dict[str, Tensor]]:
    """The columns in batches on the device."""
    count = len(next(iter(columns.values())))
    parts = (dataset.choose(columns, rows) for rows in torch.arange(count).split(size))
    return [{name: column.to(device) for name, column in part.items()} for part in parts]


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


def write_sprite(folder: Path, pictures: Tensor | None) -> tuple[int, int] | None:
    """(N, C, H, W) as one picture; returns the width and height of each."""
    if pictures is None:
        return None
    from PIL import Image

    content, _, (height, width) = grid(pictures.cpu(), THUMB)
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
