"""Alternating least squares and BPR beside `implicit`, in turns, two threads each.

pip install implicit
python scripts/benchmarks/recommender_speed.py train.txt.gz test.txt.gz --rounds 3
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator

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
EPOCHS = 30
AT_ONCE = 5  # epochs of the peer's between two looks
Scores = Callable[[Tensor], Tensor]


def main() -> None:
    """Times and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train")
    parser.add_argument("test")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--recall", type=float, default=0.06, help="that BPR is trained to")
    options = parser.parse_args()
    dataset = Interactions(1024, path=options.train, test=options.test, val_fraction=0.0, negatives=2048)
    dataset.setup()
    train, test = dataset.histories["train"], dataset.histories["test"]
    popularity = torch.bincount(train.values, minlength=dataset.sizes["item"])

    def judged(scores: Scores) -> float:
        return Ranking(20).measured(scores, [train], test, popularity)["recall_at_20"]

    for _ in range(options.rounds):
        for name, als in (("embloom als", lambda: ours_als(dataset)), ("implicit als", lambda: peer_als(train))):
            wall, cpu = time.perf_counter(), time.process_time()
            scores, pairs = als()
            report(name, time.perf_counter() - wall, time.process_time() - cpu, pairs, judged(scores))
        for name, bpr in (("embloom bpr", ours_bpr(dataset)), ("implicit bpr", peer_bpr(train))):
            report(name, *trained_to(options.recall, bpr, judged))


def report(name: str, wall: float, cpu: float, pairs: int, recall: float) -> None:
    """A line."""
    rate = f"{pairs / wall:12,.0f} pairs/s"
    print(f"{name:<13} {wall:6.1f} s  cpu {cpu:6.1f} s  {rate}  recall@20 {recall:.4f}", flush=True)


def trained_to(
    recall: float, slices: Iterator[tuple[Scores, int]], judged: Callable[[Scores], float]
) -> tuple[float, float, int, float]:
    """Trains on until the recall is reached, or nothing more comes: seconds of training, of the processor, pairs, and
    the recall."""
    wall = cpu = reached = 0.0
    pairs = 0
    while reached < recall:
        begun, busy = time.perf_counter(), time.process_time()
        part = next(slices, None)
        if part is None:
            break
        wall, cpu = wall + time.perf_counter() - begun, cpu + time.process_time() - busy
        pairs, reached = pairs + part[1], max(reached, judged(part[0]))
    return wall, cpu, pairs, reached


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


def ours_bpr(dataset: Interactions) -> Iterator[tuple[Scores, int]]:
    """embloom's, a plain loop over its parts with the settings of `experiment=bpr`; an epoch at a time."""
    torch.manual_seed(0)
    encoder = MatrixFactorization({name: dataset.sizes[name] for name in ("user", "item")},
                                  dataset.supplies["history"], dataset.supplies["history_offsets"], dim=DIM,
                                  normalize=False, std=0.05)  # fmt: skip
    loss, optimizer = BPR(0.03, hardest=64), torch.optim.Adam(encoder.parameters(), lr=0.006, fused=True)
    loader = dataset.loader("train", shuffle=True)
    for epoch in range(EPOCHS):
        loader.sampler.set_epoch(epoch)
        encoder.train()
        keep_cores()
        for batch in loader:
            columns = dataset.transform(batch, "train")
            found = encoder(columns["user"], columns["item"], columns["owner"], columns["noise"])
            clashes = columns["clash_row"], columns["clash_column"]
            vectors = found["user_vector"], found["pair_vector"], found["item_vector"]
            value = loss(*vectors, columns["owner"], found["noise_vector"], *clashes)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        give_back_cores()
        yield encoder.eval().scores, dataset.rows()["train"]


def peer_bpr(train: Ragged) -> Iterator[tuple[Scores, int]]:
    """implicit's, a few epochs at a time; one of its factors is the item's bias. Its default rate, 0.01, reaches
    less in as many epochs."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    known = matrix(train)
    model = BayesianPersonalizedRanking(
        factors=DIM - 1, learning_rate=0.05, iterations=AT_ONCE, num_threads=2, random_state=0
    )
    for _ in range(4 * EPOCHS // AT_ONCE):
        model.fit(known, show_progress=False)
        yield scores_of(model), AT_ONCE * len(train.values)


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
