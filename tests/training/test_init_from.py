"""Training starts from a resume, else from `init_from`, else from scratch; what was started is trained as asked."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import embloom
from embloom.artifact.weights import read_source
from embloom.encoders.base import Encoder
from embloom.training.init_from import begin
from embloom.training.preparing import prepared
from harness import assert_same, finish, fork, killed, outcome, wait_for
from trained import SMALL_DIGITS, configuration, trained

SMALL = (*SMALL_DIGITS, "encoder.layers=1024-32-10")
WIDER = ("encoder.layers=1024-32-12", "loss=supervised_contrastive")  # only the first layer fits the source's
OTHER = ("encoder=autoencoder", "loss=[reconstruction]", "encoder.layers=1024-32-8", *SMALL_DIGITS)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the same shape."""
    folder = tmp_path_factory.mktemp("source") / "run"
    trained(folder, *SMALL, "seed=5")
    return folder


def started(*overrides: str) -> dict[str, torch.Tensor]:
    """The encoder's weights at the start of a training."""
    return prepared(configuration(*SMALL, *overrides)).encoder.state_dict()


def last(folder: Path) -> dict[str, Any]:
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {name.removeprefix("encoder."): tensor for name, tensor in state.items()}


@pytest.mark.parametrize("form", ["run", "embeddings", "checkpoints/last.ckpt", "embeddings/layers.safetensors"])
def test_every_kind_of_source_starts_by_name(source: Path, form: str) -> None:
    path = source if form == "run" else source / form
    expected = last(source) if "last" in form else dict(embloom.load(source).encoder.state_dict())
    assert_same(dict(started(f"init_from={path}")), {name: expected[name] for name in expected})


def test_map_names_layers_and_their_beginnings(source: Path, tmp_path: Path, capsys: Any) -> None:
    trained(tmp_path / "ae", *OTHER)
    capsys.readouterr()
    weights = started(f"init_from={tmp_path / 'ae'}", "init_from.map={linears.0: down.0}")
    theirs = embloom.load(tmp_path / "ae").encoder.state_dict()
    assert torch.equal(weights["linears.0.weight"], theirs["down.0.weight"])
    assert torch.equal(weights["linears.1.weight"], started()["linears.1.weight"])
    said = capsys.readouterr().out
    assert "loaded      linears.0.weight <- down.0.weight: 32x1024" in said
    assert "initialised linears.1.weight: not in the source" in said
    assert "skipped     up.0.weight of the source" in said


def test_mismatched_shapes_are_said_and_randomly_initialised(source: Path, capsys: Any) -> None:
    weights = started(f"init_from={source}", *WIDER)
    assert "mismatched  linears.1.weight is 12x32 here, linears.1.weight is 10x32 there" in capsys.readouterr().out
    assert torch.equal(weights["linears.0.weight"], embloom.load(source).encoder.state_dict()["linears.0.weight"])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["init_from=absent"], "init_from=absent: there is nothing"),
        (["init_from={source}", "init_from.map={nothing: linears.0}"], "init_from.map.nothing.*encoder has no such"),
        (["init_from={source}", "init_from.map={linears.0: linear.0}"], "did you mean linears.0"),
        (["init_from={source}", "init_from.map={linears.0: linears.1}"], "32x1024 here, linears.1.weight is 10x32"),
        (["init_from={source}", "encoder.layers=1024-7-5-10"], "nothing in it fits the encoder"),
        (["init_from={source}", "init_from.thaw_epoch=1"], "nothing to train before"),
    ],
)
def test_what_cannot_be_started_is_refused(source: Path, overrides: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        started(*(o.format(source=source) if "{source}" in o else o for o in overrides))


def test_settings_that_contradict_are_refused_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"thaw_epoch=0(.|\n)*lr=-1(.|\n)*init_from.lr needs init_from=PATH"):
        trained(tmp_path / "run", *SMALL, "init_from.thaw_epoch=0", "init_from.lr=-1")


def test_malicious_files_are_refused_and_never_run(tmp_path: Path) -> None:
    import os

    class Evil:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.system, (f"touch {tmp_path}/ran",)

    torch.save({"encoder.weight": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"cannot be read: .* could execute code"):
        read_source(tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()


FROM = ("train", "hydra.run.dir=run", *SMALL, "trainer.max_epochs=3", "trainer.limit_train_batches=1.0")


def test_frozen_layers_do_not_move_and_thawed_ones_do(source: Path, tmp_path: Path) -> None:
    part = (f"init_from={source}", *WIDER)
    first = embloom.load(source).encoder.state_dict()["linears.0.weight"]
    trained(tmp_path / "frozen", *SMALL, *part, "init_from.freeze=true", "trainer.max_epochs=2")
    assert torch.equal(last(tmp_path / "frozen")["linears.0.weight"], first)
    assert not torch.equal(last(tmp_path / "frozen")["linears.1.weight"], started(*part)["linears.1.weight"])
    trained(tmp_path / "thawed", *SMALL, *part, "init_from.thaw_epoch=1", "trainer.max_epochs=2")
    assert not torch.equal(last(tmp_path / "thawed")["linears.0.weight"], first)
    trained(tmp_path / "slow", *SMALL, *part, "init_from.lr=0", "trainer.max_epochs=2", "optimizer.weight_decay=0")
    assert torch.equal(last(tmp_path / "slow")["linears.0.weight"], first)
    groups = torch.load(tmp_path / "slow" / "checkpoints" / "last.ckpt", weights_only=True)["optimizer_states"][0]
    assert [group["initial_lr"] for group in groups["param_groups"]] == [configuration(*SMALL)["optimizer"]["lr"], 0]


def test_frozen_running_statistics_stay(tmp_path: Path) -> None:
    norm = ("encoder.norm=batch", "encoder.layers=1024-32-10")
    trained(tmp_path / "source", *SMALL, *norm)
    expected = embloom.load(tmp_path / "source").encoder.state_dict()["norms.0.running_mean"]
    frozen = (*WIDER, f"init_from={tmp_path / 'source'}", "init_from.freeze=true")
    trained(tmp_path / "run", *SMALL, *norm, *frozen, "seed=3", "trainer.max_epochs=2")
    assert torch.equal(last(tmp_path / "run")["norms.0.running_mean"], expected)


@pytest.mark.parametrize(
    "how",
    [
        ("init_from.thaw_epoch=2", "init_from.lr=0.001"),
        pytest.param((), marks=pytest.mark.slow),
        pytest.param(("init_from.freeze=true",), marks=pytest.mark.slow),
    ],
)
def test_killed_run_resumes_to_the_same_bits_without_its_source(source: Path, tmp_path: Path, how: Any) -> None:
    start = (*FROM, "init_from=../source", *WIDER, *how, "callbacks.checkpoints.every_n_steps=5")
    shutil.copytree(source, tmp_path / "source")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    whole, broken = tmp_path / "whole", tmp_path / "killed"
    finish(fork(*start, cwd=whole), whole)
    process = fork(*start, cwd=broken)
    wait_for(lambda: (broken / "run" / "checkpoints" / "last.ckpt").exists())
    killed(process, 0.15)
    shutil.rmtree(tmp_path / "source")
    finish(fork("resume", "run", cwd=broken), broken)
    assert_same(outcome(whole / "run"), outcome(broken / "run"))


class Words(Encoder):
    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(4, 3)


def test_words_match_by_word_and_not_by_row(tmp_path: Path) -> None:
    table = torch.arange(12.0).view(4, 3)
    vectors = tmp_path / "vectors.txt"
    vectors.write_text(
        "3 3\n" + "".join(f"{w} {' '.join(map(str, r.tolist()))}\n" for w, r in zip("dab", table[:3], strict=True))
    )
    encoder = Words()
    drawn = encoder.words.weight.detach().clone()
    start = begin(encoder, {"path": str(vectors)}, {"words": ["a", "b", "c", "d"]})
    assert start.names == ["words.weight"]
    assert torch.equal(encoder.words.weight[[3, 0, 1]], table[:3])
    assert torch.equal(encoder.words.weight[2], drawn[2])
    # Rows without names would be taken by their number: refused.
    safetensors.torch.save_file({"words": table}, tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="nothing in it fits"):
        begin(encoder, {"path": str(tmp_path / "bare.safetensors")}, {"words": ["a", "b", "c", "d"]})


def test_command_says_what_it_did_and_what_is_wrong(source: Path, tmp_path: Path) -> None:
    finish(fork("train", *SMALL, f"init_from={source}", "hydra.run.dir=run", cwd=tmp_path), tmp_path)
    assert "loaded      linears.0.weight <- 32x1024" in (tmp_path / "output.txt").read_text()
    wrong = fork("train", *SMALL, "init_from=nowhere", "hydra.run.dir=wrong", cwd=tmp_path)
    wrong.join(120)
    assert wrong.exitcode == 2
    assert "\nerror: init_from=nowhere: there is nothing at nowhere" in (tmp_path / "output.txt").read_text()
    assert not (tmp_path / "wrong").exists()
