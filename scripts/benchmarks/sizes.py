"""Sizes and versions: how many neighbors each kind of number keeps, how long a search takes beside float32 and faiss,
and how well one version's queries find another's vectors.

python scripts/benchmarks/sizes.py --data FOLDER --runs outputs/sizes    trains what is not there yet
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from embloom.artifact.neighbors import Neighbors
from embloom.artifact.stages.base import Quantizer
from embloom.derive.align import align, of_names, of_samples
from embloom.derive.compress import compress, searched
from embloom.derive.quantizers import KINDS, quantizer
from embloom.derive.samples import dataset_of, vectors_of_split
from embloom.derive.writing import Source, opened

QUERIES = 200
HIDDEN = "hidden_0"
SAMPLES = 20_000


def trained(folder: Path, *overrides: str) -> Source:
    """A run, trained unless it is there."""
    if not (folder / "embeddings" / "card.json").exists():
        command = [sys.executable, "-m", "embloom", "train", *overrides, "trainer=cpu", f"hydra.run.dir={folder}"]
        subprocess.run(command, check=True)
    return opened(folder)


def milliseconds(search: Callable[[torch.Tensor], Any], queries: torch.Tensor) -> float:
    """The median of single queries."""
    times = []
    for query in [queries[0], *queries]:
        began = time.perf_counter()
        search(query)
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times[1:])


def sizes_of(name: str, source: Source, layer: str, rows: torch.Tensor, folder: Path) -> dict[str, float]:
    """Of each kind of number: bytes a vector, bytes on disk, neighbors kept by a search."""
    found: dict[str, float] = {}
    for kind in KINDS:
        done = compress(source, layer, kind, folder / f"{name}_{kind}", rows=rows)
        found |= {f"{name}/{kind}/bytes_a_vector": done.vector[1], f"{name}/{kind}/bytes_on_disk": done.after}
        found[f"{name}/{kind}/neighbors_kept"] = done.kept if done.kept is not None else float("nan")
    found[f"{name}/float32/bytes_on_disk"] = done.before
    return found


def speed(name: str, rows: torch.Tensor) -> dict[str, float]:
    """Milliseconds a query, of ten neighbors: float32, int8 and bits with rescoring, and faiss on the same."""
    queries = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(1))[:QUERIES]]
    full = Neighbors(rows)
    found = {f"{name}/ms/exact (bfloat16, then float32)": milliseconds(full.nearest, queries)}
    found[f"{name}/ms/float32 product"] = milliseconds(lambda query: full.full(query, 10), queries)
    bits: Quantizer = quantizer("binary", rows)
    search = Neighbors(bits(rows), quantizer=bits)
    found[f"{name}/ms/binary with rescoring"] = milliseconds(search.nearest, queries)
    assert search.bits is not None
    words = search.bits.words_of_rows
    found[f"{name}/ms/floor: reading the bits once"] = milliseconds(lambda query: words.sum(), queries)
    for count in (20, 40, 80):
        found[f"{name}/kept/oversample {count}"] = searched(rows, bits(rows), bits, count)
    return found | of_faiss(name, rows, queries, search)


def of_faiss(name: str, rows: torch.Tensor, queries: torch.Tensor, search: Neighbors) -> dict[str, float]:
    """faiss' exact search of floats, its search of the same bits, and its 8-bit numbers, with as many threads."""
    try:
        import faiss
    except ImportError:
        return {}
    faiss.omp_set_num_threads(torch.get_num_threads())
    unit = search.rows.contiguous().numpy()
    flat: Any = faiss.IndexFlatIP(rows.shape[1])
    flat.add(unit)
    eight: Any = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    eight.train(unit)
    eight.add(unit)
    assert search.bits is not None
    coder = search.bits.quantizer
    binary: Any = faiss.IndexBinaryFlat(coder.bits)
    binary.add(coder.packed(search.rows).numpy())
    return {
        f"{name}/ms/faiss float32": milliseconds(lambda query: flat.search(query.numpy()[None], 10), queries),
        f"{name}/ms/faiss int8": milliseconds(lambda query: eight.search(query.numpy()[None], 10), queries),
        f"{name}/ms/faiss bits, without rescoring": milliseconds(
            lambda query: binary.search(coder.packed(query[None]).numpy(), 400), queries
        ),
    }


def run(data: Path, seeds: int, runs: Path = Path("outputs/sizes")) -> dict[str, float]:
    """Measures.

    Args:
        data: a folder with `mnist` and `imdb`.
        seeds: how many second versions of MNIST are aligned to the first.
        runs: where what is trained is kept.

    Returns:
        Figure -> value; of seeds, a figure each.
    """
    found: dict[str, float] = {}
    corpus = f"dataset.path={data / 'imdb' / 'corpus.txt.gz'}"
    words = trained(runs / "skipgram", "experiment=skipgram", corpus, "probe=[]")
    counted = trained(runs / "ppmi_svd", "experiment=ppmi_svd", corpus, "probe=[]")
    mnist = ("dataset=mnist", f"dataset.root={data / 'mnist'}", "dataset.download=false")
    digits = [trained(runs / f"mnist_{seed}", *mnist, f"seed={seed}") for seed in range(seeds + 1)]
    dataset = dataset_of(digits[0].card, {})
    table = words.embedding.table("embedding").float()
    layers = (HIDDEN, HIDDEN)
    made = [
        [
            vectors_of_split(one.embedding, dataset, "train", [HIDDEN], SAMPLES),
            vectors_of_split(one.embedding, dataset, "test", [HIDDEN], 2000),
        ]
        for one in digits
    ]
    hidden = made[0][0][HIDDEN]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        found |= sizes_of("words", words, "embedding", table, folder)
        found |= sizes_of("mnist", digits[0], HIDDEN, hidden, folder)
        found |= speed("words", table) | speed("mnist", hidden)
        both = [(one.embedding.keys["embedding"], one.embedding.table("embedding").float()) for one in (counted, words)]
        for kind in ("orthogonal", "linear", "mlp"):
            pairs = of_names(both[0], both[1], [])
            done = align(counted, words, ("embedding", "embedding"), pairs, kind, folder / f"words_{kind}")
            found |= {f"align/words/{kind}/{name}": value for name, value in done.figures.items()}
            for seed, (fit, test) in enumerate(made[1:], 1):
                pairs = of_samples(fit, made[0][0], layers, dataset.class_counts(), (test, made[0][1]))
                done = align(digits[seed], digits[0], layers, pairs, kind, folder / f"mnist_{kind}_{seed}")
                found |= {f"align/mnist/{kind}/seed {seed}/{name}": value for name, value in done.figures.items()}
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("outputs/sizes"), help="where what is trained is kept")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name, value in run(options.data, options.seeds, options.runs).items():
        print(f"{name:<60} {value:,.4f}")


if __name__ == "__main__":
    main()
