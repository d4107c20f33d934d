"""Splits and filters of interactions, against plain loops over sets of pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embloom.data.interaction_files import filters, ragged, splits
from embloom.data.interaction_files.cache import InteractionLog, open_interactions
from embloom.data.interaction_files.filters import InteractionFilter, some
from embloom.data.interaction_files.format import InteractionColumns
from embloom.data.interaction_files.matching import matched
from embloom.data.interaction_files.splits import SPLITS, HeldOut, InteractionSplit, SplitInteractions

Pair = tuple[str, str]


def interactions(rows: Sequence[tuple[str, str, float, float]]) -> InteractionLog:
    """Interactions with ratings and times."""
    users, items = sorted({row[0] for row in rows}), sorted({row[1] for row in rows})
    ordered = sorted(rows, key=lambda row: (row[0], row[3]))
    counts = Counter(row[0] for row in rows)
    return InteractionLog(
        np.cumsum([0, *(counts[user] for user in users)]),
        np.array([items.index(row[1]) for row in ordered], np.int32),
        np.array([row[2] for row in ordered], np.float32),
        np.array([row[3] for row in ordered]),
        users, items, {},
    )  # fmt: skip


def at_random(count: int = 400, seed: int = 0) -> list[tuple[str, str, float, float]]:
    draws = np.random.default_rng(seed)
    pairs = sorted({(int(40 * draws.random() ** 2), int(30 * draws.random() ** 2)) for _ in range(count)})
    times = draws.permutation(len(pairs))
    return [(f"u{u}", f"i{i}", float(draws.integers(1, 6)), float(t)) for (u, i), t in zip(pairs, times, strict=True)]


def pairs_of(found: InteractionLog) -> list[Pair]:
    users = np.repeat(found.user_names, np.diff(found.offsets)).tolist()
    return list(zip(users, [found.item_names[item] for item in found.items.tolist()], strict=True))


def held(result: SplitInteractions, split: str) -> dict[Pair, float]:
    """The pairs that are held out, with their ratings."""
    part: HeldOut = result.held[split]  # type: ignore[index]
    names = result.train.user_names if part.people is None else part.people.names
    assert part.rating is not None
    assert part.user.tolist() == sorted(part.user.tolist())
    pairs = [
        (names[u], result.train.item_names[i]) for u, i in zip(part.user.tolist(), part.item.tolist(), strict=True)
    ]
    assert len(set(pairs)) == len(pairs)
    return dict(zip(pairs, part.rating.tolist(), strict=True))


ROWS = at_random()
RATING = {row[:2]: row[2] for row in ROWS}
TIME = {row[:2]: row[3] for row in ROWS}


@pytest.mark.parametrize("split", SPLITS)
def test_every_pair_is_in_one_split(split: str) -> None:
    result = InteractionSplit(split, 0.1, 0.2)(interactions(ROWS))
    train, val, test = pairs_of(result.train), held(result, "val"), held(result, "test")
    people, items = {pair[0] for pair in train}, {pair[1] for pair in train}
    assert result.train.user_names == sorted(people)
    assert result.train.item_names == sorted(items)
    every = [*train, *val, *test]
    assert len(set(every)) == len(every)
    left_out = set(RATING) - set(every)
    if split != "user":
        assert all(user not in people or item not in items for user, item in left_out)
        assert {user for user, _ in [*val, *test]} <= people
        assert bool(left_out) == bool(result.said)
    assert {**val, **test} == {pair: RATING[pair] for pair in [*val, *test]}
    assert result.train.ratings is not None
    assert dict(zip(train, result.train.ratings.tolist(), strict=True)) == {pair: RATING[pair] for pair in train}
    assert len(test) > len(val) > 0 or split in ("last", "user")


@pytest.mark.parametrize("split", ["interaction", "user"])
def test_what_is_random_is_seeded(split: str) -> None:
    found = interactions(ROWS)
    one, again, other = (held(InteractionSplit(split, split_seed=seed)(found), "test") for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize("split", SPLITS)
def test_nothing_is_held_out_where_the_part_is_none(split: str) -> None:
    found = interactions(ROWS)
    assert set(InteractionSplit(split, 0, 0.2)(found).held) == {"test"}
    assert set(InteractionSplit(split, 0.1, 0)(found).held) == {"val"}
    whole = InteractionSplit(split, 0, 0.2)(found, test=False)
    assert whole.held == {}
    assert sorted(pairs_of(whole.train)) == sorted(RATING)


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_too_large_for_memory_is_the_same(split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays on the disk, that leave nothing there."""
    keep, part = InteractionFilter(min_user=3, min_item=2, min_rating=2), InteractionSplit(split)
    wanted = part(keep(interactions(ROWS))[0])
    monkeypatch.setattr(ragged, "MUCH", 0)
    for module in (filters, splits):
        monkeypatch.setattr(module, "CHUNK", 7)
    found = part(keep(replace(interactions(ROWS), folder=tmp_path))[0])
    assert isinstance(found.train.items, np.memmap)
    assert pairs_of(found.train) == pairs_of(wanted.train)
    assert all(held(found, name) == held(wanted, name) for name in ("val", "test"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_takes_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a full disk does, it says what to change."""
    monkeypatch.setattr(ragged, "MUCH", 0)
    with pytest.raises(ValueError, match=r"bytes for a part of the interactions: .* see dataset\.cache"):
        InteractionSplit()(replace(interactions(ROWS), folder=tmp_path / "missing"))


def test_a_part_of_each_person() -> None:
    rows = [(f"u{u:03d}", f"i{i:02d}", 1.0, 0.0) for u in range(300) for i in range(u % 30 + 1)]
    result = InteractionSplit("interaction", 0.1, 0.2)(interactions(rows))
    mine = {name: Counter(user for user, _ in held(result, name)) for name in ("val", "test")}
    for u in range(300):
        size, (val, test) = u % 30 + 1, (mine[name][f"u{u:03d}"] for name in ("val", "test"))
        assert val + test < size
        assert abs(test - 0.2 * size) < 1 or val + test == size - 1
        assert abs(val - 0.1 * size) < 1 or val + test == size - 1
    assert abs(sum(mine["test"].values()) / len(rows) - 0.2) < 0.01
    assert abs(sum(mine["val"].values()) / len(rows) - 0.1) < 0.01


def test_last_ones() -> None:
    rows = [("a", f"i{n}", 1.0, float(n)) for n in (3, 1, 2, 0)] + [("b", "i0", 1.0, 5.0), ("b", "i1", 1.0, 6.0)]
    rows += [("c", "i3", 1.0, 9.0), ("d", "i2", 1.0, 9.0)]
    result = InteractionSplit("last")(interactions(rows))
    assert set(held(result, "test")) == {("a", "i3"), ("b", "i1")}
    assert set(held(result, "val")) == {("a", "i2")}
    assert set(held(InteractionSplit("last", 0.1, 0)(interactions(rows)), "val")) == {("a", "i3"), ("b", "i1")}


def test_by_time() -> None:
    found = interactions(ROWS)
    shared = InteractionSplit("time", 0.1, 0.2)(found)
    count = len(ROWS)
    for pair in pairs_of(shared.train):
        assert TIME[pair] < count - round(0.2 * count) - round(0.1 * count)
    assert all(TIME[pair] >= count - round(0.2 * count) for pair in held(shared, "test"))
    dated = InteractionSplit("time", test_from="1970-01-01T00:03:00", val_from=150)(found)
    assert {TIME[pair] for pair in held(dated, "test")} <= set(range(180, count))
    assert {TIME[pair] for pair in held(dated, "val")} <= set(range(150, 180))
    assert max(TIME[pair] for pair in pairs_of(dated.train)) == 149
    assert set(held(InteractionSplit("time", 0, 0, test_from=180)(found), "test")) >= set(held(dated, "test"))


def test_whole_people() -> None:
    result = InteractionSplit("user", 0.1, 0.2)(interactions(ROWS))
    sizes = Counter(row[0] for row in ROWS)
    seen: set[str] = set(result.train.user_names)
    for name, part in result.held.items():
        assert part.people is not None
        assert not seen & set(part.people.names)
        seen |= set(part.people.names)
        targets = held(result, name)
        for row, person in enumerate(part.people.names):
            known = part.people.items[part.people.offsets[row] : part.people.offsets[row + 1]]
            had = {result.train.item_names[item] for item in known.tolist()}
            wanted = {item for user, item in targets if user == person}
            assert had
            assert wanted
            assert not had & wanted
            both = {item for user, item in RATING if user == person and item in result.train.item_names}
            assert had | wanted == both
            assert abs(len(had) - 0.8 * len(both)) <= 1
    assert seen <= set(sizes)
    assert abs(len(result.held["test"].people.names) - 0.2 * len(sizes)) <= 2  # type: ignore[union-attr]


MISTAKES = [
    ({"split": "all"}, r"split=all: it must be one of interaction, user, last, time"),
    ({"val_fraction": 1}, r"val_fraction=1"),
    ({"val_fraction": 0.5, "test_fraction": 0.5}, r"nothing is left to train on"),
    ({"known": 1}, r"known=1"),
    ({"test_from": "2020-01-01"}, r"test_from=2020-01-01: it needs dataset\.split=time"),
    ({"split": "time", "test_from": "soon"}, r"test_from=soon: it must be a date such as 2024-01-31, or seconds"),
]


@pytest.mark.parametrize(("options", "message"), MISTAKES)
def test_options_that_make_no_sense(options: dict[str, str | float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InteractionSplit(**options)  # type: ignore[arg-type]


def test_splits_that_leave_nothing() -> None:
    alone = interactions([(f"u{n}", f"i{n}", 1.0, 7.0) for n in range(9)])
    for split in ("interaction", "last"):
        with pytest.raises(ValueError, match=rf"split={split}: nothing is left for val, since everybody keeps one"):
            InteractionSplit(split)(alone)
    with pytest.raises(ValueError, match=r"split=user: test takes 2 people, and 0 have two items or more"):
        InteractionSplit("user")(alone)
    with pytest.raises(ValueError, match=r"test_from=7: the times there are go from 7 to 7"):
        InteractionSplit("time")(alone)
    with pytest.raises(ValueError, match=r"test_from=1577836800: the times there are go from 0 to "):
        InteractionSplit("time", test_from="2020-01-01")(interactions(ROWS))
    timeless = InteractionLog(alone.offsets, alone.items, None, None, alone.user_names, alone.item_names, {})
    with pytest.raises(ValueError, match=r"split=time: there is no column of times; name it, dataset\.time=NAME"):
        InteractionSplit("time")(timeless)


@pytest.mark.parametrize(("min_user", "min_item"), [(1, 1), (5, 1), (1, 8), (3, 3), (2, 4)])
@pytest.mark.parametrize("min_rating", [None, 3])
def test_filters_are_iterated(min_user: int, min_item: int, min_rating: float | None) -> None:
    left = {pair for pair, rating in RATING.items() if min_rating is None or rating >= min_rating}
    while True:
        users, items = (Counter(pair[side] for pair in left) for side in (0, 1))
        fewer = {pair for pair in left if users[pair[0]] >= min_user and items[pair[1]] >= min_item}
        if fewer == left:
            break
        left = fewer
    assert left
    found, said = InteractionFilter(min_rating, min_user, min_item)(interactions(ROWS))
    assert set(pairs_of(found)) == left
    assert found.user_names == sorted({pair[0] for pair in left})
    assert found.item_names == sorted({pair[1] for pair in left})
    assert found.times is not None
    assert [TIME[pair] for pair in pairs_of(found)] == found.times.tolist()
    assert (f"left out {len(ROWS) - len(left)} of {len(ROWS)} interactions" in said) == (len(left) < len(ROWS))


def test_filters_that_leave_nothing() -> None:
    found = interactions(ROWS)
    with pytest.raises(ValueError, match=r"min_user=99, dataset\.min_item=2: no interaction is left of .* lower both"):
        InteractionFilter(None, 99, 2)(found)
    with pytest.raises(ValueError, match=r"min_rating=6: the highest rating is 5"):
        InteractionFilter(6)(found)
    with pytest.raises(ValueError, match=r"min_item=0: it must be a positive integer"):
        InteractionFilter(min_item=0)
    unrated = InteractionLog(found.offsets, found.items, None, None, found.user_names, found.item_names, {})
    with pytest.raises(ValueError, match=r"min_rating=3: there is no column of ratings, see dataset\.rating"):
        InteractionFilter(3)(unrated)


def opened(path: Path, text: str) -> InteractionLog:
    path.write_text(text)
    return open_interactions(path, InteractionColumns(), path.parent / "cache")


def test_a_test_file_takes_the_numbers_of_training(tmp_path: Path) -> None:
    train = opened(tmp_path / "train.csv", "user,item\nb,2\nb,4\na,4\nc,6\n")
    test = opened(tmp_path / "test.csv", "user,item,rating\nx,4,1\nc,4,2\n\na,5,3\na,2,4\nx,7,5\nb,4,6\n")
    found, said = matched(train, test, InteractionColumns())
    assert [(train.user_names[u], train.item_names[i]) for u, i in zip(found.user, found.item, strict=True)] == [
        ("a", "2"), ("c", "4"),
    ]  # fmt: skip
    assert found.rating is not None
    assert found.rating.tolist() == [4, 2]
    assert [line.replace(str(tmp_path), "") for line in said] == [
        "dataset.test: 1 of 4 people are not in training, such as 'x' (/test.csv, line 2): left out",
        "dataset.test: 2 of 4 items are not in training, such as '5' (/test.csv, line 5): left out",
        "dataset.test: 1 of 3 interactions are in training too: left out",
    ]


def test_a_test_file_of_lines(tmp_path: Path) -> None:
    train = opened(tmp_path / "train.txt", "0 1 2 3\n1 2\n")
    test = opened(tmp_path / "test.txt", "\n0 4\n1 1 9 3\n")
    found, said = matched(train, test, InteractionColumns())
    assert found.user.tolist() == [1, 1]
    assert [train.item_names[item] for item in found.item] == ["1", "3"]
    assert len(said) == 1
    assert "2 of 4 items are not in training, such as '4'" in said[0]
    assert "line 2" in said[0]
    nobody = opened(tmp_path / "nobody.txt", "7 1 2 3\n8 2\n")
    with pytest.raises(
        ValueError, match=r"dataset\.test=.*no interaction is of a person and an item in training\n.*'7'"
    ):
        matched(train, nobody, InteractionColumns())
    with pytest.raises(ValueError, match=r"every interaction is in training too"):
        matched(train, opened(tmp_path / "same.txt", "0 3 2\n1 2\n"), InteractionColumns())


def test_some_of_all_is_all() -> None:
    found = interactions(ROWS)
    assert some(found, np.ones(len(ROWS), np.bool_)) is found
