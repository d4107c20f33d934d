"""Small files that ask for much: none takes more memory or time than files of its size do."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import embloom
from attack.children import MEMORY, TooLongError, forget_peak, limited, peak, too_long
from attack.test_hostile import rewrite_card
from comparison.made import made
from embloom import cli
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.vector_files import read_vector_file
from embloom.artifact.weights import read_source
from embloom.data.labelled_text import LabelledText
from embloom.data.table import Table
from embloom.data.text import Text
from embloom.errors import message_for
from embloom.files.checkpoint import read_checkpoint
from embloom.files.seal import sealed_text
from embloom.files.word2vec import read_vectors
from harness import FORKS

SMALL = ("encoder.layers=1024-8-10",)
SECONDS = 60
HUNDRED = ",".join([*(f"c{number}" for number in range(99)), "label"]).encode() + b"\n"


def bomb(path: Path, start: bytes, block: bytes, times: int) -> None:
    """A packed file that unpacks to `start` and very many blocks."""
    with gzip.open(path, "wb", 9) as file:
        file.write(start)
        for _ in range(times):
            file.write(block)


def padded(path: Path, start: bytes, block: bytes, size: int = 190 << 20) -> None:
    """A packed file of nearly 10 MB, most of it a comment, that unpacks to as much as such a file may."""
    packer, crc, count, parts = zlib.compressobj(9, zlib.DEFLATED, -15), 0, 0, []
    large = block * max(1, (1 << 20) // len(block))
    for data in (start, *[large] * (size // len(large))):
        crc, count = zlib.crc32(data, crc), count + len(data)
        parts.append(packer.compress(data))
    packed = b"".join([*parts, packer.flush()])
    header = b"\x1f\x8b\x08\x10" + bytes(4) + b"\2\3"
    end = struct.pack("<II", crc, count)
    path.write_bytes(header + b"x" * (9_990_000 - len(packed)) + b"\0" + packed + end)


def many_words(path: Path) -> None:
    """Three million words, each of them once."""
    path.write_bytes(gzip.compress(b"".join(b"%x " % number for number in range(3_000_000)), 1))


def zip_bomb(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("archive/data/0", "w", force_zip64=True) as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 23))


def huge_tensor(path: Path) -> None:
    """A checkpoint of a few bytes whose tensor has 10^12 elements, all the same."""
    state = {"encoder.linears.0.weight": torch.zeros(1).expand(10**6, 10**6)}
    torch.save({"embloom_format": 2, "global_step": 1, "state_dict": state}, path)


def short_of(path: Path) -> None:
    """A header that announces far more than there is."""
    header = json.dumps(
        {"vectors": {"dtype": "F32", "shape": [10**9, 10**3], "data_offsets": [0, 4 * 10**12]}}
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))


def deep(path: Path) -> None:
    path.mkdir()
    (path / "run.json").write_text("[" * 1_000_000)
    (path / "config.yaml").write_text(sealed_text("a: " + "[" * 400_000))


def aliases(path: Path) -> None:
    made(path, *SMALL)
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(20)]
    (path / "config.yaml").write_text(sealed_text("\n".join(lines) + "\n"))


def large_card(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        made(path, *SMALL)
        rewrite_card(path, change)

    return make


def own_aliases(path: Path) -> None:
    """A folder of configurations with an option that stands for billions of values."""
    (path / "encoder").mkdir(parents=True)
    lines = ["_target_: embloom.encoders.mlp.MLP", "a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]" for i in range(12)]
    (path / "encoder" / "bomb.yaml").write_text("\n".join(lines) + "\n")


def vast_image(path: Path) -> None:
    Image.new("1", (13_300, 13_300)).save(path)


def vast_vectors(path: Path) -> None:
    with path.open("wb") as file:
        file.write(
            b"\x93NUMPY\x01\x00v\x00"
            + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 1000), }".ljust(117)
            + b"\n"
        )


def cached_text(path: Path) -> Any:
    return Text(128, str(path), min_count=1, cache=str(path.parent / "cache")).ready()


def encoded(path: Path) -> Any:
    return embloom.load(path).encode(torch.zeros(1, 1024))


def shown(path: Path) -> Any:
    return cli.COMMANDS["compare"]([str(path)])


def trained_with(path: Path) -> Any:
    return cli.COMMANDS["train"](["--config-dir", str(path), "encoder=bomb"])


def trained_from(path: Path) -> Any:
    return cli.COMMANDS["train"]([f"init_from={path}", "encoder.layers=1024-8-10"])


Make = Callable[[Path], object]
Read = Callable[[Path], Any]
HOSTILE: dict[str, tuple[str, Make, Read]] = {  # file, how it is made, how it is read
    "checkpoint packed": ("x.ckpt", zip_bomb, read_checkpoint),
    "checkpoint of a huge tensor": ("x.ckpt", huge_tensor, trained_from),
    "safetensors": ("x.safetensors", short_of, read_source),
    "npy": ("x.npy", vast_vectors, lambda path: read_vector_file(path)),
    "word2vec text": ("x.txt", lambda path: path.write_bytes(b"1000000000000 100\nthe 1 2\n"), read_vectors),
    "word2vec binary": ("x.bin", lambda path: path.write_bytes(b"1000000000000 100\nthe " + bytes(400)), read_vectors),
    "word2vec width": ("x.bin", lambda path: path.write_bytes(b"1 1000000000000\nthe " + bytes(400)), read_vectors),
    "word2vec packed": ("x.gz", lambda path: bomb(path, b"1000000 1000\n", bytes(1 << 20), 700), read_vectors),
    "GloVe packed": ("x.gz", lambda path: bomb(path, b"the 1 2 3\n", b"a" * (1 << 20), 700), read_vectors),
    "GloVe of numbers": ("x.gz", lambda path: bomb(path, b"the", b" 1" * (1 << 19), 700), read_vectors),
    "corpus packed": ("x.gz", lambda path: bomb(path, b"", b"word " * (1 << 18), 700), cached_text),
    "corpus of one word": ("x.gz", lambda path: bomb(path, b"", b"a" * (1 << 20), 700), cached_text),
    "table packed": ("x.csv.gz", lambda path: bomb(path, b"a,label\n", b"1,x\n" * (1 << 18), 700),
                     lambda path: Table(16, str(path)).ready()),
    "table of one cell": ("x.csv.gz", lambda path: bomb(path, b"a,label\n", b"1" * (1 << 20), 700),
                          lambda path: Table(16, str(path)).ready()),
    "table of short rows": ("x.csv.gz", lambda path: padded(path, b"a,label\n", b"1,x\n2,y\n"),
                            lambda path: Table(16, str(path)).ready()),
    "table of many cells": ("x.csv.gz", lambda path: padded(path, HUNDRED, b"1," * 99 + b"x\n"),
                            lambda path: Table(16, str(path)).ready()),
    "labelled of short rows": ("x.csv.gz", lambda path: padded(path, b"text,label\n", b"ab,x\nac,y\n"),
                               lambda path: LabelledText(16, str(path)).ready()),
    "corpus of short words": ("x.gz", lambda path: padded(path, b"", b"a b c " * 30 + b"\n"), cached_text),
    "corpus of many words": ("x.gz", many_words, cached_text),
    "GloVe of short rows": ("x.gz", lambda path: padded(path, b"", b"a 1\n"), read_vectors),
    "labelled packed": ("x.csv.gz", lambda path: bomb(path, b"text,label\n", b"a b,x\n" * (1 << 18), 700),
                        lambda path: LabelledText(16, str(path)).ready()),
    "labelled of one cell": ("x.csv.gz", lambda path: bomb(path, b'text,label\n"', b"a b\n" * (1 << 18), 700),
                             lambda path: LabelledText(16, str(path)).ready()),
    "image": ("x.png", vast_image, lambda path: ImageReader(32).checked(path)),
    "nested run.json": ("run", deep, shown),
    "aliases in config.yaml": ("run", aliases, shown),
    "aliases of one's own": ("mine", own_aliases, trained_with),
    "card of a wide encoder": ("run", large_card(lambda c: c["encoder"].update(layers="1024-100000000-10")), encoded),
    "card of a deep encoder": ("run", large_card(lambda c: c["encoder"].update(layers="-".join(["1024"] * 99_999))),
                               encoded),
    "card of a wide head": ("run", large_card(lambda c: c.update(heads={"x": {
        "node": {"_target_": "embloom.losses.linear_head.LinearHead"}, "label": "label",
        "sizes": {"embedding": 60_000, "input": 60_000, "target": 60_000}, "source": {"embedding": "embedding"}}})),
        lambda path: embloom.load(path).predict(torch.zeros(1, 1024))),
    "card of a vast image": ("run", large_card(lambda c: c["reader"].update(side=100_000)),
                             lambda path: embloom.load(path).encode([str(path.parent / "small.png")])),
}  # fmt: skip


def child(name: str, folder: str) -> None:
    """Reads a hostile file with limits; leaves what came of it in `report.json`."""
    os.chdir(folder)
    file, _, read = HOSTILE[name]
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, too_long)
    limited()
    forget_peak()
    before, began, outcome = peak(), time.monotonic(), "read"
    signal.alarm(SECONDS)
    try:
        read(Path(folder) / file)
    except TooLongError:
        outcome = "took too long"
    except Exception as error:
        outcome = message_for(error) or f"traceback: {error!r}"
    report = {"outcome": outcome, "memory": peak() - before, "seconds": time.monotonic() - began}
    Path("report.json").write_text(json.dumps(report))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_small_file_takes_neither_memory_nor_time(name: str, tmp_path: Path) -> None:
    file, make, _ = HOSTILE[name]
    make(tmp_path / file)
    Image.new("L", (8, 8)).save(tmp_path / "small.png")
    process = FORKS.Process(target=child, args=(name, str(tmp_path)))
    process.start()
    process.join(2 * SECONDS)
    assert not process.is_alive(), "hangs"
    assert process.exitcode == 0
    report = json.loads((tmp_path / "report.json").read_text())
    print(name, report)
    assert not report["outcome"].startswith(("read", "took too long", "traceback")), report
    assert len(report["outcome"]) < 1000
    assert report["memory"] < MEMORY
    shutil.rmtree(tmp_path)
