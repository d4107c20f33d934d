"""Every way to embed text on one table: trains what is not there yet, as a user would, and prints what probes say.

    python scripts/benchmarks/texts.py --corpus imdb/corpus.txt.gz --data FOLDER --reviews imdb
    python scripts/benchmarks/texts.py --corpus imdb/corpus.txt.gz --data FOLDER --only ppmi_svd,glove --glove GLOVE
    python scripts/benchmarks/texts.py --corpus imdb/corpus.txt.gz --reviews imdb --steps 3000
    python scripts/benchmarks/texts.py --memory --folder PLACE

FOLDER holds word_similarity/*.txt and analogies/questions-words.txt; `--reviews` is a folder with train.csv.gz and
test.csv.gz, labelled; what its rows start from has seen the corpus. Peers are measured in the same run: `--glove` names
a built copy of the authors' C program, gensim its own package. What has been trained is kept in `--folder`; a row that
fails is said, and the others go on. Other arguments are overrides of each training. `--memory` writes a corpus of 170
million words (`--words`) and prints the highest memory of counting and of training on it and on a tenth of it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch.nn.functional as F
from labels import STARTS, more
from rich import box
from rich.console import Console
from rich.table import Table
from torch import Tensor
from watching import watched

import embloom
from embloom.data.text import Text
from embloom.files.word2vec import read_vectors
from embloom.probes.analogies import Analogies
from embloom.probes.base import Frozen
from embloom.probes.word_similarity import WordSimilarity, agreement, read_pairs

SETS = ("EN-MEN-TR-3k", "EN-MTurk-771", "EN-RG-65", "EN-SIMLEX-999", "EN-WS-353-ALL")
WORDS = {  # row -> how it is trained
    "ppmi_svd": ["experiment=ppmi_svd"],
    "glove": ["experiment=glove"],
    "skipgram": ["experiment=skipgram"],
    "cbow": ["experiment=skipgram", "encoder=cbow"],
    "subword_skipgram": ["experiment=subword_skipgram"],
}
TEXTS = {  # row -> how it is trained, or probed, on labelled texts
    "raw_bytes": ["experiment=raw_bytes"],
    "one_hot": ["experiment=one_hot"],
    "bag_of_embeddings": ["experiment=bag_of_embeddings"],
    "bag_of_ngrams": ["experiment=bag_of_ngrams"],
    "bag_from_words": ["experiment=bag_from_words"],
    "lsa": ["experiment=lsa"],
    "word_means": ["experiment=probe_texts", "encoder=bag_of_embeddings", "encoder.layers=100"],
    "lstm": ["experiment=probe_texts", "encoder=lstm"],
    "transformer": ["experiment=probe_texts"],
}
BEFORE = {  # row -> what it starts from, trained on the corpus
    "bag_from_words": ["experiment=skipgram", "dataset.window=15"],
    "word_means": ["experiment=skipgram"],
    "lstm": ["experiment=lstm"],
    "transformer": ["experiment=transformer"],
}
PEERS = ("glove_c", "gensim_word2vec", "gensim_fasttext")
LABELS = (25_000, 500)
START_OF = {experiment: start for start, experiment in STARTS.items()}
RARE, LEAST_PAIRS = 19, 10
Pairs = list[tuple[str, str, float]]
GENSIM = """
import sys
from gensim.models import FastText, Word2Vec
kind = {"gensim_word2vec": Word2Vec, "gensim_fasttext": FastText}[sys.argv[1]]
model = kind(corpus_file=sys.argv[2], vector_size=100, window=5, negative=5, sample=1e-3, min_count=5, sg=1,
             workers=int(sys.argv[4]), epochs=5)
model.wv.save_word2vec_format(sys.argv[3])
"""


def main() -> None:
    """Reads the arguments, trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--corpus", type=Path, help="text without labels, a document a line")
    parser.add_argument("--data", type=Path, help="folder of word_similarity/ and analogies/")
    parser.add_argument("--reviews", type=Path, help="texts with labels")
    parser.add_argument("--glove", type=Path, help="folder of the C program, built")
    parser.add_argument("--folder", type=Path, default=Path("outputs/texts"), help="where the runs are kept")
    parser.add_argument("--only", default="", help="rows, with commas between them")
    parser.add_argument("--threads", type=int, default=2, help="of peers")
    parser.add_argument("--steps", type=int, default=0, help="of pretraining in context; 0 is an epoch")
    parser.add_argument("--words", type=int, default=170_000_000, help="of the generated corpus")
    options, overrides = parser.parse_known_args()
    if not options.memory and (not options.corpus or not (options.data or options.reviews)):
        parser.error("the table needs --corpus, and --data (words), --reviews (texts) or both")
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.memory:
        memory(options, overrides)
        return
    if options.data:
        print_words(options, overrides)
    if options.reviews:
        print_texts(options, overrides)


def chosen(options: argparse.Namespace, rows: tuple[str, ...]) -> list[str]:
    """Those that were asked for."""
    return [row for row in rows if not options.only or row in options.only.split(",")]


def print_words(options: argparse.Namespace, overrides: list[str]) -> None:
    """The table of word vectors."""
    heads = (*(name.split("-")[1] for name in SETS), "mean", "rare", "analogies", "s", "MB")
    table = Table("words", *heads, box=box.SIMPLE_HEAD)
    rare = rare_pairs(options)
    asked = [f"probe.word_similarity.path={options.data}/word_similarity",
             f"probe.analogies.path={options.data}/analogies/questions-words.txt"]  # fmt: skip
    for row in chosen(options, (*WORDS, *(PEERS if options.glove else PEERS[1:]))):
        folder = options.folder / row
        if row in WORDS:
            probes = ["probe=[word_similarity,analogies]", *asked, f"dataset.path={options.corpus}"]
            cache = [f"dataset.cache={folder}-cache"]  # its own: the seconds are from text to vectors
            add(table, row, lambda: ours(folder, [*WORDS[row], *probes, *cache, *overrides], rare))  # noqa: B023
        else:
            add(table, row, lambda: peer(row, folder, options, asked, rare))  # noqa: B023
    Console().print(table)
    print(f"rare: the mean over {len(rare)} sets, of pairs with a word that occurs {RARE} times or less")


def rare_pairs(options: argparse.Namespace) -> dict[str, Pairs]:
    """The pairs of each set with a rare word, of sets that have enough of them."""
    data = text_of(options)
    assert data.corpus is not None
    seen = dict(zip(data.corpus.words, data.corpus.counts.tolist(), strict=True))
    found = {}
    for name in SETS:
        pairs = read_pairs(options.data / "word_similarity" / f"{name}.txt")
        some = [
            pair
            for pair in pairs
            if all(word in seen for word in pair[:2]) and min(map(seen.__getitem__, pair[:2])) <= RARE
        ]
        if len(some) >= LEAST_PAIRS:
            found[name] = some
    return found


def rare_spearman(words: list[str], vectors: Tensor, sets: dict[str, Pairs]) -> float:
    """The mean over sets of pairs."""
    number = {word: row for row, word in enumerate(words)}
    rows, scores = F.normalize(vectors.float(), dim=1), []
    for pairs in sets.values():
        scores.append(agreement([pair for pair in pairs if set(pair[:2]) <= number.keys()], number, rows))
    return sum(scores) / max(1, len(scores))


def ours(folder: Path, overrides: list[str], rare: dict[str, Pairs]) -> dict[str, float]:
    """The metrics of a run, and how well rare words do."""
    found = trained(folder, overrides)
    words = embloom.load(folder).words
    return {**found, "rare": rare_spearman(words.names, words.vectors, rare)}


def add(table: Table, row: str, measure: Callable[[], dict[str, float]]) -> None:
    """A row, or why there is none."""
    try:
        found = measure()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        table.add_row(row, f"failed: {str(error).splitlines()[-1]}")
        return
    names = (*(f"probe/word_similarity_{name}" for name in SETS), "probe/word_similarity", "rare", "probe/analogies")
    cells = [found.get(name, float("nan")) for name in names]
    table.add_row(row, *(f"{cell:.3f}" for cell in cells), f"{found['seconds']:.0f}", f"{found['megabytes']:.0f}")


def print_texts(options: argparse.Namespace, overrides: list[str]) -> None:
    """The table of labelled texts: the accuracy of the run's own head, else of the linear probe on the layer that
    is best by that accuracy."""
    table = Table("texts", *(f"{labels:,} labels" for labels in LABELS), "s", "MB", "best layer", box=box.SIMPLE_HEAD)
    for row in chosen(options, tuple(TEXTS)):
        cells, last, layer = [], {"seconds": float("nan"), "megabytes": float("nan")}, ""
        for labels in LABELS:
            try:
                found = trained(options.folder / f"{row}-{labels}", text_run(row, labels, options, overrides))
            except (OSError, subprocess.CalledProcessError) as error:
                cells.append(f"failed: {error}"[:40])
                continue
            scores = {name: value for name, value in found.items() if name.startswith("probe/linear_label")}
            best = max(scores, key=scores.__getitem__, default="")
            best = "test/accuracy_label" if "test/accuracy_label" in found else best
            cells.append(f"{found.get(best, float('nan')):.2%}")
            if labels == LABELS[0]:
                last, layer = found, best.removeprefix("probe/linear_label").strip("_")
        table.add_row(row, *cells, f"{last['seconds']:.0f}", f"{last['megabytes']:.0f}", layer)
    Console().print(table)


def text_run(row: str, labels: int, options: argparse.Namespace, overrides: list[str]) -> list[str]:
    """The overrides of a row with so many labels; what it starts from is trained first."""
    asked = [*TEXTS[row], f"dataset.path={options.reviews}"]
    if labels != LABELS[0]:
        asked.append(f"dataset.train_size={labels}")
    source = options.folder / f"{row}-before"
    if row in BEFORE:
        limit = [f"trainer.max_steps={options.steps}"] if options.steps and row in ("lstm", "transformer") else []
        trained(source, [*BEFORE[row], f"dataset.path={options.corpus}", "probe=[]", *limit, *overrides])
        asked.append(f"init_from={source}")
    if row in START_OF:
        asked += more(START_OF[row], labels, str(source), str(options.corpus))
    return [*asked, *overrides]


def trained(folder: Path, overrides: list[str]) -> dict[str, float]:
    """The metrics of a run, trained now unless its folder has them, the seconds of the whole command and the size of
    the artifact."""
    took = folder / "seconds"
    if not took.exists():
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "embloom", "train", *overrides, f"hydra.run.dir={folder}"],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        took.write_text(str(time.perf_counter() - start))
    size = (folder / "embeddings" / "layers.safetensors").stat().st_size / 1e6
    metrics: dict[str, float] = json.loads((folder / "metrics.json").read_text())
    return {**metrics, "seconds": float(took.read_text()), "megabytes": size}


def peer(
    row: str, folder: Path, options: argparse.Namespace, asked: list[str], rare: dict[str, Pairs]
) -> dict[str, float]:
    """A peer's vectors of the same tokens, measured by the same probes."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens, vectors = tokens_of(options), folder / "vectors.txt"
    took = folder / "seconds"
    if not took.exists():
        start = time.perf_counter()
        if row == "glove_c":
            run_glove(options, tokens, folder)
        else:
            arguments = [row, str(tokens), str(vectors), str(options.threads)]
            subprocess.run([sys.executable, "-c", GENSIM, *arguments], check=True)
        took.write_text(str(time.perf_counter() - start))
    words, table = read_vectors(vectors)
    frozen = Frozen({}, {}, {}, {"embedding": table}, {"embedding": words})
    paths = [place.split("=", 1)[1] for place in asked]
    found = {**WordSimilarity(paths[0])(frozen), **Analogies(paths[1])(frozen)}
    named = {f"probe/{name}": value for name, value in found.items()}
    size = 4 * table.numel() / 1e6
    return {**named, "rare": rare_spearman(words, table, rare), "seconds": float(took.read_text()), "megabytes": size}


def text_of(options: argparse.Namespace) -> Text:
    """The corpus, tokenized."""
    data = Text(8192, path=str(options.corpus), cache=str(options.folder / "tokens-cache"))
    data.measure()
    return data


def tokens_of(options: argparse.Namespace) -> Path:
    """The corpus's words, a document a line, spaces between; rare ones left out."""
    file: Path = options.folder / "tokens.txt"
    if not file.exists():
        data = text_of(options)
        assert data.corpus is not None
        words, offsets = np.array(data.corpus.words, dtype=object), data.corpus.offsets
        with file.open("w", encoding="utf-8") as out:
            for first, last in pairwise(offsets.tolist()):
                out.write(" ".join(words[data.corpus.tokens[first:last]]) + "\n")
    return file


def run_glove(options: argparse.Namespace, tokens: Path, folder: Path) -> None:
    """The authors' C program: vocabulary, counting, shuffling and 25 iterations, x_max 10, window 10."""
    build = options.glove.resolve() / "build"
    command = (
        f"{build}/vocab_count -min-count 5 -verbose 0 < {tokens.resolve()} > vocab.txt && "
        f"{build}/cooccur -memory 4.0 -vocab-file vocab.txt -verbose 0 -window-size 10 < {tokens.resolve()} > pairs && "
        f"{build}/shuffle -memory 4.0 -verbose 0 -seed 1 < pairs > shuffled && "
        f"{build}/glove -save-file vectors -threads {options.threads} -input-file shuffled -x-max 10 -iter 25 "
        "-vector-size 100 -binary 0 -vocab-file vocab.txt -verbose 0 -seed 1 && rm pairs shuffled"
    )
    subprocess.run(["sh", "-c", command], cwd=folder, check=True)


def memory(options: argparse.Namespace, overrides: list[str]) -> None:
    """The highest memory of trainings on a generated corpus, and on a tenth of it."""
    table = Table("words", "experiment", "seconds", "peak MB of its own", "with files mapped", box=box.SIMPLE_HEAD)
    for count in (options.words // 10, options.words):
        file = options.folder / f"generated-{count}.txt"
        if not file.exists():
            generate(file, count)
        for experiment in ("ppmi_svd", "glove", "skipgram"):
            if options.only and experiment not in options.only.split(","):
                continue
            # For SVD only the counting is asked about: the matrix itself has to be held.
            steps = ["trainer.max_steps=200"] if experiment != "ppmi_svd" else ["encoder.dim=8", "encoder.iterations=0"]
            run = [f"experiment={experiment}", f"dataset.path={file}", f"dataset.cache={options.folder}/cache", *steps]
            found = watched([*run, "probe=[]", f"hydra.run.dir={options.folder}/{experiment}-{count}", *overrides])
            table.add_row(f"{count:,}", experiment, *(found or ("failed",)))
    Console().print(table)


def generate(file: Path, count: int, chunk: int = 1_000_000) -> None:
    """Writes words by Zipf's law, each document about one of many topics, so that some words stand together."""
    draws, words = np.random.default_rng(0), 200_000
    with file.open("w", encoding="ascii") as out:
        for start in range(0, count, chunk):
            size = min(chunk, count - start)
            word = np.minimum((words ** draws.random(size)).astype(np.int64), words - 1)
            topic = np.repeat(draws.integers(1000, size=-(-size // 250)), 250)[:size]
            # Half of the rarer words are the topic's own.
            own = (draws.random(size) < 0.5) & (word > 2000)
            word[own] = 2000 + (word[own] - 2000) // 1000 * 1000 + topic[own]
            lines = word.astype(str).reshape(-1, 250) if size % 250 == 0 else [word.astype(str)]
            out.writelines(" ".join(f"w{name}" for name in line) + "\n" for line in lines)


if __name__ == "__main__":
    main()
