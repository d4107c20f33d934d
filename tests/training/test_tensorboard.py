"""TensorBoard's events of a run that goes on later, or earlier, as the clock has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from embloom.comparison.curves import curves
from embloom.training.loggers.base import About
from embloom.training.loggers.tensorboard import TensorBoard, event_files, rewind


@pytest.mark.parametrize("stamp", ["9999999998", "0000000001"])
def test_a_new_file_comes_after_those_that_are_there(stamp: str, tmp_path: Path) -> None:
    first = TensorBoard()
    first.open(About(tmp_path, "run", {}, "", fresh=False))
    first.scalars({"loss": 3.0}, 0)
    first.close("stopped")
    (old,) = event_files(tmp_path)
    old.rename(tmp_path / f"events.out.tfevents.{stamp}.elsewhere.1.0")  # the clock said something else then
    second = TensorBoard()
    second.open(About(tmp_path, "run", {}, "", fresh=False))
    position = second.position()
    second.scalars({"loss": 2.0}, 1)
    second.close("finished")
    assert event_files(tmp_path)[0].name.split(".")[3] == stamp
    assert curves(tmp_path)["loss"] == ([0, 1], [3.0, 2.0])
    rewind(tmp_path, position)
    assert curves(tmp_path)["loss"] == ([0], [3.0])
