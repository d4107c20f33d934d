"""Nested widths: a term is its sum over prefixes, trained by the real command, resumed to the bit, and reused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import embloom
from embloom.encoders.matrix_factorization import MatrixFactorization
from embloom.losses.linear_head import LinearHead
from embloom.losses.nested import nested
from embloom.losses.weighted import WeightedLoss
from harness import assert_same, finish, fork, killed, outcome, wait_for
from trained import SMALL_DIGITS, configuration, trained

LAYERS = "encoder.layers=1024-32-8"
SMALL = (*SMALL_DIGITS, LAYERS, "loss=[linear_head,triplet]")


def first(tensors: Any, width: int) -> dict[str, Tensor]:
    return {"embedding": tensors["embedding"][:, :width]}


def test_a_term_is_the_sum_of_itself_over_prefixes_with_a_head_for_each() -> None:
    node = {"_target_": "embloom.losses.linear_head.LinearHead", "of": {"target": "label"}}
    triplet = {"_target_": "embloom.losses.triplet.Triplet", "weight": 0.5, "of": {"target": "label"}}
    widths = nested([2, 4, 6], ["embedding"], {"embedding": 6}, first)
    assert widths is not None
    assert widths.every() == [2, 4, 6]
    loss = WeightedLoss({"head": node, "triplet": triplet}, {"embedding": 6, "label": 3}, {}, widths)
    rows, label = torch.randn(12, 6), torch.randint(3, (12,))
    total, terms = loss({"embedding": rows, "label": label})
    heads = [loss.narrower["head"]["2"], loss.narrower["head"]["4"], loss.terms["head"]]  # type: ignore[index]
    assert [head.linear.in_features for head in heads if isinstance(head, LinearHead)] == [2, 4, 6]
    by_hand = sum(head(rows[:, :width], label) for head, width in zip(heads, (2, 4, 6), strict=True))
    torch.testing.assert_close(terms["head"], by_hand)
    by_hand = sum(loss.terms["triplet"](rows[:, :width], label) for width in (2, 4, 6))
    torch.testing.assert_close(terms["triplet"], by_hand)
    torch.testing.assert_close(total, terms["head"] + 0.5 * terms["triplet"])


def test_what_does_not_read_the_embedding_is_as_it_was() -> None:
    node = {"_target_": "embloom.losses.mse.MSE", "of": {"input": "reconstruction", "target": "clean"}}
    widths = nested([2], ["embedding"], {"embedding": 6}, first)
    loss = WeightedLoss({"mse": node}, {"embedding": 6, "reconstruction": 5, "clean": 5}, {}, widths)
    assert not len(loss.narrower)


def test_a_shorter_recommender_is_scored_as_one_of_that_width() -> None:
    history, offsets = torch.tensor([0, 1, 2], dtype=torch.int32), torch.tensor([0, 2, 3])
    whole = MatrixFactorization({"user": 2, "item": 3}, history, offsets, dim=6, popularity=0.5)
    small = MatrixFactorization({"user": 2, "item": 3}, history, offsets, dim=4, popularity=0.5)
    with torch.no_grad():
        small.item.copy_(whole.item[:, :3])
        small.user.copy_(whole.user[:, :3])
    for phase in (True, False):
        batch = {"user": torch.tensor([0, 1]), "item": torch.tensor([0, 2])}
        assert_close_all(whole.train(phase).cut(whole(**batch), 4), small.train(phase)(**batch))


def assert_close_all(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name])


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("nested=[4,9]",), r"loss.nested=\[4, 9\]: the embedding has 8 numbers, so a width is one of 1 to 8, and 9"),
        (("nested=4",), "write the widths in a list"),
        (("nested=[0]",), "write the widths in a list"),
        (("nested=[4]", "loss=cross_entropy", "encoder.layers=1024-10"), "loss=linear_head has a head of its own"),
    ],
)
def test_what_cannot_be_nested_is_refused(tmp_path: Path, overrides: tuple[str, ...], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trained(tmp_path / "run", *SMALL, *overrides)


def test_killed_run_resumes_to_the_same_bits_and_is_encoded_at_each_width(tmp_path: Path) -> None:
    start = ("train", "hydra.run.dir=run", *SMALL, "loss.nested=[2,4,8]", "trainer.max_epochs=3",
             "trainer.limit_train_batches=1.0", "callbacks.checkpoints.every_n_steps=3")  # fmt: skip
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    finish(fork(*start, cwd=tmp_path / "whole"), tmp_path / "whole")
    process = fork(*start, cwd=tmp_path / "killed")
    wait_for(lambda: (tmp_path / "killed" / "run" / "checkpoints" / "last.ckpt").exists())
    killed(process, 0.1)
    finish(fork("resume", "run", cwd=tmp_path / "killed"), tmp_path / "killed")
    assert_same(outcome(tmp_path / "whole" / "run"), outcome(tmp_path / "killed" / "run"))
    digits = embloom.load(tmp_path / "whole" / "run")
    assert digits.card["nested"] == [2, 4, 8]
    assert digits.card["heads"]["linear_head"]["sizes"]["embedding"] == 8
    rows = torch.rand(5, 1024)
    assert torch.equal(digits.encode(rows, dims=4), digits.encode(rows)[:, :4])
    assert len(digits.predict(rows)) == 5
    for wrong, layer, says in ((3, "embedding", "has 2, 4, 8"), (4, "hidden_0", "has no nested widths")):
        with pytest.raises(ValueError, match=says):
            digits.encode(rows, layer, dims=wrong)
    (tmp_path / "rows.csv").write_text("\n".join(",".join(["0.5"] * 1024) for _ in range(2)))
    encode = ("encode", "whole/run", "rows.csv", "-o", "short.npy", "--dims", "2")
    finish(fork(*encode, cwd=tmp_path), tmp_path)


def test_spelled_as_a_setting_of_the_loss() -> None:
    assert configuration("loss.nested=[8,16]")["nested"] == [8, 16]
    assert configuration("loss.nested=[8,16]")["loss"].keys() == configuration()["loss"].keys()


def test_words_learn_at_every_width(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", "experiment=skipgram", "trainer=cpu", f"dataset.cache={tmp_path}", "nested=[20]",
                    "callbacks=[checkpoints,metrics]", "dataset.batch_size=1024", "trainer.max_epochs=2",
                    "encoder.dim=40")  # fmt: skip
    assert found["probe/analogies"] > 0.5
    words = embloom.load(tmp_path / "run")
    assert torch.equal(words.table("embedding", 20), words.table("embedding")[:, :20])
    vectors = words.vectors(dims=20).words
    assert {name for name, _ in vectors.neighbors("king", 5)} & {"palace", "throne", "crown", "queen", "prince"}
