"""Building from config nodes: only classes of the kind that is wanted, with messages that help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from embloom.assembly import own
from embloom.assembly.build import arguments, build, did_you_mean, locate

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 3, "out_features": 2}


class Picky(nn.Module):
    def __init__(self, sizes: dict[str, int], margin: float = 1.0) -> None:
        super().__init__()
        if margin < 0:
            raise ValueError(f"margin={margin}: it must be at least 0")
        if margin > 9:
            raise ValueError("this is too much")
        self.sizes, self.margin = sizes, margin


def picky(**node: Any) -> Picky:
    with own.parts([Path(__file__).parent]):
        return build({"_target_": f"{__name__}.Picky", **node}, Picky, where="loss.mine", supplied={"sizes": {"x": 1}})


def test_builds_what_the_node_says() -> None:
    layer = build({**LINEAR, "bias": False, "weight": 3, "of": {"a": "b"}}, nn.Linear, where="encoder")
    assert (layer.in_features, layer.out_features) == (3, 2)
    assert "bias" not in layer.state_dict()


def test_supplied_values_reach_parameters_of_their_name_only() -> None:
    assert picky(margin=2).sizes == {"x": 1}
    assert picky(sizes={"y": 2}).sizes == {"y": 2}  # the node wins
    assert build(LINEAR, nn.Linear, where="encoder", supplied={"sizes": {}}).in_features == 3


@pytest.mark.parametrize(
    "target",
    [
        "os.system", "builtins.eval", "subprocess.Popen", "torch.load", "pathlib.Path", "torch.nn", "json.JSONDecoder",
        "embloom.assembly.build.build",
    ],
)  # fmt: skip
def test_a_target_of_another_kind_is_not_called(target: str) -> None:
    # Not even where the user has typed all of the configuration.
    with own.parts(anything=True), pytest.raises(ValueError, match=r"^encoder\._target_=.* is not a Module class$"):
        build({"_target_": target, "command": "false"}, nn.Module, where="encoder")


@pytest.mark.parametrize(
    "target", ["no.such.Loss", "torch.nn.Nothing", "Linear", "", ".", "..os", "torch.nn.", None, 7]
)
def test_a_target_that_is_not_there(target: Any) -> None:
    with pytest.raises(ValueError, match=r"^encoder\._target_=.* cannot be imported"):
        build({"_target_": target}, nn.Module, where="encoder")


def test_a_module_of_the_users_that_fails_is_shown_whole(tmp_path: Path) -> None:
    (tmp_path / "users_broken_module.py").write_text("1 / 0")
    with own.parts([tmp_path]), pytest.raises(ZeroDivisionError):  # the traceback is what helps here
        locate("users_broken_module.Loss", nn.Module, "loss.mine")


def test_names_the_override_of_every_mistake() -> None:
    with pytest.raises(ValueError, match=r"^loss\.mine has no _target_"):
        build({"margin": 1}, nn.Module, where="loss.mine")
    with pytest.raises(ValueError, match=r"^loss\.mine\.margn: Picky has no such parameter; did you mean margin\?$"):
        picky(margn=1)
    with pytest.raises(ValueError, match=r"^encoder\.out_features is missing: Linear needs it$"):
        build({"_target_": "torch.nn.Linear", "in_features": 3}, nn.Module, where="encoder")
    with pytest.raises(ValueError, match=r"^loss\.mine\.margin=-1: it must be at least 0$"):
        picky(margin=-1)
    with pytest.raises(ValueError, match=r"^this is too much$"):
        picky(margin=10)
    with pytest.raises(ValueError, match=r"^loss\.mine\.margin=big: it must be a number$"):
        picky(margin="big")


class OfColor(nn.Module):
    def __init__(self, sizes: dict[str, int]) -> None:
        super().__init__()
        self.head = nn.Linear(sizes["color"], 2)


def test_a_size_that_the_dataset_lacks_is_named() -> None:
    node = {"_target_": "parts:encoder.of_color"}
    says = r"^encoder: OfColor needs the tensor 'color'; available: image, label\. Rename with \+encoder\.of\.color="
    with own.parts(classes={node["_target_"]: OfColor}):
        with pytest.raises(ValueError, match=says):
            build(node, nn.Module, where="encoder", supplied={"sizes": {"label": 1, "image": 2}})
        assert build(node, OfColor, where="encoder", supplied={"sizes": {"color": 3}}).head.in_features == 3


def test_a_class_that_is_given_wins_over_the_target() -> None:
    assert build({"_target_": "os.system", "p": 0.25}, nn.Dropout, where="encoder", cls=nn.Dropout).p == 0.25


def test_base_may_be_several() -> None:
    kinds = (nn.Linear, nn.Dropout)
    assert locate("torch.nn.Dropout", kinds, "encoder") is nn.Dropout
    with pytest.raises(ValueError, match="is not a Linear or Dropout class"):
        locate("torch.nn.ReLU", kinds, "encoder")


def test_arguments_of_classes_that_take_any() -> None:
    class Anything:
        def __init__(self, first: int, *rest: int, **options: int) -> None: ...

    assert arguments(Anything, supplied={"sizes": 1}, node={"first": 1, "other": 2}, where="x") == {
        "first": 1,
        "other": 2,
    }


def test_did_you_mean() -> None:
    assert did_you_mean("margn", ["margin", "mining"]) == "did you mean margin?"
    assert did_you_mean("xyz", ["b", "a"]) == "available: a, b"
    assert did_you_mean("xyz", []) == "there is none"
    assert torch.nn.Linear.__name__ == "Linear"
