"""How fast `embloom serve` answers: queries for the neighbors of words, at a steady rate, by their latency.

python scripts/benchmarks/service.py --data FOLDER                    trains skip-gram on FOLDER/imdb/corpus.txt.gz
python scripts/benchmarks/service.py --rows 50000 --rate 1000         or takes random vectors of so many words

The service has one core, and what asks another, through keep-alive connections. Requests are due at random moments
(Poisson), whatever the service does, and a latency counts from then on.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

WIDTH = 100
CONNECTIONS = 32
SECONDS = 10.0


class Connection(asyncio.Protocol):
    """Keeps a connection open and sends one request after the other."""

    def __init__(self) -> None:
        self.found = b""
        self.answer: asyncio.Future[bytes] | None = None
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """See asyncio."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Ends the request when its answer is whole."""
        self.found += data
        head, end, body = self.found.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]):
            self.found = b""
            assert self.answer is not None
            self.answer.set_result(head[9:12])

    async def ask(self, request: bytes) -> bytes:
        """The status of the answer."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


async def measured(port: int, requests: list[bytes], rate: float, seconds: float, seed: int) -> dict[str, float]:
    """Requests a second, and percentiles of latencies in ms."""
    loop, draw = asyncio.get_running_loop(), random.Random(seed)
    due: asyncio.Queue[float | None] = asyncio.Queue()
    latencies: list[float] = []

    async def client() -> None:
        _, connection = await loop.create_connection(Connection, "127.0.0.1", port)
        while (then := await due.get()) is not None:
            assert await connection.ask(draw.choice(requests)) == b"200"
            latencies.append(time.perf_counter() - then)
        connection.transport.close()

    gc.collect()
    gc.freeze()  # its pauses would count as the service's
    clients = [loop.create_task(client()) for _ in range(CONNECTIONS)]
    began = then = time.perf_counter()
    while then < began + seconds:
        while then <= time.perf_counter():
            due.put_nowait(then)
            then += draw.expovariate(rate)
        await asyncio.sleep(max(0.0, min(0.001, then - time.perf_counter())))
    for _ in clients:
        due.put_nowait(None)
    await asyncio.gather(*clients)
    took = time.perf_counter() - began
    latencies.sort()
    percentiles = {f"p{share:g}": 1e3 * latencies[int(share / 100 * (len(latencies) - 1))] for share in (50, 99, 99.9)}
    return {"asked": rate, "answered": len(latencies) / took, **percentiles}


def requests_for(words: list[str]) -> list[bytes]:
    """A request for the neighbors of each word."""
    found = []
    for word in words:
        body = json.dumps({"word": word}).encode()
        head = ["POST /neighbors HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
        found.append("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)
    return found


def random_words(folder: Path, rows: int) -> None:
    """An artifact of so many words with random vectors."""
    from embloom.artifact.readers.text import TextReader
    from embloom.artifact.saving import save
    from embloom.encoders.skipgram import SkipGram

    words = [f"word{number}" for number in range(rows)]
    encoder = SkipGram({"token": rows}, WIDTH)
    torch.nn.init.normal_(encoder.embedding)
    node = {"_target_": "embloom.encoders.skipgram.SkipGram", "dim": WIDTH}
    save(
        folder, encoder=encoder, node=node, supplied={"sizes": {"token": rows}}, reader=TextReader(), about={},
        keys={"embedding": words}, columns={"embedding": "token"},
    )  # fmt: skip


def trained_words(folder: Path, corpus: Path, seed: int) -> None:
    """A skip-gram run on a corpus."""
    overrides = ["experiment=skipgram", f"dataset.path={corpus}", f"seed={seed}", "probe=[]", f"hydra.run.dir={folder}"]
    subprocess.run([sys.executable, "-m", "embloom", "train", *overrides], check=True)


def served(run: Path, rates: list[float], seconds: float, seed: int) -> list[dict[str, float]]:
    """Starts the service on the first core and asks from the last."""
    card = json.loads((next(run.rglob("card.json"))).read_text())
    words = random.Random(seed).sample(next(iter(card["keys"].values())), 5000)
    cores = sorted(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "embloom", "serve", str(run), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    os.sched_setaffinity(process.pid, {cores[0]})
    try:
        os.sched_setaffinity(0, {cores[-1]})
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        requests = requests_for(words)
        asyncio.run(measured(port, requests, 200, 1.0, seed))
        return [asyncio.run(measured(port, requests, rate, seconds, seed)) for rate in rates]
    finally:
        os.sched_setaffinity(0, set(cores))
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def run(data: Path, seeds: int) -> list[dict[str, float]]:
    """For each seed the latencies at 1,000 queries a second, of words trained on the reviews in `data`."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "words"
        trained_words(place, data / "imdb" / "corpus.txt.gz", 0)
        for seed in range(seeds):
            found += served(place, [1000.0], SECONDS, seed)
    return found


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder with imdb/corpus.txt.gz")
    parser.add_argument("--run", type=Path, help="or a run that has words")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rate", type=float, action="append", help="queries a second (1000); again for another")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = options.run or Path(folder) / "words"
        if options.data:
            trained_words(place, options.data / "imdb" / "corpus.txt.gz", 0)
        elif options.run is None:
            random_words(place, options.rows)
        for seed in range(options.seeds):
            for line in served(place, options.rate or [1000.0], options.seconds, seed):
                print("   ".join(f"{name} {value:,.1f}" for name, value in line.items()), flush=True)


if __name__ == "__main__":
    main()
