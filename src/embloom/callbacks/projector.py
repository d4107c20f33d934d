"""The most frequent words in TensorBoard's projector, with their names."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from embloom.events import Events
from embloom.module import EmbeddingModule
from embloom.probes.frozen import table_keys


class Projector(Callback):
    """Writes the tables whose rows have names, at the end.

    Args:
        count: rows, from the first on; words come by falling frequency.
        layers: which tables.

    Raises:
        ValueError: the count is below 1.
    """

    def __init__(self, count: int = 5000, layers: tuple[str, ...] | list[str] = ("embedding",)) -> None:
        if count < 1:
            raise ValueError(f"count={count}: it must be at least 1")
        self.count, self.layers = count, layers

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes what the artifact will hold."""
        assert isinstance(pl_module, EmbeddingModule)
        if not trainer.is_global_zero or not isinstance(trainer.logger, Events):
            return
        encoder = pl_module.encoder
        tables = encoder.embedding_layers()  # type: ignore[operator]
        for name, keys in table_keys(encoder, pl_module.dataset).items():
            if name in self.layers:
                table = tables[name].detach()[: self.count].float().cpu()
                # A label is a line of a file.
                labels = [" ".join(key.split()) or "?" for key in keys[: self.count]]
                trainer.logger.experiment.add_embedding(table, labels, tag=name, global_step=trainer.global_step)
