"""Batches of people and what they had: what is in them, what is noise, and that nothing is lost or held out twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from embloom.assembly.wiring import Wire
from embloom.data.histories import cut
from embloom.data.interactions import Interactions
from embloom.encoders.matrix_factorization import MatrixFactorization
from embloom.encoders.popularity import Popularity
from embloom.probes.base import freeze
from embloom.probes.ranking import Ranking

Pairs = set[tuple[int, int]]


def made(tmp_path: Path, **options: Any) -> Interactions:
    """The built-in set, or a file."""
    dataset = Interactions(options.pop("batch_size", 512), cache=str(tmp_path / "cache"), **options)
    dataset.setup()
    return dataset


def pairs(dataset: Interactions, split: Any, **how: Any) -> list[tuple[int, int]]:
    """Every pair of a split, as its loader brings it."""
    found: list[tuple[int, int]] = []
    for batch in dataset.loader(split, **how):
        columns = dataset.transform(batch, "embed")
        found += zip(columns["user"].tolist(), columns["item"].tolist(), strict=True)
    return found


def test_the_splits_part_the_pairs(tmp_path: Path) -> None:
    dataset = made(tmp_path)
    parts = [pairs(dataset, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == list(dataset.rows().values())
    assert len(set().union(*parts)) == sum(map(len, parts))
    assert sorted(pairs(dataset, "train", shuffle=True)) == sorted(parts[0])


def test_the_history_is_the_training(tmp_path: Path) -> None:
    dataset = made(tmp_path)
    offsets = dataset.supplies["history_offsets"]
    owner = torch.repeat_interleave(torch.arange(len(offsets) - 1), offsets.diff())
    found = set(zip(owner.tolist(), dataset.supplies["history"].tolist(), strict=True))
    assert found == set(pairs(dataset, "train"))


@pytest.mark.parametrize("negatives", ["all", 50])
@pytest.mark.parametrize("phase", ["train", "eval"])
def test_what_somebody_had_is_no_noise(tmp_path: Path, negatives: Any, phase: Any) -> None:
    """The clashes are exactly the noise items that a person had; in validation, what is held out too."""
    dataset = made(tmp_path, negatives=negatives)
    had = set(pairs(dataset, "train")) | (set(pairs(dataset, "val")) if phase == "eval" else set())
    torch.manual_seed(0)
    for batch in dataset.loader("train" if phase == "train" else "val"):
        columns = dataset.transform(batch, phase)
        noise = columns.get("noise", torch.arange(dataset.sizes["item"])).tolist()
        assert len(set(noise)) == len(noise) == (240 if negatives == "all" else 50)
        wanted: Pairs = {
            (row, place)
            for row, user in enumerate(columns["user"].tolist())
            for place, item in enumerate(noise)
            if (user, item) in had
        }
        rows, places = columns["clash_row"].tolist(), columns["clash_column"].tolist()
        assert set(zip(rows, places, strict=True)) == wanted
        assert rows == sorted(rows)


def test_noise_by_popularity(tmp_path: Path) -> None:
    """A sum over the sample, each divided by how likely it was, is that over all items in the mean; known items come
    more often."""
    dataset = made(tmp_path, negatives=20, noise_exponent=1.0)
    batch = next(iter(dataset.loader("train")))
    torch.manual_seed(0)
    times, drawn, sums = 3000, torch.zeros(240), torch.zeros(240)
    for _ in range(times):
        columns = dataset.transform(batch, "train")
        drawn[columns["noise"]] += 1
        sums[columns["noise"]] += (-columns["log_noise"]).exp()
    assert float(sums.mean() / times) == pytest.approx(1, abs=0.01)
    order = torch.bincount(dataset.supplies["history"].long(), minlength=240).argsort()
    assert float((sums / times)[order[-40:]].mean()) == pytest.approx(1, abs=0.02)
    assert float(drawn[order[-40:]].mean()) > 1.5 * float(drawn[order[:40]].mean())


def test_people_with_many_items_are_cut() -> None:
    """Each row is at most so long, and together they are all."""
    user, offsets = cut(torch.tensor([4, 7, 9]), torch.tensor([0, 5, 5, 8]), longest=2)
    assert user.tolist() == [4, 4, 4, 9, 9]
    assert offsets.tolist() == [0, 2, 4, 5, 7, 8]


def test_an_order_of_its_own_each_epoch(tmp_path: Path) -> None:
    dataset = made(tmp_path)
    loader = dataset.loader("train", shuffle=True)
    first = [batch["user"].tolist() for batch in loader]
    assert [batch["user"].tolist() for batch in loader] == first
    loader.sampler.set_epoch(1)
    assert [batch["user"].tolist() for batch in loader] != first
    loader.sampler.set_epoch(0)
    loader.load_state_dict({"batch": 3})
    assert [batch["user"].tolist() for batch in loader] == first[3:]


def test_files(tmp_path: Path) -> None:
    """A table with ratings and times: the last of each person is the test."""
    file = tmp_path / "ratings.csv"
    rows = [
        (f"u{user}", f"film {(user * 7 + n * 3) % 11}", n % 5 + 1, 1000 + n) for user in range(12) for n in range(6)
    ]
    file.write_text("userId,movieId,rating,timestamp\n" + "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in rows))
    dataset = made(tmp_path, path=str(file), split="last")
    assert dataset.rows() == {"train": 48, "val": 12, "test": 12}
    names = dataset.keys()
    last = {(u, i) for u, i, _, t in rows if t == 1005}
    found = {(names["user"][u], names["item"][i]) for u, i in pairs(dataset, "test")}
    assert found == last
    batch = next(iter(dataset.loader("test")))
    assert set(batch["rating"].tolist()) == {1.0}


MISTAKES: dict[str, Callable[[], Interactions]] = {
    "negatives": lambda: Interactions(8, negatives="some"),
    "noise_exponent": lambda: Interactions(8, noise_exponent=2.0),
    "format": lambda: Interactions(8, format="xml"),
    "split": lambda: Interactions(8, split="weekday"),
    "min_user": lambda: Interactions(8, min_user=0),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_name_the_option(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MISTAKES[name]()


@pytest.mark.parametrize(("held", "stands_in"), [({"val_fraction": 0.0}, "train"), ({"test_fraction": 0.0}, "val")])
def test_what_is_not_held_out_has_a_stand_in(tmp_path: Path, held: dict[str, float], stands_in: Any) -> None:
    """And ranking still finds what is to be found, although it has been seen."""
    dataset = made(tmp_path, **held)
    split: Any = "val" if "val_fraction" in held else "test"
    assert set(pairs(dataset, split)) <= set(pairs(dataset, stands_in))
    sizes = {name: dataset.sizes[name] for name in ("user", "item")}
    encoder = MatrixFactorization(sizes, dataset.supplies["history"], dataset.supplies["history_offsets"], dim=2).eval()
    frozen = freeze(Wire(encoder, None, "encoder"), encoder, dataset, device=torch.device("cpu"), score=split)
    assert Ranking(240)(frozen)["recall_at_240"] == 1.0


def test_people_held_out_whole_are_known_by_a_part_only(tmp_path: Path) -> None:
    """Training has nothing of them; what is to be found is not known, and figures are those of folding in."""
    dataset = made(tmp_path, split="user", known=0.5)
    everybody = made(tmp_path, val_fraction=0.0, test_fraction=0.0)
    assert not set(dataset.keys()["user"]) & set(held_out_names(dataset, everybody))
    encoder = Popularity(dataset.sizes, **{k: dataset.supplies[k] for k in ("history", "history_offsets")})
    encoder.fit([])
    wire = Wire(encoder, {"user": "user"}, "encoder")
    asked = freeze(wire, encoder, dataset, device=torch.device("cpu"), score="test").recommending
    assert asked is not None
    had, wanted = dataset.newcomers["test"]
    counts = torch.bincount(dataset.supplies["history"], minlength=dataset.sizes["item"]).float()
    for person in range(len(had.offsets) - 1):
        known, hidden = (set(part.pairs(torch.tensor([person]))[1].tolist()) for part in (had, wanted))
        assert known
        assert hidden
        assert not known & hidden
        assert abs(len(known) - len(hidden)) <= 1
        torch.testing.assert_close(asked.scores(torch.tensor([person]))[0], counts)
    assert Ranking(20)(freeze(wire, encoder, dataset, device=torch.device("cpu"), score="test"))["recall_at_20"] > 0


def held_out_names(dataset: Interactions, everybody: Interactions) -> list[str]:
    """Who is not in a dataset's training, of all; they are as many as are held out."""
    found = sorted(set(everybody.keys()["user"]) - set(dataset.keys()["user"]))
    assert len(found) == sum(len(had.offsets) - 1 for had, _ in dataset.newcomers.values())
    return found
