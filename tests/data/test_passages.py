"""Running text in passages: every word once, little padding, words hidden as BERT hides them, resumed to the bit."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

import embloom
from embloom.artifact.in_context import last_layers
from embloom.artifact.readers.pieces import PieceReader, trained
from embloom.data.by_length import ByLength
from embloom.data.documents import MASK, Documents
from embloom.encoders.transformer import Transformer
from harness import assert_same, finish, fork, outcome, wait_for

SMALL = ("dataset.pieces=200", "dataset.length=16", "encoder.dim=16", "trainer.accelerator=cpu")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def made(cache: Path, **options: Any) -> Documents:
    dataset = Documents(**{"batch_size": 8, "length": 16, "cache": str(cache), **options})
    dataset.setup()
    return dataset


def test_batches_hold_every_word_once_and_follow_seed_and_epoch(cache: Path) -> None:
    text = [[f"w{i % 9}"] * (1 + 7 * i % 23) for i in range(200)]
    dataset = made(cache, documents=text, min_count=1, length=10, batch_size=16)

    def epoch(number: int, start: int = 0) -> list[dict[str, torch.Tensor]]:
        loader = dataset.loader("train", shuffle=True)
        loader.sampler.set_epoch(number)
        loader.load_state_dict({"batch": start})
        return list(loader)

    first, second = epoch(0), epoch(1)
    assert len(first) == len(dataset.loader("train", shuffle=True)) == len(second)
    assert_same(first, epoch(0))
    assert_same(first[5:], epoch(0, 5))
    assert not torch.equal(first[0]["token"], second[0]["token"])
    words = Counter(torch.cat([b["token"] for b in first]).tolist())
    assert words == Counter(torch.cat([b["token"] for b in second]).tolist())
    every = [b["token"] for split in ("train", "val", "test") for b in dataset.loader(split)]
    assert len(torch.cat(every)) == sum(map(len, text))
    assert max(int(b["length"].max()) for b in first) == 10
    chosen = dataset.choose(first[0], torch.tensor([1, 3]))
    parts = first[0]["token"].split(first[0]["length"].tolist())
    assert torch.equal(chosen["token"], torch.cat([parts[1], parts[3]]))


def test_lengths_in_a_batch_are_alike() -> None:
    length = torch.randint(1, 129, (5000,), generator=torch.Generator().manual_seed(0))
    order = ByLength(length, 32, seed=0)
    assert order.padding() < 0.03
    assert ByLength(length, 32).padding() > 0.4
    assert sorted(torch.cat(list(order)).tolist()) == list(range(5000))
    shares = [list(ByLength(length, 32, seed=0, rank=rank, world_size=2)) for rank in range(2)]
    assert_same([torch.stack(pair).T.flatten() for pair in zip(*shares, strict=True)][:50], list(order)[:50])


def test_fewer_texts_than_a_batch_are_one_batch() -> None:
    order = ByLength(torch.tensor([3, 1, 2]), 8, seed=0)
    assert [sorted(rows.tolist()) for rows in order] == [[0, 1, 2]]
    assert order.padding() == pytest.approx(1 / 3)


def test_words_are_hidden_as_bert_hides_them(cache: Path) -> None:
    dataset = made(cache, mask=0.2, batch_size=2000)
    batch = next(iter(dataset.loader("train", shuffle=True)))
    torch.manual_seed(0)
    found = dataset.transform(batch, "train")
    torch.manual_seed(0)
    assert_same(found, dataset.transform(batch, "train"))
    token, masked = batch["token"], found["masked"]
    assert len(masked.unique()) == len(masked) == round(0.2 * len(token))
    assert torch.equal(found["target"], token[masked].long())
    shown = found["token"][masked]
    assert (shown == len(dataset.vocabulary) - 1).float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert (shown == token[masked]).float().mean().item() == pytest.approx(0.1 + 0.1 / 108, abs=0.01)
    rest = torch.ones(len(token), dtype=torch.bool)
    rest[masked] = False
    assert torch.equal(found["token"][rest], token[rest])
    assert dataset.vocabulary[-1] == MASK
    assert_same(dataset.transform(batch, "embed"), batch)


def test_views_are_stretches_of_their_passages(cache: Path) -> None:
    dataset = made(cache, views=2, crop=0.4, batch_size=50)
    batch = next(iter(dataset.loader("train", shuffle=True)))
    torch.manual_seed(0)
    found = dataset.transform(batch, "train")
    passages = [part.tolist() for part in batch["token"].split(batch["length"].tolist())]
    parts = [part.tolist() for part in found["token"].split(found["length"].tolist())]
    assert found["sample"].tolist() == [*range(50), *range(50)]
    places = []
    for number, part in enumerate(parts):
        passage = passages[number % 50]
        assert len(part) == max(1, round(0.4 * len(passage)))
        places.append([i for i in range(len(passage)) if passage[i : i + len(part)] == part])
        assert places[-1]
    longest = max(range(50), key=lambda number: len(passages[number]))
    drawn = set()
    for seed in range(40):  # the first and the last stretch come, too
        torch.manual_seed(seed)
        again = dataset.transform(batch, "train")
        drawn.add(tuple(again["token"].split(again["length"].tolist())[longest].tolist()))
    passage, size = passages[longest], len(parts[longest])
    assert {tuple(passage[:size]), tuple(passage[len(passage) - size :])} <= drawn
    assert_same(dataset.transform(batch, "embed"), {"token": batch["token"], "length": batch["length"]})
    with pytest.raises(ValueError, match=r"crop=0.4: .* set views=2"):
        made(cache, crop=0.4)


def test_views_are_twice_the_same_texts_until_dropout(cache: Path) -> None:
    dataset = made(cache, views=2)
    batch = dataset.transform(next(iter(dataset.loader("train", shuffle=True))), "train")
    count = len(batch["sample"]) // 2
    assert batch["sample"].tolist() == [*range(count), *range(count)]
    encoder = Transformer(dataset.sizes, dim=8, heads=2, layers=1, dropout=0.2)
    one, two = encoder(batch["token"], batch["length"])["embedding"].split(count)
    assert not torch.allclose(one, two)
    one, two = encoder.eval()(batch["token"], batch["length"])["embedding"].split(count)
    torch.testing.assert_close(one, two)


def test_pieces_spell_every_word_and_come_back() -> None:
    texts = ["the lower the newer", "lowest, newest widest!", "Wider and WIDER"] * 30
    pieces, merges = trained(texts, 60, lowercase=True)
    reader = PieceReader(merges, True, pieces)

    def spelled(text: str) -> str:
        words = [pieces[i] for i in reader(text)["token"].tolist()]
        return " ".join(words).replace(" ##", "")

    assert spelled("The WIDEST, lowest newest") == "the widest , lowest newest"
    assert spelled("steer") == "steer"  # never seen, of letters that were
    assert spelled("a\u4e2d") == "a"  # of no known character nothing is left
    again = PieceReader(**json.loads(json.dumps(reader.options())), keys={"token": pieces})
    assert_same(reader(texts), again(texts))
    assert reader(["", "low"])["length"].tolist()[0] == 0
    with pytest.raises(ValueError, match="merges: they do not fit"):
        PieceReader([["x", "##yz"]], True, pieces)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"pieces": 10}, "pieces=10"),
        ({"pieces": 300, "pattern": "x"}, "a pattern of their own"),
        ({"mask": 1.0}, "mask=1.0"),
        ({"length": 1}, "length=1"),
        ({"path": "absent"}, "no text file at absent"),
    ],
)
def test_mistakes_say_what_to_do(options: dict[str, Any], says: str, cache: Path) -> None:
    with pytest.raises(ValueError, match=says):
        made(cache, **options)


def test_last_layers() -> None:
    assert last_layers([f"hidden_{i}" for i in range(11)], 2) == ["hidden_9", "hidden_10"]
    with pytest.raises(ValueError, match="last=3: there are 1 hidden layers"):
        last_layers(["hidden_0", "embedding"], 3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    train = ("train", "experiment=transformer", *SMALL, f"dataset.cache={cache}", "trainer.max_steps=10")
    finish(fork(*train, "hydra.run.dir=run", cwd=folder), folder)
    lines = [f"{'ab'[i % 2]},a {['king was in the palace', 'cat in the field'][i % 2]} near {i}" for i in range(60)]
    (folder / "texts.csv").write_text("\n".join(["label,text", *lines]))
    return folder / "run"


def test_artifact_reads_raw_texts_and_words_in_them(run: Path) -> None:
    loaded = embloom.load(run)
    text = "The cat saw the king, and the kitten"
    found = {name: loaded.encode([text, "a cat"], layer=name) for name in ("hidden_0", "hidden_4", "embedding")}
    both = loaded.encode([text, "a cat"], layer=["hidden_0", "hidden_4"], combine="average")
    torch.testing.assert_close(both, (found["hidden_0"] + found["hidden_4"]) / 2)
    torch.testing.assert_close(loaded.encode(["a cat"]), found["embedding"][1:])
    assert loaded.in_context(text, "the", layer="hidden_4").shape == (3, 16)
    assert loaded.in_context(text, "king", layer=["hidden_3", "hidden_4"]).shape == (1, 32)
    rows = [loaded.in_context(text, "king", "hidden_2"), loaded.in_context("a king", "king", "hidden_2")]
    assert not torch.allclose(rows[0], rows[1])
    # A word's vector is what its position has; of all positions of the text the mean is the text's.
    parts = torch.cat([loaded.in_context("a king", word, "hidden_2") for word in ("a", "king")])
    torch.testing.assert_close(loaded.encode("a king", layer="hidden_2")[0], parts.mean(0))
    for word, says in (("queen", "does not stand in"), ("\u4e2d", "not in the vocabulary")):
        with pytest.raises(ValueError, match=says):
            loaded.in_context(text, word)
    with pytest.raises(ValueError, match="no vector for each position"):
        loaded.in_context(text, "king", layer="words")


def test_commands(run: Path) -> None:
    place = run.parent
    (place / "lines.txt").write_text("the king sat\na cat\nthe king and the king\n")
    arguments: tuple[str, ...]
    wrong: tuple[str, ...]
    for arguments, rows in (
        (("lines.txt", "--last", "2", "--average", "-o", "a.csv"), 3),
        (("lines.txt", "--word", "king", "--layer", "hidden_3", "-o", "b.csv"), 3),
        (("they saw the king", "--word", "king", "--last", "2", "--concat", "-o", "c.csv"), 1),
    ):
        finish(fork("encode", "run", *arguments, cwd=place), place)
        lines = (place / arguments[-1]).read_text().splitlines()
        assert len(lines) == rows + 1
        assert len(lines[1].split(",")) == (33 if "--concat" in arguments else 17)
    for wrong, says in (
        (("lines.txt", "--layer", "tokens_3", "-o", "d.csv"), "has a vector for each position"),
        (("lines.txt", "--word", "queen", "-o", "d.csv"), "stands in none of the texts"),
        (("lines.txt", "--last", "9", "-o", "d.csv"), "last=9: there are 5 hidden layers"),
    ):
        process = fork("encode", "run", *wrong, cwd=place)
        process.join(60)
        assert process.exitcode == 2
        assert says in (place / "output.txt").read_text()


def test_every_layer_is_probed_and_nothing_trained(run: Path) -> None:
    place = run.parent
    probe = ("train", "experiment=probe_texts", "init_from=run", "dataset.path=texts.csv", "hydra.run.dir=probed")
    finish(fork(*probe, "encoder.dim=16", "trainer.accelerator=cpu", cwd=place), place)
    metrics = json.loads((place / "probed" / "metrics.json").read_text())
    layers = [f"probe/linear_label_hidden_{i}" for i in range(5)]
    assert {*layers, "probe/linear_label", "probe/chance_label"} == metrics.keys()
    one, two = embloom.load(run), embloom.load(place / "probed")
    assert_same(dict(one.encoder.state_dict()), dict(two.encoder.state_dict()))
    text = "Kittens of the PALACE, xyz"
    torch.testing.assert_close(one.encode(text), two.encode(text))
    process = fork(*probe[:-1], "hydra.run.dir=no", "encoder.dim=32", "trainer.accelerator=cpu", cwd=place)
    process.join(60)
    assert process.exitcode == 2
    assert "nothing in it fits" in (place / "output.txt").read_text()
    process = fork(*probe[:-1], "hydra.run.dir=no", "encoder.dim=16", "encoder.layers=5", cwd=place)
    process.join(60)
    assert process.exitcode == 2
    assert "nothing is trained, as there is no loss" in (place / "output.txt").read_text()


def test_a_classifier_starts_from_it(run: Path) -> None:
    place = run.parent
    train = ("train", "experiment=probe_texts", "loss=[linear_head]", "init_from=run", "init_from.freeze=false")
    options = ("dataset.path=texts.csv", "encoder.dim=16", "trainer.max_epochs=2", "trainer.accelerator=cpu")
    finish(fork(*train, *options, "hydra.run.dir=tuned", cwd=place), place)
    assert embloom.load(place / "tuned").predict(["the king"])[0] in ("a", "b")


def test_killed_within_an_epoch_resumes_to_the_same_bits(tmp_path: Path, cache: Path) -> None:
    train = (
        "train", "experiment=transformer", *SMALL, f"dataset.cache={cache}", "trainer.max_steps=60",
        "callbacks.checkpoints.every_n_steps=7", "encoder.dropout=0.2", "hydra.run.dir=run",
    )  # fmt: skip
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    finish(fork(*train, cwd=tmp_path / "whole"), tmp_path / "whole")
    place = tmp_path / "killed"
    process = fork(*train, cwd=place)
    wait_for(lambda: (place / "run" / "checkpoints" / "last.ckpt").exists())
    process.join(random.Random(0).uniform(0.05, 0.15))
    alive = process.is_alive()
    if alive:
        os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    finish(fork("resume", "run", cwd=place), place)
    assert alive
    assert_same(outcome(tmp_path / "whole" / "run"), outcome(place / "run"))


def test_without_the_library_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"pip install 'embloom\[bpe\]'"):
        made(cache, pieces=300)
    assert len(made(cache).vocabulary) == 109  # words do without
