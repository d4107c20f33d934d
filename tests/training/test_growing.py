"""An embedding grows: known rows stay to the bit or are anchored, new ones are trained, and nothing is forgotten."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import embloom
from embloom.data.grammar import documents
from embloom.encoders.skipgram import SkipGram
from embloom.losses.weighted import WeightedLoss
from embloom.training.growing import Grown, neighbors_kept
from harness import assert_same, finish, fork, killed, outcome, scalars, wait_for
from trained import trained

NEW = {"king", "queen"}
GONE = "zebra"  # of which the new text says nothing
TEXT = ("experiment=skipgram", "trainer.accelerator=cpu", "callbacks=[checkpoints,metrics]", "dataset.batch_size=1024",
        "trainer.max_epochs=1", "encoder.dim=24", "probe=[]")  # fmt: skip
DENSE = ("encoder.sparse=false", "encoder.dtype=float32")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text without two words, text with them, and what was trained on the first."""
    folder = tmp_path_factory.mktemp("growing")
    said = [" ".join(document) for document in documents()][:1500]
    random.Random(0).shuffle(said)
    old = [line for line in said if not NEW & set(line.split())]
    (folder / "old.txt").write_text("\n".join([*old, *[f"{GONE} on the grass"] * 8]))
    (folder / "new.txt").write_text("\n".join(line for line in said if NEW & set(line.split())))
    trained(folder / "v1", *TEXT, f"dataset.path={folder}/old.txt", f"dataset.cache={folder}/cache")
    return folder


def grown(place: Path, folder: Path, *overrides: str) -> embloom.Embedding:
    """V1, grown with the new text."""
    paths = (f"dataset.path={place}/new.txt", f"dataset.cache={place}/cache", f"init_from={place}/v1")
    trained(folder, *TEXT, *paths, "seed=3", *overrides)
    return embloom.load(folder)


def rows_of(embedding: embloom.Embedding, table: str, names: list[str]) -> torch.Tensor:
    number = {name: row for row, name in enumerate(embedding.keys[table])}
    return embedding.table(table)[[number[name] for name in names]]


@pytest.mark.parametrize(
    "how",
    [
        ("trainer.max_epochs=2",),
        ("optimizer=sparse_adam", "optimizer.lr=0.01"),
        ("optimizer=sparse_sgd",),
        ("loss=[negative_sampling,full_softmax]",),
        (*DENSE, "optimizer=adamw", "optimizer.weight_decay=0.3", "trainer.gradient_clip_val=1"),
        (*DENSE, "optimizer=sgd", "evaluate=best", "trainer.accumulate_grad_batches=2"),
        (*DENSE, "optimizer=adam", "nested=[8]", "trainer.precision=bf16-mixed"),
    ],
    ids=" ".join,
)
def test_known_rows_stay_to_the_bit_with_every_optimizer(place: Path, tmp_path: Path, how: tuple[str, ...]) -> None:
    v1, v2 = embloom.load(place / "v1"), grown(place, tmp_path / "v2", "init_from.keep_rows=true", *how)
    assert NEW | set(v1.words.names) == set(v2.words.names)
    for table in ("embedding", "output"):
        kept = rows_of(v2, table, v1.words.names)
        assert torch.equal(kept.view(torch.int32), v1.table(table).view(torch.int32))
        # What is new has moved from where it was: 0 in the table of outputs.
        assert bool((rows_of(v2, "output", sorted(NEW)) != 0).all())
    lineage = v2.card["lineage"]
    assert lineage["parents"][0]["how"] == "grown from"
    assert lineage["parents"][0]["content_hash"] == v1.content_hash
    assert lineage["promise"] == {"rows_kept": 2.0 * len(v1.words.names), "rows_kept_share": 1.0, "neighbors_kept": 1.0}
    for name in ("best", "last"):
        found = torch.load(tmp_path / "v2" / "checkpoints" / f"{name}.ckpt", weights_only=True)["state_dict"]
        number = {word: row for row, word in enumerate(v2.words.names)}
        rows = [number[word] for word in v1.words.names]
        assert torch.equal(found["encoder.embedding"][rows], v1.table("embedding"))


def test_new_words_are_found_among_their_like(place: Path, tmp_path: Path) -> None:
    v2 = grown(place, tmp_path / "v2", "init_from.keep_rows=true", "trainer.max_epochs=6")
    royal, other = (
        sum(v2.words.similarity(new, word) for new in NEW for word in words)
        for words in (("prince", "princess", "throne", "palace"), ("kitten", "puppy", "milk", "cheese"))
    )
    assert royal > other + 0.4


def test_an_anchor_is_a_term_and_holds_as_much_as_it_weighs(place: Path, tmp_path: Path) -> None:
    moved = []
    for weight in ("1e-9", "1000"):
        folder = tmp_path / weight
        v2 = grown(place, folder, f"init_from.anchor={weight}", "trainer.log_every_n_steps=1")
        before, after = (rows_of(v, "embedding", embloom.load(place / "v1").words.names)
                         for v in (embloom.load(place / "v1"), v2))  # fmt: skip
        moved.append(float((after - before).square().sum(1).mean()))
        assert scalars(folder)["train/loss_anchor"][-1][1] > 0
        assert v2.card["lineage"]["promise"]["rows_kept_share"] < 1
    assert moved[1] < moved[0] / 2


@pytest.mark.parametrize("sparse", [False, True])
def test_the_distance_is_the_mean_over_rows_of_a_plain_loop(sparse: bool) -> None:
    encoder = SkipGram({"token": 6}, dim=3, sparse=sparse)
    rows, there = torch.tensor([1, 4]), torch.randn(2, 3)
    other = torch.tensor([0]), torch.randn(1, 3)
    began = {"embedding": (rows, there), "output": other}
    found = Grown(encoder, WeightedLoss({}, {}, {}), began, False, {}).moved(sparse)
    pairs = [(encoder.embedding[1], there[0]), (encoder.embedding[4], there[1]), (encoder.output[0], other[1][0])]
    by_hand = sum(((a - b) ** 2).sum() for a, b in pairs) / 3
    torch.testing.assert_close(found, by_hand)
    found.backward()
    assert encoder.embedding.grad is not None
    assert encoder.embedding.grad.is_sparse is sparse
    torch.testing.assert_close(encoder.embedding.grad.to_dense()[4], 2 / 3 * (encoder.embedding[4] - there[1]).detach())


def test_neighbors_kept_is_a_plain_count() -> None:
    before, after = torch.randn(30, 4), torch.randn(30, 4)
    share = 0.0
    for row in range(30):
        near = []
        for table in (before, after):
            cosines = torch.nn.functional.cosine_similarity(table[row], table)
            cosines[row] = -2
            near.append(set(cosines.topk(10).indices.tolist()))
        share += len(near[0] & near[1]) / 10 / 30
    assert neighbors_kept(before, after) == pytest.approx(share)
    assert neighbors_kept(before, before) == 1


@pytest.mark.parametrize(
    "how", ["init_from.keep_rows=true", pytest.param("init_from.anchor=1", marks=pytest.mark.slow)]
)
def test_killed_run_resumes_to_the_same_bits_without_its_source(place: Path, tmp_path: Path, how: str) -> None:
    start = ("train", "hydra.run.dir=run", *TEXT, "dataset.path=../new.txt", f"dataset.cache={place}/cache",
             "init_from=../v1", how, "trainer.max_epochs=5", "callbacks.checkpoints.every_n_steps=2")  # fmt: skip
    shutil.copy(place / "new.txt", tmp_path)
    shutil.copytree(place / "v1", tmp_path / "v1")
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    finish(fork(*start, cwd=tmp_path / "whole"), tmp_path / "whole")
    process = fork(*start, cwd=tmp_path / "killed")
    wait_for(lambda: (tmp_path / "killed" / "run" / "checkpoints" / "last.ckpt").exists())
    killed(process, 0.1)
    shutil.rmtree(tmp_path / "v1")
    finish(fork("resume", "run", cwd=tmp_path / "killed"), tmp_path / "killed")
    assert_same(outcome(tmp_path / "whole" / "run"), outcome(tmp_path / "killed" / "run"))


REVIEWS = {
    "good": "fine warm lovely bright film",
    "bad": "dull cold awful grey film",
    "odd": "weird strange purple film",
}


def reviews(path: Path, labels: list[str]) -> None:
    drawn = random.Random(1)
    lines = [f"{label},{' '.join(drawn.choices(REVIEWS[label].split(), k=8))}" for label in labels for _ in range(60)]
    path.write_text("\n".join(["label,text", *lines]))


@pytest.mark.parametrize(
    "how",
    [("loss=[linear_head]", "encoder.layers=16-16"), ("loss=[cross_entropy]", "encoder.layers=16-auto")],
    ids=["head", "logits"],
)
def test_classes_grow_and_those_known_stay(tmp_path: Path, how: tuple[str, ...]) -> None:
    text = ("experiment=bag_of_embeddings", "trainer.accelerator=cpu", "trainer.max_epochs=3", "trainer.min_batches=9",
            "dataset.val_fraction=0.1", "probe=[]", "callbacks=[checkpoints]", *how)  # fmt: skip
    reviews(tmp_path / "old.csv", ["good", "bad"])
    reviews(tmp_path / "new.csv", ["bad", "odd"])
    trained(tmp_path / "v1", *text, f"dataset.path={tmp_path}/old.csv")
    start = (f"init_from={tmp_path}/v1", "init_from.keep_rows=true", "init_from.freeze=true")
    trained(tmp_path / "v2", *text, f"dataset.path={tmp_path}/new.csv", "trainer.max_epochs=20", *start)
    v1, v2 = embloom.load(tmp_path / "v1"), embloom.load(tmp_path / "v2")
    assert v2.card["labels"]["label"] == ["bad", "good", "odd"]
    assert set(v1.keys["words"]) < set(v2.keys["words"])
    assert torch.equal(rows_of(v2, "words", v1.keys["words"]), v1.table("words"))
    texts = [REVIEWS["good"], REVIEWS["odd"]]
    if "loss=[linear_head]" in how:
        heads: Any = [v.heads["linear_head"].function for v in (v1, v2)]
        old, new = (head.__self__.linear.weight for head in heads)
        # Nothing else moves either, so old inputs have the very same vectors.
        assert torch.equal(v1.encode(texts[:1]), v2.encode(texts[:1]))
    else:
        encoders: Any = [v.encoder for v in (v1, v2)]
        old, new = (encoder.linears[-1].weight for encoder in encoders)
        assert torch.equal(v1.encode(texts[:1]), v2.encode(texts[:1])[:, :2][:, [0, 1]])
    assert torch.equal(new[:2], old)
    assert v2.predict(texts[1:]) == ["odd"]


def test_items_and_people_grow(tmp_path: Path) -> None:
    people = ("experiment=recommender", "trainer.accelerator=cpu", "trainer.max_epochs=2", "callbacks=[checkpoints]",
              "encoder.dim=8", f"dataset.cache={tmp_path}/cache", "probe=[]")  # fmt: skip
    drawn = random.Random(2)
    for name, items, users in (("old", range(0, 30), range(0, 40)), ("new", range(10, 45), range(20, 60))):
        pairs = {(user, item) for user in users for item in drawn.sample(items, 8)}
        lines = [f"u{user},i{item}" for user, item in sorted(pairs)]
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt") as file:
            file.write("\n".join(["user,item", *lines]))
    trained(tmp_path / "v1", *people, f"dataset.path={tmp_path}/old.csv.gz")
    start = (f"init_from={tmp_path}/v1", "init_from.keep_rows=true")
    trained(tmp_path / "v2", *people, f"dataset.path={tmp_path}/new.csv.gz", *start)
    v1, v2 = embloom.load(tmp_path / "v1"), embloom.load(tmp_path / "v2")
    for table, weight in (("items", "item"), ("users", "user")):
        number = {name: row for row, name in enumerate(v2.keys[table])}
        rows = [number[name] for name in v1.keys[table]]
        assert len(v2.keys[table]) > len(rows)
        assert torch.equal(v2.encoder.state_dict()[weight][rows], v1.encoder.state_dict()[weight])
    assert v2.card["lineage"]["promise"]["rows_kept_share"] == 1


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("init_from.keep_rows=true",), "init_from.keep_rows needs init_from=PATH"),
        (("init_from={v1}", "init_from.keep_rows=3"), "keep_rows=3: it must be true or false"),
        (("init_from={v1}", "init_from.anchor=-1"), "anchor=-1: it must be a number of at least 0"),
        (("init_from={v1}", "init_from.anchor=1", "init_from.keep_rows=true"), "leave one out"),
        (("init_from={v1}", "init_from.anchor=1", "init_from.freeze=true"), "leave one out"),
    ],
)
def test_what_contradicts_is_refused(place: Path, tmp_path: Path, overrides: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        trained(tmp_path / "run", *TEXT, *(o.format(v1=place / "v1") for o in overrides))
