"""Compatible: a plain double loop, its gradient, the promise it keeps by the real run, and resume."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import embloom
from data.test_labelled_text import reviews, write_csv
from embloom.data.labelled_text import LabelledText
from embloom.losses.compatible import Compatible
from embloom.training.compatibility import Old
from harness import assert_same, finish, fork, killed, outcome, wait_for
from trained import trained

DIGITS = ("trainer.accelerator=cpu", "encoder.layers=1024-64-16", "loss=[linear_head]", "probe=[knn]",
          "trainer.max_epochs=4", "callbacks=[checkpoints,metrics]")  # fmt: skip
BOTH = "loss=[linear_head,compatible]"


def by_hand(new: torch.Tensor, old: torch.Tensor, target: list[int] | None, temperature: float) -> float:
    count = len(new)
    nearest = [min(float((old[i] - old[j]).square().sum()) for j in range(count) if j != i) for i in range(count)]
    scale = sorted(nearest)[(count - 1) // 2]
    total = []
    for i in range(count):
        k = [math.exp(-float((new[i] - old[j]).square().sum()) / (2 * temperature * scale)) for j in range(count)]
        if target is None:
            total.append(-math.log(k[i] / sum(k)))
            continue
        others = [j for j in range(count) if j != i]
        same = sum(k[j] for j in others if target[j] == target[i])
        if same:
            total.append(-math.log(same / sum(k[j] for j in others)))
    return sum(total) / len(total)


@pytest.mark.parametrize("target", [None, [0, 1, 1, 0, 2, 0, 1]])
def test_it_is_a_plain_double_loop_with_a_right_gradient(target: list[int] | None) -> None:
    loss = Compatible({"embedding": 5, "old": 3}, to="V1", temperature=2.0)
    new, old = torch.randn(7, 5, dtype=torch.float64, requires_grad=True), torch.randn(7, 3, dtype=torch.float64)
    label = None if target is None else torch.tensor(target)
    assert loss(new, old, label).item() == pytest.approx(by_hand(new[:, :3].detach(), old, target, 2.0))
    assert torch.autograd.gradcheck(lambda rows: loss(rows, old, label), new)


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on half of the classes."""
    folder = tmp_path_factory.mktemp("old") / "v1"
    trained(folder, *DIGITS, "dataset.classes=[0,1,2,3,4]")
    assert embloom.load(folder).card["labels"]["label"] == ["0", "1", "2", "3", "4"]
    return folder


def test_new_queries_do_better_in_the_old_index_than_old_ones(v1: Path, tmp_path: Path) -> None:
    trained(tmp_path / "v2", *DIGITS, BOTH, f"loss.compatible.to={v1}", "trainer.max_epochs=8", "seed=5")
    lineage = embloom.load(tmp_path / "v2").card["lineage"]
    promise = lineage["promise"]
    assert lineage["parents"][0]["how"] == "compatible with"
    assert lineage["parents"][0]["content_hash"] == embloom.load(v1).content_hash
    assert promise["new_on_old"] > promise["old_on_old"]
    trained(tmp_path / "alone", *DIGITS, "trainer.max_epochs=8", "seed=5")
    alone = embloom.load(tmp_path / "alone")
    rows = torch.rand(8, 1024)
    assert not torch.allclose(alone.encode(rows), embloom.load(tmp_path / "v2").encode(rows), atol=0.1)
    # Nothing of V1 is in the checkpoint.
    found = torch.load(tmp_path / "v2" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in found} == {"encoder", "loss"}
    assert not any("compatible" in name for name in found)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("loss.compatible.to=absent",), "loss.compatible.to=absent: absent holds no embedding"),
        (("loss.compatible.to={v1}", "encoder.layers=1024-8"), "new vectors need at least as many"),
        (("loss.compatible.to={v1}", "loss.compatible.layer=nothing"), "has no such layer; available: hidden_0"),
        (("loss.compatible.to={v1}", "loss.compatible.temperature=0"), "temperature"),
        (("loss.compatible.to={v1}", "dataset.classes=[1,x]"), "classes="),
    ],
)
def test_what_does_not_fit_is_refused(v1: Path, tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trained(tmp_path / "run", *DIGITS, BOTH, *(o.format(v1=v1) for o in overrides))


def test_killed_run_resumes_to_the_same_bits(v1: Path, tmp_path: Path) -> None:
    start = ("train", "hydra.run.dir=run", *DIGITS, BOTH, f"loss.compatible.to={v1}",
             "callbacks.checkpoints.every_n_steps=2")  # fmt: skip
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    finish(fork(*start, cwd=tmp_path / "whole"), tmp_path / "whole")
    process = fork(*start, cwd=tmp_path / "killed")
    wait_for(lambda: (tmp_path / "killed" / "run" / "checkpoints" / "last.ckpt").exists())
    killed(process, 0.1)
    finish(fork("resume", "run", cwd=tmp_path / "killed"), tmp_path / "killed")
    assert_same(outcome(tmp_path / "whole" / "run"), outcome(tmp_path / "killed" / "run"))


def test_texts_of_another_vocabulary(tmp_path: Path) -> None:
    texts = reviews(80)
    write_csv(tmp_path / "old.csv", texts)
    write_csv(tmp_path / "new.csv", [*texts, *((label, f"fresh {text} words") for label, text in texts)])
    bag = ("experiment=bag_of_embeddings", "trainer=cpu", "trainer.max_epochs=2", "callbacks=[checkpoints]",
           "dataset.min_count=1", "probe=[]", f"dataset.cache={tmp_path / 'cache'}")  # fmt: skip
    v1 = tmp_path / "v1"
    trained(v1, *bag, f"dataset.path={tmp_path / 'old.csv'}")
    trained(tmp_path / "v2", *bag, "loss=[cross_entropy,compatible]", f"loss.compatible.to={v1}",
            f"dataset.path={tmp_path / 'new.csv'}")  # fmt: skip
    promise = embloom.load(tmp_path / "v2").card["lineage"]["promise"]
    assert set(promise) == {"new_on_old", "old_on_old", "new_on_new"}
    # The old embedding reads what it knows of a text: the same as from the text itself.
    old = Old(str(v1), "embedding")
    data = LabelledText(16, str(tmp_path / "new.csv"), min_count=1, cache=str(tmp_path / "cache"))
    data.setup()
    old.check(data)
    old.supply(data)
    batch = next(iter(data.loader("test")))
    parts = batch["token"].split(batch["length"].tolist())
    said = [" ".join(data.vocabulary[number] for number in part.tolist()) for part in parts]
    assert torch.allclose(batch["old"], old.embedding.encode(said), atol=1e-6)
