"""Subword skip-gram end to end: resumes to the bit, is exported, and started from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import embloom
from harness import command, same_after_kills
from trained import trained

SUBWORDS = (
    "experiment=subword_skipgram", "trainer=cpu", "callbacks=[checkpoints,metrics]", "encoder.buckets=500",
    "encoder.dim=20", "probe=[]",
)  # fmt: skip


def test_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    arguments = (
        "train", *SUBWORDS, "hydra.run.dir=run", f"dataset.cache={tmp_path / 'cache'}", "trainer.max_epochs=3",
        "callbacks.checkpoints.every_n_steps=20",
    )  # fmt: skip
    same_after_kills(tmp_path, arguments, 2)


def test_is_exported_and_started_from(tmp_path: Path) -> None:
    gensim = pytest.importorskip("gensim.models", reason="the reader of word2vec's files")
    cache = f"dataset.cache={tmp_path / 'cache'}"
    trained(tmp_path / "run", *SUBWORDS, cache, "trainer.max_epochs=1")
    found = embloom.load(tmp_path / "run")
    command("export", "run", "--to", "word2vec", "--output", "words.vec", cwd=tmp_path)
    theirs = gensim.KeyedVectors.load_word2vec_format(str(tmp_path / "words.vec"))
    names = found.words.names
    assert theirs.index_to_key == names
    assert torch.allclose(torch.from_numpy(theirs.vectors.copy()), found.table("embedding"), atol=1e-6)
    trained(tmp_path / "next", *SUBWORDS, cache, "trainer.max_epochs=1", f"init_from={tmp_path / 'run'}",
            "optimizer.lr=0")  # fmt: skip
    assert torch.equal(embloom.load(tmp_path / "next").table("embedding"), found.table("embedding"))
