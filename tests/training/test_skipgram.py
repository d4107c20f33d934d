"""Skip-gram end to end: the built-in corpus, questions to its words, exact resume, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import embloom
from embloom.cli import main
from embloom.data.blocks import Blocks
from embloom.data.grammar import questions
from embloom.data.text import Text, keep_probability
from embloom.training.loggers.tensorboard import event_files
from harness import assert_same, finish, fork, same_after_kills, scalars
from trained import trained

SKIPGRAM = ("experiment=skipgram", "trainer=cpu", "callbacks=[checkpoints,metrics]")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def trained_text(folder: Path, cache: Path, *overrides: str) -> dict[str, float]:
    return trained(folder, *SKIPGRAM, f"dataset.cache={cache}", *overrides)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    metrics = trained_text(folder, cache, "callbacks=[default]", "callbacks.probing.every_n_epochs=2",
                           "probe.analogies.methods=[3cosadd,3cosmul]")  # fmt: skip
    assert metrics["probe/analogies"] > 0.95
    assert metrics["probe/analogies_3cosmul"] > 0.95
    assert metrics["probe/analogies_coverage"] == 1
    return folder


def test_king_minus_man_plus_woman(run: Path) -> None:
    words = embloom.load(run).words
    assert words.analogy(["king", "woman"], ["man"], top=1)[0][0] == "queen"
    assert words.analogy(["kitten", "dog"], ["cat"], top=1, method="3cosmul")[0][0] == "puppy"
    right = sum(words.analogy([b, c], [a], 1)[0][0] == d for a, b, c, d in questions())
    assert right > 0.95 * len(questions())
    assert words.outlier(["king", "queen", "prince", "kitten"])[0][0] == "kitten"
    assert {name for name, _ in words.neighbors("king", 5)} & {"palace", "throne", "crown", "queen", "prince"}
    assert "king" not in dict(words.midpoint(["king", "queen"]))
    assert words.similarity("King", "king") == pytest.approx(1)
    assert "king" in words
    assert words.vector("king").shape == (100,)


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["embloom", *arguments])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    capsys.readouterr()
    try:
        main()
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    both = capsys.readouterr()
    return status, both.out + both.err


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ("neighbors RUN king --top 3", 0, r"^(\w+ +0\.\d{4}\n){3}$"),
        ("analogy RUN king - man + woman --top 1", 0, r"^queen "),
        ("analogy RUN king - man + woman --method 3cosmul", 0, r"^queen "),
        ("midpoint RUN king queen", 0, r"0\.\d{4}\n"),
        ("outlier RUN king queen duke kitten", 0, r"^kitten does not belong"),
        ("neighbors RUN kign", 2, r"^error: 'kign' is not in the vocabulary of 108; the nearest spellings there are"),
        ("neighbors RUN xxxxxx", 2, r"nothing is spelled like it"),
        ("neighbors RUN king queen", 2, r"embloom midpoint RUN king queen"),
        ("analogy RUN king man", 2, r"is no analogy"),
        ("analogy RUN king - - man", 2, r"is no analogy"),
        ("outlier RUN king queen", 2, r"three words or more"),
        ("neighbors nowhere king", 2, r"nowhere"),
        ("analogy", 2, r"usage: embloom analogy"),
    ],
)
def test_questions(
    run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    status: int,
    text: str,
) -> None:
    found, printed = said(capsys, monkeypatch, *arguments.replace("RUN", str(run), 1).split())
    assert found == status, printed
    assert re.search(text, printed), printed


def test_board_has_curves_probes_and_labelled_words(run: Path) -> None:
    curves = scalars(run)
    assert [step for step, _ in curves["val/loss_negative_sampling"]] == [step for step, _ in curves["val/loss"]]
    losses = [value for _, value in curves["val/loss"]]
    assert losses[-1] < losses[0]
    assert len(curves["probe/analogies"]) == 3  # two during training, one at the end
    assert event_files(run)
    config = (run / "projector_config.pbtxt").read_text()
    found = re.search(r'metadata_path: "(.*)"', config)
    assert found
    labels = (run / found[1]).read_text().splitlines()
    assert labels == embloom.load(run).words.names[: len(labels)]


def test_validation_is_of_documents_never_trained_on(cache: Path) -> None:
    data = Text(512, cache=str(cache), val_fraction=0.1, subsample=0.0)
    data.setup()
    assert data.corpus is not None
    train, val, test = (set(np.flatnonzero(data.split_of == n)) for n in range(3))
    assert not train & val
    assert not val & test
    lengths = np.diff(data.offsets)
    seen = sum(int((b["position"] >= 0).sum()) for b in data.loader("train", shuffle=True))
    assert seen == sum(lengths[p] for p in train)
    one, other = (list(data.loader("val")) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert_same(a, b)


def test_every_word_once_an_epoch_in_new_order_and_from_anywhere(cache: Path) -> None:
    data = Text(512, cache=str(cache), subsample=0.0)
    data.setup()
    loader = data.loader("train", shuffle=True)
    assert isinstance(loader, Blocks)

    def epoch(number: int, start: int = 0) -> list[dict[str, torch.Tensor]]:
        loader.set_epoch(number)
        loader.load_state_dict({"batch": start})
        return list(loader)

    first, second = epoch(0), epoch(1)
    assert len(first) == len(loader)

    def counted(batches: list[dict[str, torch.Tensor]]) -> torch.Tensor:
        return sum((torch.bincount(b["token"][b["position"] >= 0], minlength=108) for b in batches), torch.zeros(108))

    assert torch.equal(counted(first), counted(second))
    assert not torch.equal(first[0]["token"], second[0]["token"])
    assert_same(first[7:], epoch(0, 7))


def test_positives_are_neighbors_in_one_document(cache: Path) -> None:
    text = [["a", "b", "c"], ["d", "e"], ["f", "g", "h", "i", "j", "k"], ["z"] * 3] * 40
    data = Text(64, documents=text, cache=str(cache), block=8, negatives=4, window=2, min_count=1, subsample=0.0)
    data.setup()
    assert data.corpus is not None
    names = data.corpus.words
    document = {word: n for n, words in enumerate(text[:4]) for word in words}
    for batch in data.loader("train", shuffle=True):
        found = data.transform(batch, "train")
        assert torch.equal(found["context_token"][:, :8], found["token"])
        for block, weights in zip(found["token"].tolist(), found["positives"], strict=True):
            assert not weights.diagonal().any()
            assert torch.equal(weights, weights.T)
            for i, j in weights.nonzero().tolist():
                one, other = names[block[i]], names[block[j]]
                assert document[one] == document[other]
                if one != "z":
                    assert float(weights[i, j]) == pytest.approx(1 - (abs(ord(one) - ord(other)) - 1) / 2)


def test_subsampling_and_noise_have_the_right_shares(cache: Path) -> None:
    data = Text(4096, cache=str(cache), subsample=1e-2)
    data.setup()
    assert data.corpus is not None
    frequency = data.corpus.counts / data.corpus.counts.sum()
    batches = [batch for epoch in range(3) for batch in epoch_of(data, epoch)]
    token = torch.cat([b["token"][b["position"] >= 0] for b in batches])
    kept, _ = keep_probability(data.corpus.counts.astype(np.float64), 1e-2)
    expected = torch.from_numpy(frequency) * kept
    share = torch.bincount(token, minlength=108) / len(token)
    assert torch.allclose(share, (expected / expected.sum()).float(), atol=4e-3)
    noise = torch.cat([b["noise"] for b in batches])
    share = torch.bincount(noise, minlength=108) / len(noise)
    assert torch.allclose(share, torch.from_numpy(frequency**0.75 / (frequency**0.75).sum()).float(), atol=2e-3)
    assert torch.allclose(data.noise.log_probability.exp(), share, atol=2e-3)


def epoch_of(data: Text, number: int) -> list[dict[str, torch.Tensor]]:
    loader = data.loader("train", shuffle=True)
    loader.set_epoch(number)
    return list(loader)


@pytest.mark.parametrize(
    "overrides",
    [
        ("encoder=cbow",),
        ("loss=[full_softmax]",),
        ("loss=[nce]", "trainer.max_epochs=6"),
        ("loss=[sampled_softmax]",),
        ("optimizer=sparse_adam", "optimizer.lr=0.01"),
        ("optimizer=sparse_sgd", "loss.negative_sampling.reduction=sum", "trainer.max_epochs=5"),
        ("optimizer=adam", "optimizer.lr=0.02", "encoder.sparse=false"),
        ("loss=[negative_sampling,full_softmax]",),
    ],
    ids=" ".join,
)
def test_every_way_learns(tmp_path: Path, cache: Path, overrides: tuple[str, ...]) -> None:
    metrics = trained_text(tmp_path / "run", cache, "dataset.batch_size=1024", "trainer.max_epochs=2", *overrides)
    assert metrics["probe/analogies"] > 0.5, metrics


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("optimizer=adam",), "Adam refuses the sparse gradients .* use optimizer=rowwise_adagrad"),
        (("optimizer=adamw",), "AdamW refuses the sparse gradients"),
        (("optimizer=sgd",), "optimizer.momentum=0.9 does not work with sparse gradients"),
        (("optimizer=sparse_adam", "encoder.sparse=false"), "sparse_adam takes sparse gradients only"),
        (("optimizer=sparse_adam", "loss=[full_softmax]"), "moves the whole output table"),
        (("trainer.gradient_clip_val=1",), "trainer.gradient_clip_val does not work with sparse gradients"),
        (("dataset.batch_size=1000",), "dataset.batch_size=1000 is no multiple .*use dataset.batch_size=1024"),
        (("dataset.window=0",), "dataset.window=0: it must be a positive integer"),
        (("dataset.path=absent.txt",), "no text file at absent.txt"),
        (("dataset.pattern='['",), "is not a regular expression"),
        (("dataset.tokenizer=nowhere.Words",), "write package.module.Class"),
        (("dataset.tokenizer=os.system",), "os.system is no tokenizer"),
        (("dataset.min_count=100000",), "no word occurs dataset.min_count=100000 times"),
        (("probe=[word_similarity]", "probe.word_similarity.path=absent"), "probe.word_similarity.path"),
    ],
)
def test_refused_at_the_door(tmp_path: Path, cache: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        trained_text(tmp_path / "run", cache, *overrides)
    assert not (tmp_path / "run").exists()


def test_a_tokenizer_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letters.py").write_text(
        "from embloom.artifact.readers.tokenizer import Tokenizer\n\n\n"
        "class Letters(Tokenizer):\n    def __call__(self, text):\n        return list(text.replace(' ', ''))\n"
    )
    (tmp_path / "text.txt").write_text("the cat sat on the mat\nthe dog sat too\n" * 200)
    overrides = ("dataset.path=text.txt", "dataset.tokenizer=letters.Letters", "dataset.cache=cache", "probe=[]")
    process = fork(
        "train",
        "--config-dir",
        "mine",
        *SKIPGRAM,
        *overrides,
        "trainer.max_epochs=1",
        "hydra.run.dir=run",
        cwd=tmp_path,
    )
    finish(process, tmp_path)
    with pytest.raises(ValueError, match="letters is neither embloom's nor named by you"):
        embloom.load(tmp_path / "run")
    loaded = embloom.load(tmp_path / "run", config_dir=tmp_path / "mine")
    assert sorted(loaded.words.names) == sorted(set("thecatsatonthematthedogsattoo"))


@pytest.mark.parametrize("kills", [2, pytest.param(15, marks=pytest.mark.slow)])
def test_killed_run_resumes_to_the_same_bits(tmp_path: Path, cache: Path, kills: int) -> None:
    command: Any = (
        "train", *SKIPGRAM, "hydra.run.dir=run", f"dataset.cache={cache}", "dataset.batch_size=512",
        "trainer.max_epochs=2", "trainer.log_every_n_steps=13", "callbacks.checkpoints.every_n_steps=5", "nested=[20]",
    )  # fmt: skip
    same_after_kills(tmp_path, command, kills)


def test_card_says_what_it_was_made_of(run: Path) -> None:
    card = json.loads((run / "embeddings" / "card.json").read_text())
    assert card["data"]["corpus"]["documents"] == 6000
    assert card["keys"]["embedding"] == card["keys"]["output"]
    vector = embloom.load(run).encode({"token": [[0, 1]]})
    assert vector.shape == (1, 100)  # averaged over the positions
