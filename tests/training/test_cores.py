"""The threads of a training: one where a step is little work, noted, and the same on a resume."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from embloom.files.run_state import read_state
from embloom.training import cores
from embloom.training.preparing import prepared
from embloom.training.run import resume
from trained import SMALL_DIGITS, configuration, trained


@pytest.fixture(autouse=True)
def four() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    assert torch.get_num_threads() == 4  # a run leaves the process as it was
    torch.set_num_threads(before)


def chosen(*overrides: str) -> int:
    config = configuration(*overrides)
    return cores.chosen(config["trainer"], prepared(config))


def test_the_work_of_a_step_decides() -> None:
    assert chosen("encoder.layers=1024-512-10", "dataset.batch_size=64") == 1
    assert chosen("encoder.layers=1024-512-10", "dataset.batch_size=128") == 2
    assert chosen("encoder.layers=1024-2048-10", "dataset.batch_size=512") == 4
    # Weights say nothing of the work of convolutions and tables.
    assert chosen("encoder=conv", "loss=triplet") == chosen("encoder=pca", "loss=[]") == 4
    assert chosen("trainer.threads=3") == 3


def test_a_resume_takes_as_many_as_there_were(tmp_path: Path) -> None:
    trained(
        tmp_path / "run", *SMALL_DIGITS, "encoder.layers=auto-8-auto", "trainer.threads=2", "callbacks=[checkpoints]"
    )
    assert read_state(tmp_path / "run").threads == 2
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    config["trainer"] |= {"max_epochs": 2, "threads": "auto"}
    resume(config, tmp_path / "run", {})
    assert read_state(tmp_path / "run").threads == 2
    config["trainer"] |= {"max_epochs": 3, "threads": 1}
    resume(config, tmp_path / "run", {})
    assert read_state(tmp_path / "run").threads == 1
