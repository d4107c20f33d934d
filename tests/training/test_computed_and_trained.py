"""What is computed before the training and trained on: a run that dies anywhere resumes to the same bits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from data.test_labelled_text import reviews, write_csv
from harness import assert_same, finish, fork, outcome
from training.test_resume import killed_and_resumed

COMMON = (
    "train", "hydra.run.dir=run", "trainer=cpu", "trainer.max_epochs=3", "trainer.min_batches=12",
    "callbacks=[checkpoints,metrics]", "callbacks.checkpoints.every_n_steps=3", "dataset.path=../texts.csv",
    "dataset.min_count=1", "dataset.batch_size=16", "probe=[chance]",
)  # fmt: skip
PARTS = {
    "bag_of_ngrams": ("encoder.buckets=256", "encoder.layers=8-2"),
    "lsa": ("encoder.max_share=0.6", "encoder.features=256", "encoder.dim=4", "dataset.train_size=60"),
}


@pytest.mark.slow
@pytest.mark.parametrize("experiment", PARTS)
def test_killed_run_resumes_to_the_same_bits(experiment: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "texts.csv", reviews(200))
    train = (*COMMON, f"experiment={experiment}", *PARTS[experiment])
    whole = tmp_path / "whole"
    whole.mkdir()
    finish(fork(*train, cwd=whole), whole)
    kills = 0
    for attempt in range(6):
        folder = tmp_path / f"killed{attempt}"
        folder.mkdir()
        kills += killed_and_resumed(train, folder, random.Random(attempt), 0.6)
        assert_same(outcome(whole / "run"), outcome(folder / "run"))
        if kills:
            return
    raise AssertionError("no kill came before the end")
