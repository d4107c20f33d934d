"""Subword skip-gram end to end: resumes to the bit, is exported, and started from."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

import embloom
from harness import assert_same, command, finish, fork, killed, outcome, wait_for
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
    whole, folder, moments = tmp_path / "whole", tmp_path / "killed", random.Random(0)
    for place in (whole, folder):
        place.mkdir()
    finish(fork(*arguments, cwd=whole), whole)
    process = fork(*arguments, cwd=folder)
    wait_for(lambda: (folder / "run" / "checkpoints" / "last.ckpt").exists())
    done = 0
    while done < 2 and killed(process, moments.uniform(0.05, 0.6)):
        done += 1
        process = fork("resume", "run", cwd=folder)
    finish(process, folder)
    assert done, "no kill"
    assert_same(outcome(whole / "run"), outcome(folder / "run"))


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
