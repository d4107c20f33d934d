"""What encoders of people and items share, matrix factorization, and two towers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from embloom.encoders.lightgcn import LightGCN
from embloom.encoders.matrix_factorization import MatrixFactorization
from embloom.encoders.ragged import Ragged, owners
from embloom.encoders.recommender import Tables
from embloom.encoders.two_tower import TwoTower

HAD = [[0, 3], [1, 2, 3], [], [3, 4]]
ITEMS = 6


def given() -> dict[str, Any]:
    """Four people and six items."""
    history = torch.tensor([item for own in HAD for item in own], dtype=torch.int32)
    offsets = torch.tensor([0, *torch.tensor([len(own) for own in HAD]).cumsum(0).tolist()])
    return {"sizes": {"user": len(HAD), "item": ITEMS}, "history": history, "history_offsets": offsets}


def features(count: int) -> torch.Tensor:
    """What is known of rows."""
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(count))


ENCODERS = {
    "cosines": lambda: MatrixFactorization(**given(), dim=4),
    "products": lambda: MatrixFactorization(**given(), dim=4, normalize=False),
    "blended": lambda: MatrixFactorization(**given(), dim=4, blend=0.4),
    "biases": lambda: MatrixFactorization(**given(), dim=4, normalize=False, biases=True),
    "towers": lambda: TwoTower(**given(), item_features=features(ITEMS), user_features=features(4), dim=4, hidden=8),
    "one tower": lambda: TwoTower(**given(), item_features=features(ITEMS), dim=4, own=False, normalize=False),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_training_and_ranking_agree(name: str) -> None:
    """The score of a pair in a batch is that in the scores of all items; in training it may leave the pair's item out
    of the person, who is else the same."""
    torch.manual_seed(0)
    encoder: Tables = ENCODERS[name]()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.add_(torch.randn_like(weight))
    user, item, owner = torch.tensor([3, 1]), torch.tensor([4, 3, 0]), torch.tensor([0, 0, 1])
    if isinstance(encoder, TwoTower):
        encoder.item_side.drop_own = encoder.user_side.drop_own = 0.0
    for mode in (True, False):
        encoder.train(mode)
        batch = encoder(user=user, item=item, owner=owner, noise=None)
        found = batch["score"]
        if mode and name == "blended":
            found = (batch["user_vector"][owner] * batch["item_vector"]).sum(1)
        torch.testing.assert_close(found, encoder.eval().scores(user[owner]).gather(1, item[:, None])[:, 0])


def test_what_somebody_had() -> None:
    encoder = ENCODERS["cosines"]()
    items, offsets = encoder.had(torch.tensor([1, 2, 0]))
    assert items.tolist() == [1, 2, 3, 0, 3]
    assert offsets.tolist() == [0, 3, 3, 5]
    assert owners(offsets).tolist() == [0, 0, 0, 2, 2]


def test_somebody_new_is_the_mean_of_what_they_had() -> None:
    """In direction, which is all that ranks."""
    encoder = ENCODERS["cosines"]().eval()
    items = encoder.tables()["items"]
    found = encoder.fold_in(torch.tensor([4, 1, 2]), torch.tensor([0, 1, 3]))
    mean = torch.stack([items[4], items[[1, 2]].mean(0)])
    torch.testing.assert_close(found, torch.nn.functional.normalize(mean, dim=1) @ items.T)


@pytest.mark.parametrize("normalize", [True, False])
def test_training_finds_an_item_from_the_others(normalize: bool) -> None:
    """The person of a pair is who they would be had they not had its item; noise sees all of them."""
    torch.manual_seed(0)
    encoder = MatrixFactorization(**given(), dim=4, blend=0.7, normalize=normalize)
    history, offsets = given()["history"].tolist(), given()["history_offsets"].tolist()
    user = torch.tensor([3, 0, 1])
    had = [history[offsets[u] : offsets[u + 1]] for u in user.tolist()]
    owner = torch.tensor([row for row, own in enumerate(had) for _ in own])
    item = torch.tensor([one for own in had for one in own])
    found = encoder.train()(user, item, owner)

    def scaled(row: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(row, dim=0) if normalize else row

    for pair, (row, one) in enumerate(zip(owner.tolist(), item.tolist(), strict=True)):
        others = [scaled(encoder.item[other]) for other in had[row] if other != one]
        rest = scaled(torch.stack(others).mean(0)) if others else torch.zeros(4)
        wanted = scaled(0.3 * scaled(encoder.user[user[row]]) + 0.7 * rest)
        torch.testing.assert_close(found["pair_vector"][pair], wanted, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found["score"][pair], wanted @ scaled(encoder.item[one]), atol=1e-5, rtol=1e-5)
    assert not torch.isclose(found["pair_vector"], found["user_vector"][owner]).all()
    kept = encoder.eval()(user, item, owner)
    torch.testing.assert_close(kept["pair_vector"], kept["user_vector"][owner])


@pytest.mark.parametrize("encoder", [MatrixFactorization, LightGCN])
def test_popularity_is_added_where_items_are_ranked(encoder: type[Tables]) -> None:
    """As one of the numbers of the vectors, of which one less is learned; losses see the others."""
    torch.manual_seed(0)
    plain = encoder(**given(), dim=4)
    added = encoder(**given(), dim=5, popularity=0.5)
    added.load_state_dict(plain.state_dict())
    counts = torch.tensor([1, 1, 1, 3, 1, 0])
    more = 0.5 * (counts + 1.0).log()
    people = torch.tensor([0, 2])
    torch.testing.assert_close(added.eval().scores(people), plain.eval().scores(people) + more)
    had = torch.tensor([4, 1, 2]), torch.tensor([0, 1, 3])
    torch.testing.assert_close(added.fold_in(*had), plain.fold_in(*had) + more)
    assert {name: table.shape[1] for name, table in added.tables().items()} == {"items": 5, "users": 5}
    pair = {"user": torch.tensor([0]), "item": torch.tensor([3])}
    for mode in (True, False):
        torch.testing.assert_close(added.train(mode)(**pair)["score"], plain.train(mode)(**pair)["score"])


def test_a_new_item_has_a_vector_from_its_attributes() -> None:
    """The same attributes, without an own vector, are the same vector."""
    encoder = ENCODERS["one tower"]().eval()
    assert isinstance(encoder, TwoTower)
    torch.testing.assert_close(encoder.new_items(features(ITEMS)[2:4]), encoder.tables()["items"][2:4])
    people_only = TwoTower(**given(), user_features=features(4), dim=4)
    with pytest.raises(ValueError, match="nothing was known of items"):
        people_only.new_items(features(4))


def test_rows_go_without_their_own_vector_in_training_only() -> None:
    torch.manual_seed(0)
    encoder = TwoTower(**given(), item_features=features(ITEMS), dim=4, drop_own=0.5)
    rows = torch.zeros(400, dtype=torch.int64)
    side = encoder.item_side
    assert side.network is not None
    without = side.network(features(ITEMS)[:1])
    share = float(torch.isclose(side.train()(rows), without).all(1).double().mean())
    assert 0.4 < share < 0.6
    assert not torch.isclose(side.eval()(rows), without).all(1).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"biases": True}, "normalize=false"),
        ({"dim": 0}, "dim=0"),
        ({"dim": 1, "popularity": 0.1}, "dim=1"),
        ({"std": -1.0}, "std=-1.0"),
    ],
)
def test_mistakes(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MatrixFactorization(**given(), **options)


def test_two_towers_need_attributes() -> None:
    with pytest.raises(ValueError, match=r"dataset\.items=FILE"):
        TwoTower(**given())


def test_ragged_rows() -> None:
    ragged = Ragged(torch.tensor([5, 6, 7]), torch.tensor([0, 2, 2, 3]))
    assert ragged.counts().tolist() == [2, 0, 1]
    places, values = ragged.pairs(torch.tensor([2, 0]))
    assert places.tolist() == [0, 1, 1]
    assert values.tolist() == [7, 5, 6]
