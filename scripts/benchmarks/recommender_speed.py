"""Alternating least squares and BPR beside `implicit`, in turns, two threads each.

pip install implicit
python scripts/benchmarks/recommender_speed.py train.txt.gz test.txt.gz --rounds 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from embloom.data.interactions import Interactions
from embloom.encoders.als import ALS
from embloom.encoders.matrix_factorization import MatrixFactorization
from embloom.encoders.ragged import Ragged
from embloom.losses.bpr import BPR
from embloom.probes.ranking import Ranking
from embloom.threads import give_back_cores, keep_cores

DIM = 64
Scores = Callable[[Tensor], Tensor]


def main() -> None:
    """Times and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20, help="of BPR")
    options = parser.parse_args()
    dataset = Interactions(8192, path=options.train, test=options.test, val_fraction=0.0, negatives=64)
    dataset.setup()
    train, test = dataset.histories["train"], dataset.histories["test"]
    ways = {
        "embloom als": lambda: ours_als(dataset),
        "implicit als": lambda: peer_als(train),
        "embloom bpr": lambda: ours_bpr(dataset, options.epochs),
        "implicit bpr": lambda: peer_bpr(train, options.epochs),
    }
    popularity = torch.bincount(train.values, minlength=dataset.sizes["item"])
    for _ in range(options.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            scores, pairs = way()
            seconds = time.perf_counter() - start
            found = Ranking(20).measured(scores, [train], test, popularity)
            print(
                f"{name:<13} {seconds:6.1f} s  {pairs / seconds:12,.0f} pairs/s  "
                f"recall@20 {found['recall_at_20']:.4f}  ndcg@20 {found['ndcg_at_20']:.4f}",
                flush=True,
            )


def ours_als(dataset: Interactions) -> tuple[Scores, int]:
    """embloom's, with its defaults: exact solutions."""
    encoder = ALS({name: dataset.sizes[name] for name in ("user", "item")},
                  dataset.supplies["history"], dataset.supplies["history_offsets"], dim=DIM)  # fmt: skip
    encoder.fit([])
    return encoder.eval().scores, encoder.iterations * dataset.rows()["train"]


def peer_als(train: Ragged) -> tuple[Scores, int]:
    """implicit's, with its defaults but for the threads."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(factors=DIM, num_threads=2, random_state=0)
    model.fit(matrix(train), show_progress=False)
    return scores_of(model), model.iterations * len(train.values)


def ours_bpr(dataset: Interactions, epochs: int) -> tuple[Scores, int]:
    """embloom's, a plain loop over its parts."""
    torch.manual_seed(0)
    encoder = MatrixFactorization({name: dataset.sizes[name] for name in ("user", "item")},
                                  dataset.supplies["history"], dataset.supplies["history_offsets"], dim=DIM,
                                  normalize=False)  # fmt: skip
    loss, optimizer = BPR(decay=1e-3), torch.optim.Adam(encoder.parameters(), lr=0.01, fused=True)
    loader, pairs = dataset.loader("train", shuffle=True), 0
    keep_cores()
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            columns = dataset.transform(batch, "train")
            found = encoder(columns["user"], columns["item"], columns["owner"], columns["noise"])
            clashes = columns["clash_row"], columns["clash_column"]
            vectors = found["user_vector"], found["pair_vector"], found["item_vector"]
            value = loss(*vectors, columns["owner"], found["noise_vector"], *clashes)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            pairs += len(columns["item"])
    give_back_cores()
    return encoder.eval().scores, pairs


def peer_bpr(train: Ragged, epochs: int) -> tuple[Scores, int]:
    """implicit's, with its defaults but for factors, epochs and threads; one of its factors is the item's bias."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(factors=DIM - 1, iterations=epochs, num_threads=2, random_state=0)
    model.fit(matrix(train), show_progress=False)
    return scores_of(model), epochs * len(train.values)


def scores_of(model: object) -> Scores:
    """The products of a peer's factors."""
    users, items = (torch.from_numpy(np.asarray(getattr(model, f"{name}_factors"))) for name in ("user", "item"))
    return lambda user: users[user] @ items.T


def matrix(train: Ragged) -> object:
    """Who had what, as scipy has it."""
    import scipy.sparse

    return scipy.sparse.csr_matrix(
        (np.ones(len(train.values), np.float32), train.values.numpy(), train.offsets.numpy()),
        shape=(len(train.offsets) - 1, int(train.values.max()) + 1),
    )


if __name__ == "__main__":
    main()
