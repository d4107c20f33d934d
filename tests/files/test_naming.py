"""What runs are called: in the tree of folders, in TensorBoard, and in the commands that name them again."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from embloom.assembly.compose import asked_for, spelled
from embloom.files.naming import label, run_folder, short
from embloom.sweeps.jobs import all_jobs

NAMES = {"dataset": "digits", "encoder": "mlp", "loss": "cross_entropy"}
UGLY = [
    "optimizer.lr=0.003", "encoder.layers=1024-512-10", "dataset.path=/data/my likes (2).csv",
    "+encoder.x='a \"b\" $c'",
    "dataset.keep=[1,2,a b]", "dataset.counts={train: 192, val: 32}", "optimizer.weight_decay=1e-05", "a.b=-1", "~c",
    "dataset.path=été/東京", "encoder.x=../../..", "encoder.x=--", "encoder.x=.hidden", "encoder.x=*?[!a];rm&|<>`x`",
    "dataset.text=" + "long " * 100, "encoder.x=", "init_from.path='outputs/triplet/mlp-digits-2026-11-21_10-30-00'",
]  # fmt: skip


def test_what_varies_comes_first_and_the_time_last() -> None:
    def called(*overrides: str) -> str:
        return run_folder(NAMES, overrides, "2026-11-21_10-30-00")

    assert called() == called(
        "dataset=digits", "loss=cross_entropy", "trainer=cpu", "callbacks.probing.every_n_epochs=1"
    )
    assert called() == "cross_entropy/mlp-digits-2026-11-21_10-30-00"
    assert called("optimizer.lr=0.003", "seed=1").startswith("cross_entropy_lr=0.003_seed=1/mlp-digits-")
    assert called("experiment=mlp") == called()
    assert called("experiment=tuned", "scheduler=cosine").startswith("cross_entropy_tuned_cosine/")
    assert called("loss.triplet.weight=0.3").startswith("cross_entropy_triplet.weight=0.3/")
    assert called("dataset.root=/data/mnist", "dataset.path=a/likes.csv").startswith("cross_entropy_path=likes/")
    assert called("init_from.path='a/mlp-digits-2026-11-21_10-30-00'").startswith("cross_entropy_init_from=mlp-digits/")


@pytest.mark.parametrize("override", UGLY)
def test_a_name_is_one_word_in_a_shell_in_a_path_and_in_an_override(override: str) -> None:
    folder = f"outputs/{run_folder(NAMES, [override, 'seed=1'], '2026-11-21_10-30-00')}"
    assert all(folder.isascii() or letter.isalnum() for letter in "".join(c for c in folder if not c.isascii()))
    if folder.isascii():
        assert shlex.quote(folder) == folder
    parts = Path(folder).parts
    assert len(parts) == 3
    assert all(part[0].isalnum() and len(part.encode()) <= 120 for part in parts)
    for key in ("init_from", "dataset.path", "hydra.run.dir"):
        (read,) = OverridesParser.create().parse_overrides([spelled(f"{key}={folder}")])
        assert read.value() == folder


def test_names_with_an_equals_sign_are_read_in_lists_and_sweeps_too() -> None:
    parse = OverridesParser.create().parse_overrides
    (several,) = parse([spelled("dataset.path=a/lr=1,b/lr=2")])
    assert list(several.sweep_string_iterator()) == ["'a/lr=1'", "'b/lr=2'"]
    (listed,) = parse([spelled("dataset.path=[a/lr=1,b]")])
    assert listed.value() == ["a/lr=1", "b"]
    (ordered,) = parse([spelled("seed=sort(3,1,reverse=true)")])  # Hydra's own
    assert ordered.is_sweep_override()


def test_long_names_lose_whole_settings_and_keep_the_first() -> None:
    many = {f"encoder.option_{number}": "value" for number in range(40)}
    found = label({"loss": "cross_entropy", **many})
    assert found.startswith("cross_entropy_option_0=value_")
    assert found.endswith("=value")
    assert len(found) <= 72


def test_keys_are_as_short_as_they_are_clear() -> None:
    assert short("optimizer.lr", ["optimizer.lr", "init_from.lr"]) == "optimizer.lr"
    assert short("optimizer.lr", ["optimizer.lr"]) == "lr"


def test_both_doors_give_the_folder_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    asked, _ = asked_for(["optimizer.lr=0.003", "experiment=autoencoder", "dataset=mnist"], [])
    assert asked.folder.parts[:2] == ("outputs", "reconstruction_lr=0.003")
    assert asked.folder.name.startswith("autoencoder-mnist-20")
    jobs, _ = all_jobs(["optimizer.lr=0.1,0.2", "loss=mse,[mse,triplet]", "seed=1"], [])
    made = [job.folder for job in jobs]
    assert made == [
        "mse_lr=0.1_1",
        "mse+triplet_lr=0.1_2",
        "mse_lr=0.2_3",
        "mse+triplet_lr=0.2_4",
    ]
