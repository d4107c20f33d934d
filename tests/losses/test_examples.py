"""Every loss shows how it is called, and the example is right."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

import embloom.losses
from embloom.losses.base import Classifier
from embloom.losses.weighted import WeightedLoss

MODULES = sorted(path.stem for path in Path(embloom.losses.__path__[0]).glob("[!_]*.py"))
LOSSES = [
    pytest.param(module, cls, id=cls.__name__)
    for module in (import_module(f"embloom.losses.{name}") for name in MODULES)
    for cls in vars(module).values()
    if inspect.isclass(cls) and issubclass(cls, nn.Module) and cls.__module__ == module.__name__
    if cls not in (Classifier, WeightedLoss)  # what a loss may offer, and their sum
]


@pytest.mark.parametrize(("module", "cls"), LOSSES)
def test_the_example_of_a_loss_is_right(module: object, cls: type[nn.Module]) -> None:
    found = doctest.DocTestFinder(recurse=False).find(cls, cls.__name__, globs={**vars(module), "torch": torch})
    assert "Example:" in inspect.cleandoc(cls.__doc__ or "")
    assert found[0].examples
    results = [doctest.DocTestRunner().run(test) for test in found]
    assert not any(result.failed for result in results)
