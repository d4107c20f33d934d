"""Skip-gram against gensim's Word2Vec, and with `--subwords` subword skip-gram against its FastText: speed and quality,
on the same text, in turns in one run.

    pip install 'embloom[benchmark]'
    python scripts/benchmarks/skipgram.py CORPUS [--rounds 3] [--epochs 1] [--quality --data FOLDER --seeds 3]

CORPUS is a text file with a document a line, such as corpus.txt.gz. gensim gets the same tokens, one document a line
separated by spaces, in its fastest mode (`corpus_file`) with as many workers as embloom has threads, and the settings
of experiment=skipgram: skip-gram, 100 dimensions, window 5, 5 negatives, sample 1e-3, min_count 5.

- training: the loop alone, vocabulary and start-up apart; raw words (before subsampling) a second.
- whole command: from nothing to saved vectors in new processes, vocabulary included; 1 epoch and 5, the default.
- arithmetic: floating-point operations of embloom's matrix products a second, against a large bfloat16 or float32
  product on the same cores.
- --quality trains 5 epochs a seed and prints Spearman's correlations and the analogy accuracy of both; FOLDER holds
  word_similarity/ and analogies/questions-words.txt.

Other arguments are overrides of embloom's training, such as encoder.dtype=float32 for a processor without bfloat16. The
two take turns, so that a machine whose speed drifts drifts for both. What counts are the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from embloom.assembly.compose import composed, plain
from embloom.callbacks.base import Callback, Training
from embloom.data.corpus import Corpus
from embloom.data.text import Text
from embloom.files.run_state import RunState
from embloom.training.preparing import prepared
from embloom.training.run import Run

SETTINGS: dict[str, Any] = {
    "sg": 1, "vector_size": 100, "window": 5, "negative": 5, "sample": 1e-3, "min_count": 5,
}  # fmt: skip
WHOLE = """
import sys
import gensim.models
kind = getattr(gensim.models, sys.argv[6])
model = kind(corpus_file=sys.argv[1], workers=int(sys.argv[3]), epochs=int(sys.argv[4]), **eval(sys.argv[5]))
model.wv.save_word2vec_format(sys.argv[2], binary=True)
"""


class Clock(Callback):
    """Times each epoch's training steps; validation is not part of them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.began = 0.0

    def on_epoch_start(self, run: Training) -> None:
        """Starts."""
        self.began = time.perf_counter()

    def on_batch_end(self, run: Training, batch: Mapping[str, Tensor]) -> None:
        """Stops after the last batch."""
        if run.batches_done == (run.epoch + 1) * run.batches // run.epochs:
            self.seconds.append(time.perf_counter() - self.began)


def overrides(options: argparse.Namespace, cache: Path, epochs: int) -> list[str]:
    """The default recipe on the corpus."""
    corpus = [f"dataset.path={options.corpus}", f"dataset.cache={cache}", f"dataset.workers={options.threads}"]
    experiment = "subword_skipgram" if options.subwords else "skipgram"
    return [f"experiment={experiment}", "trainer=cpu", f"trainer.max_epochs={epochs}", *corpus, *options.overrides]


def embloom_epochs(
    options: argparse.Namespace, cache: Path, epochs: int, seed: int = 0
) -> tuple[list[float], Text, Any]:
    """Trains; returns seconds of each epoch, the dataset and the vectors."""
    config = plain(
        composed([*overrides(options, cache, epochs), f"seed={seed}", "probe=[]", "logger=[]", "callbacks=[]"], [])
    )
    parts = prepared(config)
    clock = Clock()
    parts.callbacks["clock"] = clock
    assert isinstance(parts.dataset, Text)
    with tempfile.TemporaryDirectory() as folder:
        Run(config, Path(folder), parts, RunState("text", "skipgram", "negative_sampling")).fit()
    return clock.seconds, parts.dataset, parts.encoder.tables()["embedding"]


def gensim_epochs(options: argparse.Namespace, file: Path, epochs: int, seed: int = 0) -> tuple[float, Any]:
    """Trains; returns the seconds of the training alone and the vectors."""
    from gensim.models import FastText, Word2Vec

    kind = FastText if options.subwords else Word2Vec
    model = kind(workers=options.threads, seed=seed + 1, **SETTINGS)
    model.build_vocab(corpus_file=str(file))
    began = time.perf_counter()
    model.train(
        corpus_file=str(file), total_examples=model.corpus_count, total_words=model.corpus_total_words, epochs=epochs
    )
    return time.perf_counter() - began, model.wv


def write_tokens(corpus: Corpus, file: Path) -> None:
    """The corpus's words, a document a line, spaces between; rare words left out, as both do."""
    words = np.array(corpus.words, dtype=object)
    with file.open("w") as out:
        for first, last in zip(corpus.offsets[:-1], corpus.offsets[1:], strict=True):
            out.write(" ".join(words[corpus.tokens[first:last]]) + "\n")


def peak(threads: int) -> dict[str, float]:
    """FLOP/s of large matrix products, the best of several."""
    torch.set_num_threads(threads)
    found = {}
    for dtype in (torch.float32, torch.bfloat16):
        a = torch.randn(2048, 2048).to(dtype)
        seconds = []
        for _ in range(6):
            began = time.perf_counter()
            a @ a
            seconds.append(time.perf_counter() - began)
        found[str(dtype).removeprefix("torch.")] = 2 * 2048**3 / min(seconds)
    return found


def whole_commands(options: argparse.Namespace, raw: Path, folder: Path, epochs: int) -> tuple[float, float]:
    """Seconds of both whole commands: embloom from the text, gensim from its tokens, each to saved vectors."""
    cache = folder / "whole-cache"
    shutil.rmtree(cache, ignore_errors=True)
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
    run = [f"hydra.run.dir={folder / 'whole'}", "probe=[]", "callbacks=[checkpoints,metrics]"]
    began = time.perf_counter()
    command = [sys.executable, "-m", "embloom", "train", *overrides(options, cache, epochs), *run]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    ours = time.perf_counter() - began
    shutil.rmtree(folder / "whole")
    began = time.perf_counter()
    arguments = [str(raw), str(folder / "vectors.bin"), str(options.threads), str(epochs), repr(SETTINGS)]
    arguments.append("FastText" if options.subwords else "Word2Vec")
    subprocess.run([sys.executable, "-c", WHOLE, *arguments], check=True, env=environment)
    return ours, time.perf_counter() - began


def speed(options: argparse.Namespace, folder: Path) -> None:
    """The turns, and what came of them."""
    file, words = folder / "tokens.txt", 0
    ours: list[float] = []
    theirs: list[float] = []
    flops = 0.0
    for turn in range(options.rounds):
        seconds, data, _ = embloom_epochs(options, folder / "cache", options.epochs)
        assert data.corpus is not None
        words = data.corpus.about["raw_tokens"]
        if not file.exists():
            write_tokens(data.corpus, file)
        if options.limit_gensim and turn == 0:
            print(f"gensim reads the first {options.limit_gensim:,} documents only")
        steps = len(data.train_dataloader())
        flops = 6 * data.batch_size * (data.block + data.negatives) * 100 * steps / statistics.median(seconds)
        ours.append(words / statistics.median(seconds))
        part, share = shortened(file, options.limit_gensim)
        theirs.append(words * share * options.epochs / gensim_epochs(options, part, options.epochs)[0])
        ratio = ours[-1] / theirs[-1]
        print(f"round {turn + 1}: embloom {ours[-1]:,.0f}, gensim {theirs[-1]:,.0f} words/s, {ratio:.2f} x", flush=True)
    pairs = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"training: embloom / gensim {statistics.median(pairs):.2f} (median of {len(pairs)} rounds)")
    for name, most in peak(options.threads).items():
        print(f"arithmetic: {flops / 1e9:.0f} GFLOP/s of {most / 1e9:.0f} in large {name} products, {flops / most:.0%}")
    if not options.limit_gensim:
        for epochs in (1, 5):
            mine, other = whole_commands(options, file, folder, epochs)
            print(f"whole command, epochs={epochs}: embloom {mine:.1f} s, gensim {other:.1f} s, {other / mine:.2f} x")


def shortened(file: Path, documents: int) -> tuple[Path, float]:
    """A file of the first documents, and the share of the words in it; all of it for 0."""
    if not documents:
        return file, 1.0
    part = file.with_suffix(".part")
    with file.open() as lines, part.open("w") as out:
        out.writelines(line for _, line in zip(range(documents), lines, strict=False))
    return part, part.stat().st_size / file.stat().st_size


def quality(options: argparse.Namespace, folder: Path) -> None:
    """Both after 5 epochs, by gensim's own measures."""
    from gensim.models import KeyedVectors

    rows: dict[str, list[dict[str, float]]] = {"embloom": [], "gensim": []}
    for seed in range(options.seeds):
        _, data, table = embloom_epochs(options, folder / "cache", 5, seed)
        assert data.corpus is not None
        vectors = KeyedVectors(100)
        vectors.add_vectors(data.corpus.words, table.detach().numpy())
        rows["embloom"].append(measured(vectors, options.data))
        print("embloom", seed, json.dumps(rows["embloom"][-1]), flush=True)
        if seed == 0:
            write_tokens(data.corpus, folder / "tokens.txt")
            rows["gensim"].append(measured(gensim_epochs(options, folder / "tokens.txt", 5)[1], options.data))
            print("gensim ", seed, json.dumps(rows["gensim"][-1]), flush=True)
    for name in rows["embloom"][0]:
        ours = [row[name] for row in rows["embloom"]]
        print(f"{name:<14} embloom {statistics.mean(ours):.4f} ({min(ours):.4f} to {max(ours):.4f})   "
              f"gensim {rows['gensim'][0][name]:.4f}")  # fmt: skip


def measured(vectors: Any, data: Path) -> dict[str, float]:
    """gensim's `evaluate_word_pairs` and `evaluate_word_analogies`, with their defaults."""
    found = {}
    for file in sorted((data / "word_similarity").glob("*.txt")):
        delimiter = "\t" if "\t" in file.read_text() else " "
        found[file.stem] = float(vectors.evaluate_word_pairs(str(file), delimiter=delimiter)[1][0])
    found["mean"] = statistics.mean(found.values())
    found["analogies"] = float(vectors.evaluate_word_analogies(str(data / "analogies" / "questions-words.txt"))[0])
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    """Reads the arguments and runs what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--limit-gensim", type=int, default=0, help="documents that gensim trains on; 0 is all")
    parser.add_argument("--subwords", action="store_true", help="subword skip-gram and FastText")
    parser.add_argument("--quality", action="store_true")
    parser.add_argument("--data", type=Path, help="folder of word_similarity/ and analogies/")
    parser.add_argument("--seeds", type=int, default=3)
    options, overridden = parser.parse_known_args()
    options.overrides = overridden
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.quality:
            quality(options, Path(folder))
        else:
            speed(options, Path(folder))


if __name__ == "__main__":
    main()
