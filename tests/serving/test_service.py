"""The real service on loopback: answers, pins, refusals; nothing that is asked reads a file."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from embloom.artifact.batched_search import BatchedSearch
from embloom.artifact.readers.text import TextReader
from embloom.artifact.saving import save
from embloom.encoders.skipgram import SkipGram

JSON = {"content-type": "application/json"}
COUNT = 300


def write_words(folder: Path) -> None:
    torch.manual_seed(0)
    encoder = SkipGram({"token": COUNT}, 8)
    torch.nn.init.normal_(encoder.embedding)
    node = {"_target_": "embloom.encoders.skipgram.SkipGram", "dim": 8}
    keys = {"embedding": [f"w{i}" for i in range(COUNT)]}
    save(
        folder, encoder=encoder, node=node, supplied={"sizes": {"token": COUNT}}, reader=TextReader(), about={},
        keys=keys, columns={"embedding": "token"},
    )  # fmt: skip


def started(folder: Path) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-m", "embloom", "serve", str(folder), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, int(process.stdout.readline().rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    folder = tmp_path_factory.mktemp("words")
    write_words(folder)
    process, port = started(folder)
    yield folder, port
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == -signal.SIGTERM


def ask(port: int, path: str, body: Any = None, headers: dict[str, str] = JSON) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    content = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    connection.request("GET" if body is None else "POST", path, content, headers)
    answer = connection.getresponse()
    found: dict[str, Any] = json.loads(answer.read())
    connection.close()
    if path != "/openapi.json":
        assert answer.getheader("embloom-hash") == found["content_hash"]
    return answer.status, found


def test_what_has_no_direction_and_pins_that_disagree(service: tuple[Path, int]) -> None:
    _, port = service
    for path, asked in (
        ("/neighbors", {"vector": [0.0] * 8}),
        ("/analogy", {"positive": ["w1"], "negative": ["w1"]}),
    ):
        status, said = ask(port, path, asked)
        assert status == 422
        assert "zero" in said["error"]
    status, said = ask(port, "/neighbors", {"word": "w1", "k": 2})
    assert status == 200
    assert ask(port, "/neighbors", {"word": "w1", "k": 2}) == (200, said)  # remembered
    assert ask(port, "/neighbors", {"word": "w1", "k": 2, "content_hash": "0" * 64})[0] == 409
    assert ask(port, "/neighbors/", {"word": "w1"})[0] == 404
    for pins in ((said["content_hash"], "0" * 64), ("0" * 64, said["content_hash"])):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.putrequest("GET", "/health")
        for pin in pins:
            connection.putheader("embloom-hash", pin)
        connection.endheaders()
        assert connection.getresponse().status == 409
        connection.close()


def test_answers_are_those_of_the_embedding(service: tuple[Path, int]) -> None:
    import embloom

    words = embloom.load(service[0]).words
    status, found = ask(service[1], "/neighbors", {"word": "w7", "k": 5})
    assert status == 200
    expected = words.neighbors("w7", 5)
    assert [one["name"] for one in found["neighbors"]] == [name for name, _ in expected]
    assert [one["cosine"] for one in found["neighbors"]] == pytest.approx([x for _, x in expected], abs=1e-6)
    status, found = ask(service[1], "/encode", {"words": ["w3"]})
    assert torch.equal(torch.tensor(found["vectors"]), words[["w3"]])
    status, found = ask(service[1], "/analogy", {"positive": ["w1", "w2"], "negative": ["w3"], "k": 2})
    assert [one["name"] for one in found["neighbors"]] == [n for n, _ in words.analogy(["w1", "w2"], ["w3"], 2)]
    assert ask(service[1], "/card")[0] == ask(service[1], "/openapi.json")[0] == 200


BAD: list[tuple[str, Any, dict[str, str], int]] = [
    ("/neighbors", b'{"word": "w1"', JSON, 400),
    ("/neighbors", b"[" * 100_000, JSON, 400),
    ("/neighbors", b'{"word": "\\ud800"}', JSON, 400),
    ("/neighbors", b'{"vector": [NaN, 1, 1, 1, 1, 1, 1, 1]}', JSON, 422),
    ("/neighbors", b'{"vector": [Infinity]}', JSON, 422),
    ("/neighbors", {"vector": [1.0]}, JSON, 422),
    ("/neighbors", {"word": "w1", "k": 10**9}, JSON, 422),
    ("/neighbors", {"word": "w1", "path": "/etc/passwd"}, JSON, 422),
    ("/neighbors", {"word": "unknown"}, JSON, 404),
    ("/neighbors", {"word": "w1"}, {"content-type": "text/plain"}, 415),
    ("/neighbors", {"word": "w1", "content_hash": "0" * 64}, JSON, 409),
    ("/neighbors", {"word": "w1"}, {**JSON, "embloom-hash": "sha256:" + "0" * 64}, 409),
    ("/neighbors", {"word": "w1"}, {**JSON, "host": "evil.example"}, 421),
    ("/neighbors", b" " * (2 << 20), JSON, 413),
    ("/encode", {"images": ["/etc/passwd"]}, JSON, 422),
    ("/encode", {"columns": {"token": ["/etc/passwd"]}}, JSON, 422),
    ("/encode", {"texts": ["w1"], "layer": "no"}, JSON, 422),
    ("/nothing", {"word": "w1"}, JSON, 404),
]


@pytest.mark.parametrize("number", range(len(BAD)))
def test_what_is_wrong_is_refused_and_changes_nothing(service: tuple[Path, int], number: int) -> None:
    path, body, headers, expected = BAD[number]
    good = ask(service[1], "/neighbors", {"word": "w9"})
    try:
        assert ask(service[1], path, body, headers)[0] == expected
    except (ConnectionError, http.client.HTTPException):
        assert expected == 413  # closed while the rest was on its way
    assert ask(service[1], "/neighbors", {"word": "w9"}) == good


def test_a_string_that_is_a_path_is_a_text(service: tuple[Path, int], tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("w5 w5 w5")
    same = ask(service[1], "/encode", {"texts": [str(tmp_path / "secret.txt")]})
    known = ask(service[1], "/encode", {"texts": ["w5 w5 w5", "nothing known", "w5"]})[1]
    assert same[1]["vectors"] != known["vectors"][:1]
    assert known["zeros"] == [1]


def flood(raw: socket.socket) -> None:
    raw.sendall(b"GET /health HTTP/1.1\r\n")
    for _ in range(10_000):
        raw.sendall(b"x: " + b"y" * 1000 + b"\r\n")


def test_endless_headers_are_cut_off(service: tuple[Path, int]) -> None:
    with socket.create_connection(("127.0.0.1", service[1]), 20) as raw, pytest.raises(ConnectionError):
        flood(raw)
    assert ask(service[1], "/health")[0] == 200


def test_killed_and_started_again_it_answers_the_same(service: tuple[Path, int]) -> None:
    process, port = started(service[0])
    process.kill()
    process.wait()
    process, port = started(service[0])
    for path, body in {"/neighbors": {"word": "w4"}, "/encode": {"texts": ["w1 w2"]}}.items():
        assert ask(port, path, body) == ask(service[1], path, body)
    process.kill()
    process.wait()


@pytest.mark.parametrize("kind", ["noise", "clusters", "equal"])
def test_batched_search_is_the_full_product_whatever_the_batch(kind: str) -> None:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(5000, 16, generator=draw)
    rows = {"noise": rows, "clusters": rows[:20].repeat(250, 1) + 0.01 * rows, "equal": rows[:4].repeat(1250, 1)}[kind]
    search = BatchedSearch(rows)
    queries = rows[:7] + 0.1
    found = search.nearest(queries, [9] * 7, [{3}] * 7)
    full = F.normalize(queries.double(), dim=1) @ F.normalize(rows.double(), dim=1).T
    full[:, 3] = -2
    for place, (numbers, scores) in enumerate(found):
        torch.testing.assert_close(torch.tensor(scores).double(), full[place].topk(9).values, atol=1e-6, rtol=0)
        assert 3 not in numbers
        assert search.nearest(queries[place : place + 1], [9], [{3}])[0] == (numbers, scores)
