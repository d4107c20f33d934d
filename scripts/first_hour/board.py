"""TensorBoard, where losses are compared: what it serves, and what it looks like."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote as quoted

from browser import BROWSER, picture
from hour import Hour, task

SECTION = "tensorboard"
SHOWN = 25  # characters of a name that TensorBoard's list of runs shows


@contextlib.contextmanager
def board(hour: Hour, folder: str) -> Iterator[str]:
    """A TensorBoard on a folder; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(hour.folder / folder), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if asked(address, "data/runs"):
                    break
            time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def asked(address: str, what: str) -> Any:
    """JSON from it."""
    with urllib.request.urlopen(f"{address}/{what}", timeout=20) as answer:
        return json.loads(answer.read())


@task(SECTION)
def names_of_runs(hour: Hour) -> None:
    """What varies comes first and short in the names of runs, and the time last."""
    where = hour.sweep()
    with board(hour, where) as address:
        names = asked(address, "data/runs")
    hour.expect(len(names) == 4, f"TensorBoard has {names}")
    hour.expect(
        len({name[:SHOWN] for name in names}) == len(names), f"cut to {SHOWN} characters they are equal: {names}"
    )
    hour.expect(all(re.search(r"0\.003|0\.01", name[:SHOWN]) for name in names), f"what varies is cut off: {names}")
    hour.expect(all(re.search("cross_entropy|mse", name[:SHOWN]) for name in names), f"the loss is cut off: {names}")
    hour.shell("embloom train trainer=cpu trainer.max_epochs=1 probe=[]", each=False)
    hour.shell("embloom train trainer=cpu trainer.max_epochs=1 probe=[] optimizer.lr=0.003", each=False)
    folders = list((hour.folder / "outputs").glob("cross_entropy*/mlp-digits-*/run.json"))
    with board(hour, "outputs") as address:
        names = [name for name in asked(address, "data/runs") if "digits" in name]
    hour.expect(len({name[:SHOWN] for name in names}) == len(names) >= 2, f"cut to {SHOWN} they are equal: {names}")
    hour.expect(not any(re.match(r"\d{4}-\d\d", name) for name in names), f"the time comes first: {names}")
    hour.expect(folders, "no run folders outputs/cross_entropy*/mlp-digits-*")


@task(SECTION)
def cards_overlay(hour: Hour) -> None:
    """Accuracies are by label, probes have curves, a layout has probes first."""
    with board(hour, hour.sweep()) as address:
        tags = asked(address, "data/plugin/scalars/tags")
        names = sorted({tag for found in tags.values() for tag in found})
        hour.expect("test/accuracy_label" in names, f"no test/accuracy_label among {names}")
        hour.expect(not [n for n in names if re.search("accuracy_(cross_entropy|mse)", n)], "accuracies by loss")
        run = next(iter(tags))
        probe = next((name for name in names if name.startswith("probe/")), None)
        hour.expect(probe, "no probe")
        if probe:
            points = asked(address, f"data/plugin/scalars/scalars?run={quoted(run)}&tag={quoted(probe)}")
            # How often it runs in between is a matter of the time that it takes.
            hour.expect(len(points) >= 2, f"{probe} has {len(points)} point in 3 epochs")
        layout = asked(address, "data/plugin/custom_scalars/layout")
        titles = [category["title"].lower() for category in (layout or {}).get("category", [])]
        hour.expect(titles and "probe" in titles[0], f"the layout begins with {titles[:1]}")
        for word in ("validation", "term", "speed"):
            hour.expect(any(word in title for title in titles), f"no {word} in the layout: {titles}")


@task(SECTION)
def projector(hour: Hour) -> None:
    """The projector has the embedding, with the label first."""
    with board(hour, hour.run_of("digits")) as address:
        runs = asked(address, "data/plugin/projector/runs")
        hour.expect(runs, "no run has a projector")
        for run in runs[:1]:
            info = asked(address, f"data/plugin/projector/info?run={quoted(run)}")
            first = info["embeddings"][0]
            name = quoted(first["tensorName"])
            with urllib.request.urlopen(
                f"{address}/data/plugin/projector/metadata?run={quoted(run)}&name={name}", timeout=20
            ) as answer:
                head = answer.read().decode().splitlines()[0]
            hour.expect(head.split("\t")[0] == "label" or "\t" not in head, f"the label is not the first: {head}")


@task(SECTION)
def in_a_browser(hour: Hour) -> None:
    """TensorBoard opens in a real browser; pictures of it are kept where they are asked for."""
    if BROWSER is None:
        hour.expect(False, "there is no chromium here")
        return
    if not hour.screenshots:
        return
    with board(hour, hour.sweep()) as address:
        for name in ("timeseries", "scalars", "custom_scalars"):
            path = hour.screenshots / f"tensorboard_{name}.png"
            picture(f"{address}/#{name}", path, 1400, 1000, hour.folder, wait=15000)
            hour.expect(path.is_file() and path.stat().st_size > 10_000, f"no picture of {name}")
    with board(hour, hour.run_of("digits")) as address:
        path = hour.screenshots / "tensorboard_projector.png"
        picture(f"{address}/#projector", path, 1400, 1000, hour.folder, wait=15000)
        hour.expect(path.is_file() and path.stat().st_size > 10_000, "no picture of the projector")
