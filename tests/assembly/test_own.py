"""What may be imported: embloom's and torch's modules, and what the user has named; never what only a file names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from embloom.assembly import own
from embloom.assembly.build import build, locate

LOSS = """
from pathlib import Path
from torch import nn

Path({mark!r}).touch()


class Loss(nn.Module):
    origin = {origin!r}

    def forward(self, embedding):
        return embedding.mean()
"""


def module(folder: Path, name: str, mark: Path, origin: str = "") -> Path:
    """A file with a loss; importing it makes the file `mark`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(LOSS.format(mark=str(mark), origin=origin))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, from which Python would import."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    return folder


@pytest.fixture(autouse=True)
def forgotten() -> Any:
    """Modules that a test imported are imported anew in the next."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("canary"):
            del sys.modules[name]


def test_a_module_that_nobody_named_is_not_imported(here: Path, tmp_path: Path) -> None:
    module(here, "canary_here", tmp_path / "executed")
    for name in ("canary_here.Loss", "canary_here.Loss.deeper", "canary_absent.Loss"):
        with pytest.raises(ValueError, match=r"^loss\.x\._target_=.* nor named by you.* add --config-dir FOLDER"):
            locate(name, nn.Module, "loss.x")
    assert not (tmp_path / "executed").exists()
    # It could have been: that it was not is the doing of what is tested.
    with own.parts(anything=True):
        assert locate("canary_here.Loss", nn.Module, "loss.x").__name__ == "Loss"
    assert (tmp_path / "executed").exists()


def test_a_module_that_is_loaded_already_is_no_exception(here: Path, tmp_path: Path) -> None:
    module(here, "canary_loaded", tmp_path / "executed")
    with own.parts(anything=True):
        locate("canary_loaded.Loss", nn.Module, "loss.x")
    with pytest.raises(ValueError, match="nor named by you"):
        locate("canary_loaded.Loss", nn.Module, "loss.x")


def test_a_file_of_a_named_folder_is_imported_while_the_folder_is_named(tmp_path: Path) -> None:
    folder = module(tmp_path / "mine", "canary_mine", tmp_path / "executed")
    with own.parts([folder]):
        assert build({"_target_": "canary_mine.Loss"}, nn.Module, where="loss.x")
        assert own.folders_in_use() == [str(folder.resolve())]
    assert (tmp_path / "executed").exists()
    assert own.folders_in_use() == []
    with pytest.raises(ValueError, match="nor named by you"):
        locate("canary_mine.Loss", nn.Module, "loss.x")


def test_a_package_of_a_named_folder_is_imported(tmp_path: Path) -> None:
    package = module(tmp_path / "mine" / "canary_package", "losses", tmp_path / "executed")
    (package / "__init__.py").touch()
    with own.parts([tmp_path / "mine"]):
        assert locate("canary_package.losses.Loss", nn.Module, "loss.x").__name__ == "Loss"


def test_the_named_folder_goes_before_the_current_one(here: Path, tmp_path: Path) -> None:
    module(here, "canary_twice", tmp_path / "wrong", "here")
    folder = module(tmp_path / "mine", "canary_twice", tmp_path / "right", "mine")
    with own.parts([folder]):
        assert locate("canary_twice.Loss", nn.Module, "loss.x").origin == "mine"  # type: ignore[attr-defined]
    assert not (tmp_path / "wrong").exists()


def test_two_folders_may_have_a_file_of_the_same_name(tmp_path: Path) -> None:
    found = []
    for name in ("one", "other"):
        with own.parts([module(tmp_path / name, "canary_same", tmp_path / "executed", name)]):
            found.append(locate("canary_same.Loss", nn.Module, "loss.x").origin)  # type: ignore[attr-defined]
    assert found == ["one", "other"]


def test_no_file_takes_the_place_of_the_standard_library_or_of_embloom(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name in ("json", "embloom", "torch"):
        module(folder, name, tmp_path / "executed")
    with own.parts([folder]):
        assert locate("torch.nn.Linear", nn.Module, "loss.x") is nn.Linear
        with pytest.raises(ValueError, match="json is neither"):
            locate("json.Loss", nn.Module, "loss.x")
    assert not (tmp_path / "executed").exists()


INSTALLED = "torchvision.ops.FrozenBatchNorm2d"


@pytest.mark.parametrize(
    "line", [f"_target_: {INSTALLED}", f'x: {{"_target_": "{INSTALLED}"}}', f"  _target_: {INSTALLED}"]
)
def test_a_yaml_of_a_named_folder_may_name_an_installed_package(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"torchvision\.ops is neither"):
        locate(INSTALLED, nn.Module, "loss.x")
    (tmp_path / "loss").mkdir()
    (tmp_path / "loss" / "norm.yaml").write_text(f"norm:\n  weight: 1\n{line}\n")
    with own.parts([tmp_path]):
        assert locate(INSTALLED, nn.Module, "loss.x").__name__ == "FrozenBatchNorm2d"
        with pytest.raises(ValueError, match=r"sklearn\.svm is neither"):
            locate("sklearn.svm.SVC", nn.Module, "loss.x")
    with pytest.raises(ValueError, match=r"torchvision\.ops is neither"):
        locate(INSTALLED, nn.Module, "loss.x")


def test_a_class_that_was_handed_over_needs_no_file() -> None:
    with own.parts(classes={"parts:loss.mine": nn.MSELoss}):
        assert locate("parts:loss.mine", nn.Module, "loss.mine") is nn.MSELoss
    with pytest.raises(
        ValueError, match=r"^loss\.mine: its class was handed over in Python.* parts=\{'loss': \.\.\.\}"
    ):
        locate("parts:loss.mine", nn.Module, "loss.mine")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"^--config-dir .*absent: there is no such folder$"),
        own.parts([tmp_path / "absent"]),
    ):
        pass


def test_what_fails_inside_leaves_no_trust_behind(tmp_path: Path) -> None:
    finders = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), own.parts([tmp_path], {"parts:x": nn.MSELoss}, anything=True):
        _ = 1 / 0
    assert sys.meta_path == finders
    assert not own.TRUST.anything
    assert not own.TRUST.classes
    assert own.folders_in_use() == []
