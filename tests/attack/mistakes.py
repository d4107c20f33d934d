"""Mistakes to type: every option of every group with what it cannot be, and every command with what it cannot take."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import yaml

from embloom.assembly.groups import CONFIGS, options

SHORT = ("trainer=cpu", "trainer.max_epochs=1", "trainer.limit_train_batches=1")
# What else a command with an option of a group takes, so that only the mistake is one.
WITH: dict[str, tuple[str, ...]] = {
    "loss=compatible": ("loss.compatible.to=run",),
    "dataset=color_shape": ("encoder=conv", "loss=color"),
    "dataset=baskets": ("experiment=item2vec", "dataset.cache=cache"),
    "dataset=text": ("encoder=skipgram", "loss=negative_sampling", "optimizer=rowwise_adagrad", "dataset.cache=cache"),
    "dataset=cooccurrences": ("experiment=ppmi_svd", "dataset.cache=cache"),
    "dataset=labelled_text": ("encoder=bag_of_embeddings", "dataset.path=texts/t.csv"),
    "dataset=text_bytes": ("encoder=bytes", "loss=[]", "dataset.path=texts/t.csv"),
    "dataset=image_folder": ("dataset.root=images", "encoder.layers=auto-8-auto"),
    "dataset=mnist": ("dataset.root=idx", "dataset.val_size=30", "dataset.download=false"),
    "dataset=fashion_mnist": ("dataset.root=idx", "dataset.val_size=30", "dataset.download=false"),
    "encoder=skipgram": ("dataset=text", "loss=negative_sampling", "optimizer=rowwise_adagrad", "dataset.cache=cache"),
    "encoder=ppmi_svd": ("experiment=ppmi_svd", "dataset.cache=cache"),
    "encoder=cbow": ("dataset=text", "loss=nce", "optimizer=rowwise_adagrad", "dataset.cache=cache"),
    "encoder=bag_of_embeddings": ("dataset=labelled_text", "dataset.path=texts/t.csv"),
    "encoder=lsa": ("experiment=lsa", "dataset.path=texts/t.csv"),
    "encoder=bytes": ("experiment=raw_bytes", "dataset.path=texts/t.csv"),
    "encoder=autoencoder": ("experiment=autoencoder",),
    "encoder=conv_autoencoder": ("experiment=conv_autoencoder",),
    "encoder=pca": ("experiment=pca",),
    "encoder=vae": ("experiment=vae",),
    "encoder=identity": ("experiment=raw_pixels",),
    "encoder=random_projection": ("experiment=random_projection",),
    **{
        f"{group}={name}": ("experiment=recommender",)
        for group, names in {
            "dataset": ("interactions",),
            "encoder": (
                "als",
                "ease",
                "graph_filter",
                "lightgcn",
                "matrix_factorization",
                "popularity",
                "svd",
                "two_tower",
            ),
            "loss": ("bpr", "cosine_contrastive", "item_softmax", "rating"),
            "probe": ("ranking", "rating_error", "row_labels"),
        }.items()
        for name in names
    },
    "encoder=torchvision": ("encoder.weights=null",),
    "loss=negative_sampling": ("experiment=skipgram", "dataset.cache=cache"),
    "loss=full_softmax": ("experiment=skipgram", "dataset.cache=cache"),
    "loss=nce": ("experiment=skipgram", "dataset.cache=cache"),
    "loss=sampled_softmax": ("experiment=skipgram", "dataset.cache=cache"),
    "loss=kl": ("experiment=vae",),
    "loss=bce": ("experiment=autoencoder",),
    "loss=l1": ("experiment=autoencoder",),
    "loss=mse": ("experiment=autoencoder",),
    "loss=reconstruction": ("experiment=autoencoder",),
    "loss=watched_reconstruction": ("experiment=autoencoder",),
    "loss=nt_xent": ("dataset.views=2", "dataset.augment.crop=0.3"),
    **{f"loss={name}": ("experiment=color_shape",) for name in ("color", "shape", "large", "taxi")},
    "optimizer=rowwise_adagrad": ("experiment=skipgram", "dataset.cache=cache"),
    "optimizer=sparse_adam": ("experiment=skipgram", "dataset.cache=cache"),
    "optimizer=sparse_sgd": ("experiment=skipgram", "dataset.cache=cache"),
    "probe=analogies": ("experiment=skipgram", "dataset.cache=cache"),
    "probe=word_similarity": ("experiment=skipgram", "dataset.cache=cache", "probe.word_similarity.path=pairs.txt"),
    "callbacks=latent_grid": ("experiment=vae",),
    "callbacks=reconstructions": ("experiment=autoencoder",),
    "callbacks=kl_warmup": ("experiment=vae",),
    "callbacks=samples": ("experiment=color_shape",),
    "callbacks=loss_weights": ("experiment=color_shape",),
    "callbacks=gradient_cosine": ("experiment=color_shape",),
}
GROUPS = ("dataset", "encoder", "loss", "optimizer", "scheduler", "trainer", "callbacks", "probe", "logger")
# What no integer, number, flag or text of a choice is.
WRONG: dict[type, tuple[str, ...]] = {
    int: ("many", "-3", ".nan", "[1,2]", "{a: 1}", "true"),
    float: ("many", ".nan", "[1,2]", "-1e9", "{a: 1}", "true"),
    bool: ("perhaps", "[1,2]", "7"),
    str: ("nonsense", "{a: 1}", "-1"),
    list: ("7.5", "{a: 1}"),
    dict: ("7", "nonsense"),
}
# What is right, though it looks wrong.
RIGHT = {
    "noise_exponent=-1e9": "any power",
    **dict.fromkeys(("experiment=nonsense", "experiment=-1", "project=nonsense", "project=-1"), "any name"),
}


def settings(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of an option, but for what names classes and tensors."""
    for key, value in node.items():
        if key in ("_target_", "of", "defaults"):
            continue
        if isinstance(value, dict) and value:
            yield from settings(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def typed(group: str, option: str, draw: random.Random, each: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Commands with a wrong value of each setting of an option, and the name that the message must have."""
    text = (CONFIGS / group / f"{option}.yaml").read_text()
    node = yaml.safe_load(text) or {}
    begin = (f"{group}={option}", *WITH.get(f"{group}={option}", ()), *SHORT[group == "trainer" :])
    if any(word.startswith("experiment=") for word in begin):
        begin = tuple(sorted(begin, key=lambda word: not word.startswith("experiment=")))
    keys = [(key, value) for key, value in settings(node) if value != "???"]
    for key, value in keys:
        values = WRONG.get(type(value), ())
        for wrong in draw.sample(values, min(each, len(values))):
            if f"{key.rpartition('.')[2]}={wrong}" not in RIGHT:
                yield ("train", *begin, f"{group}.{key}={wrong}"), key.rpartition(".")[2]
    if keys:
        key = draw.choice(keys)[0]
        yield ("train", *begin, f"{group}.{key}x=1"), f"{group}.{key}x"


def options_mistaken(each: int) -> list[tuple[tuple[str, ...], str]]:
    """Every setting of every option."""
    draw = random.Random(0)
    found: list[tuple[tuple[str, ...], str]] = []
    for group in GROUPS:
        for option in options(group):
            if option in ("default", "gpu", "ddp"):
                continue
            found += typed(group, option, draw, each)
    return found


def of_groups() -> Iterator[tuple[tuple[str, ...], str]]:
    """Options and settings that there are not."""
    for group in GROUPS:
        short = SHORT[group == "trainer" :]  # of two choices the last one counts
        for name in ("nonsense", "", "''", "null", "../x", "[a,b]", "{a: 1}", "7"):
            if name in ("null", "", "''") and group in ("probe", "callbacks", "logger"):
                continue  # none is an option of these
            yield ("train", f"{group}={name}", *short), ""
        yield ("train", f"{group}", *SHORT), ""
        yield ("train", f"{group}.nonsense=1", *SHORT), "nonsense"
        yield ("train", f"{group}x=nonsense", *SHORT), group
    for name in ("nonsense", "[a,b]", "7"):
        yield ("train", f"experiment={name}", *SHORT), "" if name == "7" else "experiment"
    for value in ("abc", "-1", "1.5", "[1]", "null", "true", "''", "99999999999999999999"):
        yield ("train", f"seed={value}", *SHORT), "seed"
    for value in ("worst", "null", "1", "true", "[best]"):
        yield ("train", f"evaluate={value}", *SHORT), "evaluate"
    for value in ("absent", "run/run.json", "''", "texts/t.csv", "images", ".", "/", "images/a/1.png"):
        yield ("train", f"init_from={value}", *SHORT), ""
    for key, value in (("freeze", "perhaps"), ("lr", "-1"), ("lr", "fast"), ("thaw_epoch", "0"), ("thaw_epoch", "x"),
                       ("map", "3"), ("map", "{no: such}"), ("pth", "run")):  # fmt: skip
        yield ("train", "init_from=run", f"init_from.{key}={value}", *SHORT), key


NAMES = ("absent", "texts/t.csv", "images", "''", "", "empty", "run/checkpoints", "*.nothing")


def of_commands() -> Iterator[tuple[tuple[str, ...], str]]:
    """Every command without a run, with what is none, and with options that it does not have."""
    rest = {
        "resume": (), "rm": ("--yes",), "compare": (), "best": (), "map": (), "neighbors": ("king",),
        "analogy": ("a", "-", "b"),
        "midpoint": ("a", "b"), "outlier": ("a", "b"), "encode": ("images", "--output", "o.npy"),
        "export": ("--to", "npz"), "card": (),
        "publish": ("new",), "compress": ("--to", "int8", "-o", "new"), "sizes": (), "align": ("run", "-o", "new"),
    }  # fmt: skip
    for command, more in rest.items():
        yield (command,), ""
        yield (command, "run", *more, "--nonsense"), ""
        for name in NAMES:
            yield (command, name, *more), ""
    for words in (
        "train --nonsense", "train --config-dir", "train --config-dir absent",
        "train --config-dir texts/t.csv",
        "train = ", "train ==", "train a=b=c", "train +seed=1", "train ~nonsense", "train seed", "train 'seed=1",
        "train hydra.run.dir=", "train dataset=image_folder dataset.root=", "train init_from=",
        "train optimizer.betas=[0.9]", "train optimizer.betas=0.9", "train optimizer.betas=[a,b]",
        "train hydra.run.dir=texts/t.csv", "train hydra.run.dir=texts/t.csv/x",
        "train -m seed=a,b", "train --cfg nonsense", "train --multirun loss=a,b", "train --config-name absent",
        "train --config-path absent", "train --resolve=7",
        "train -m seed=interval(0,1)", "train -m seed=0,1 hydra.sweep.dir=", "train -m seed=0,1 hydra.sweep.dir=run",
        "train -m seed=0,1 hydra.sweep.dir=texts/t.csv", "train -m seed=0,1 hydra.sweep.subdir=x",
        "train -m seed=0,1 hydra/launcher=nonsense", "train -m seed=0,1 hydra/sweeper=nonsense",
        "train -m seed=0,1 hydra/launcher=joblib hydra.launcher.n_jobs=0", "train -m seed=0,1 --config-name train",
        "train -m hydra/sweeper=optuna", "train -m seed=0,1 hydra/sweeper=optuna hydra.sweeper.n_trials=x",
        "train -m seed=0,1 hydra/sweeper=optuna optimize=nonsense", "train optimize=3", "train optimize=[]",
        "resume run --failed", "resume images --failed",
        "runs absent", "runs texts/t.csv", "runs . --state nonsense", "runs . --since yesterday",
        "runs . --sort nonsense",
        "runs . --nonsense", "runs . extra", "rm", "rm --yes", "rm run", "rm .. --yes", "rm images --yes",
        "compare run --sort nonsense", "compare run --html absent/x.html", "compare run --html images",
        "compare run --html out.html --points 1", "compare run --html o.html --points x", "compare run --csv --json",
        "compare run --maps nonsense --html o.html", "compare run --metric nonsense", "compare run dataset.nonsense=1",
        "best run --by nonsense", "best run absent", "best run --nonsense", "train +logger=nowhere",
        "train +trainer.logger=csv", "train +nonsense=1", "train trainer.profiler=nonsense", "train trainer.threads=0",
        "train trainer.log_every_n_steps=often", "train callbacks.probing.share=2", "train callbacks.probing.samples=0",
        "compare run --config-dir absent --html o.html",
        "map run --out absent/x", "map run --points 0", "map run --layer nonsense", "map run --maps x",
        "map run --metric x", "map run --axes 7 -", "map run --axes 7 nine", "map run --split x",
        "compare run --changes 0", "compare run --changes --csv",
        "neighbors run king", "neighbors run", "analogy run a b c", "midpoint run a",
        "outlier run a", "neighbors words zzzzzz", "neighbors words king --top 0", "neighbors words king --top x",
        "neighbors words king queen", "neighbors run king --among images", "neighbors run images --among absent",
        "neighbors run images --among images --layer nonsense --no-index", "neighbors words king --html x.html",
        "neighbors run images --among images --html absent/x.html", "neighbors texts/t.csv king",
        "neighbors words king --names pairs.txt", "compare texts/t.csv", "compare run --names pairs.txt",
        "compare run probe=[nonsense]", "map texts/t.csv", "export texts/t.csv --to word2vec -o x.txt",
        "export texts/t.csv --to onnx", "analogy words king -", "analogy words king man", "analogy words + king",
        "analogy words king - man + zzzz", "analogy words king - man --method x", "midpoint words king --top -1",
        "outlier words zzzz king", "neighbors words ''", "encode run", "encode run images",
        "encode run images --output x",
        "encode run images --output x.xyz", "encode run absent --output x.npy", "encode run texts/t.csv --output x.npy",
        "encode run images --output x.npy --layer nonsense", "encode run images --output x.npy --batch-size 0",
        "encode run images --output x.npy --batch-size x", "encode run images -o x.npy --concat --average",
        "encode run images -o x.npy --layer hidden_0 --layer embedding --average", "encode run empty -o x.npy",
        "encode run texts/t.csv -o x.npy --column nonsense", "encode run broken -o x.npy", "encode run '' -o x.npy",
        "encode words texts/t.csv -o x.npy --column nonsense", "encode words absent.txt -o x.npy",
        "export run", "export run --to nonsense", "export run --to word2vec --output v.txt",
        "export run --to npz --layer nonsense -o x.npz", "export run --to onnx --layer nonsense -o x.onnx",
        "export run --to torch --layer nonsense -o x.pt2", "export words --to parquet -o x.nonsense",
        "export words --to csv -o x.nonsense", "card run extra", "publish run images", "publish run texts/t.csv",
        "publish run texts/t.csv/x", "publish run run", "publish run new --license", "publish run new --license=(c)",
        "publish run new extra", "publish run ''", "completion", "completion fish", "completion bash zsh",
        "compress words --to int8", "compress words --to nonsense -o new", "compress words --to int8 -o images",
        "compress words -o new", "compress words --to int8 --dims 99 -o new", "compress words --dims 0 -o new",
        "compress run --to int8 --layer nonsense -o new", "compress words --to pq --parts 3 -o new",
        "compress run --to int8 --among absent -o new", "compress run --to int8 dataset.nonsense=1 -o new",
        "sizes run --keep 7", "sizes run --by nonsense", "sizes run --layer nonsense", "sizes words --dims 0",
        "sizes words --dims x", "sizes run --out absent/x", "sizes words probe=[nonsense]", "sizes run --points 0",
        "align words run -o new", "align run words -o new", "align run run absent -o new", "align run run -o images",
        "align words words --pairs absent -o new", "align words words --pairs texts/t.csv -o new",
        "align run run --pairs pairs.txt -o new", "align run run --kind x -o new", "align run run --layer x -o new",
        "nonsense", "--nonsense", "trian", "run", "", "-x", "resume run seed=3", "resume run nonsense=1",
        "resume run dataset=mnist", "resume run encoder.layers=1024-10", "resume run trainer.max_epochs=0",
        "resume run trainer.max_epochs=x", "resume run trainer=nonsense", "resume run optimizer.lr=-1",
        "resume run optimizer.nonsense=1", "resume run loss.cross_entropy.weight=-1", "resume run probe=[nonsense]",
        "resume run callbacks=[nonsense]", "resume run evaluate=worst", "resume run --config-dir absent",
        "resume run trainer.nonsense=1", "resume run dataset.batch_size=3", "resume run ==",
    ):  # fmt: skip
        yield tuple("" if word == "''" else word for word in words.split(" ")) if words else ("",), ""


def all_mistakes(each: int = 1) -> list[tuple[tuple[str, ...], str]]:
    """All of them: what is typed, and a word that the message must have."""
    return [*of_groups(), *of_commands(), *options_mistaken(each)]
