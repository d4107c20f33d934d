"""GloVe end to end: it learns, is kept as the sum, can be asked and started from, and resumes to the bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import embloom
from harness import same_after_kills
from trained import trained

GLOVE = ("experiment=glove", "trainer=cpu", "callbacks=[checkpoints,metrics]", "dataset.window=5", "encoder.dim=20")


def test_learns_and_keeps_the_sum(tmp_path: Path) -> None:
    metrics = trained(tmp_path / "run", *GLOVE, f"dataset.cache={tmp_path / 'cache'}", "trainer.max_epochs=8")
    assert metrics["probe/analogies"] > 0.5, metrics
    embedding = embloom.load(tmp_path / "run")
    assert torch.equal(embedding.table("embedding"), embedding.table("word") + embedding.table("context"))
    names = embedding.words.names
    assert torch.allclose(embedding.encode({"token": [[names.index("king")]]})[0], embedding.words.vector("king"))
    skipgram = ("experiment=skipgram", "encoder.dim=20", "probe=[]", "trainer.max_epochs=1", "trainer=cpu")
    trained(tmp_path / "next", *skipgram, f"dataset.cache={tmp_path / 'cache'}", f"init_from={tmp_path / 'run'}",
            "optimizer.lr=0", "callbacks=[]")  # fmt: skip
    assert torch.equal(embloom.load(tmp_path / "next").table("embedding"), embedding.table("embedding"))


def test_refused_at_the_door(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"AdamW refuses the sparse gradients .* use optimizer=rowwise_adagrad"):
        trained(tmp_path / "run", *GLOVE, "optimizer=adamw")


@pytest.mark.parametrize("kills", [2, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_run_resumes_to_the_same_bits(tmp_path: Path, kills: int) -> None:
    arguments = (
        "train", *GLOVE, "hydra.run.dir=run", f"dataset.cache={tmp_path / 'cache'}", "trainer.max_epochs=2",
        "trainer.log_every_n_steps=13", "callbacks.checkpoints.every_n_steps=20",
    )  # fmt: skip
    same_after_kills(tmp_path, arguments, kills)
