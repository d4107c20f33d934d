"""The page, in a real browser: it needs no network, escapes names, and its maps answer together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from comparison.browser import needs_browser, visit
from comparison.made import cloud, made, names
from embloom.comparison.collect import Recorded, read
from embloom.comparison.html import page
from embloom.comparison.points import Gatherer, Points, Rows, common_words
from embloom.comparison.similarity import neighbors
from embloom.comparison.table import Comparison
from embloom.data.samples import Label

EVIL = "</script><img src=x onerror='window.hacked=1'>&amp;<b>"

# Finds a place of the first map where there is a point, and acts on it as a mouse does.
MOUSE = """
const canvases = [...document.querySelectorAll('.map canvas')];
const mouse = (type, canvas, x, y, more) => {
  const box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};
  const [clientX, clientY] = [box.left + x * box.width, box.top + y * box.height];
  const place = { clientX, clientY, pointerId: 1, bubbles: true, cancelable: true, ...more };
  canvas.dispatchEvent(type === 'wheel' ? new WheelEvent(type, place) : new PointerEvent(type, place));
};
const seek = (canvas) => {
  for (let y = 0.05; y < 1; y += 0.01) for (let x = 0.05; x < 1; x += 0.01) {
    mouse('pointermove', canvas, x, y);
    if (!tip.hidden) return [x, y];
  }
};
const click = (canvas, place) => { mouse('pointerdown', canvas, ...place); mouse('pointerup', canvas, ...place); };
"""


def write(folder: Path, runs: list[Recorded], groups: list[Points], methods: tuple[str, ...] = ("pca",)) -> Path:
    path = folder / "page.html"
    path.write_text(page(Comparison(runs), groups, methods, [], lambda line: None), encoding="utf-8")
    return path


def digits(tmp_path: Path, *settings: list[str]) -> tuple[Path, list[Points]]:
    runs = [read(made(tmp_path / f"run{i}", *overrides)) for i, overrides in enumerate(settings)]
    groups = Gatherer(60, "embedding", {}).gather(runs)
    return write(tmp_path, runs, groups), groups


@needs_browser
def test_a_click_marks_the_nearest_in_each_embedding_in_every_map(tmp_path: Path) -> None:
    path, (points,) = digits(tmp_path, ["optimizer.lr=0.1"], ["loss=triplet", "encoder.layers=1024-7"])
    found = visit(path, MOUSE + """
      const place = seek(canvases[0]);
      const told = tip.textContent, pictured = tip.querySelectorAll('.thumb').length;
      click(canvases[0], place);
      await pause(100);
      const sprite = data.groups[0].sprite;
      const number = (node) => {
        const [x, y] = node.style.backgroundPosition.split(' ').map((text) => Math.abs(parseFloat(text)));
        const [width, height] = [parseFloat(node.style.width), parseFloat(node.style.height)];
        return Math.round(x / width) + sprite.columns * Math.round(y / height);
      };
      const numbers = (list) => [...list.querySelectorAll('.thumb')].map(number);
      const lists = [...document.querySelectorAll('.near')].map(numbers);
      click(canvases[0], place);
      const left = document.querySelectorAll('.near .thumb').length;
      return { told, pictured, lists, left };
    """)  # fmt: skip
    picked = found["lists"][0][0]
    order = Comparison(points.runs).rows
    vectors = [points.vectors[points.runs.index(row.runs[0])] for row in order]
    for shown, embedding in zip(found["lists"], vectors, strict=True):
        assert shown == [picked, *neighbors(embedding, 10, False)[picked].tolist()]
    assert found["lists"][0] != found["lists"][1]
    name = points.labels[0].classes[int(points.labels[0].values[picked])]
    assert found["told"] == f"sample {picked}label: {name}"
    assert found["pictured"] == 1
    assert found["left"] == 0


@needs_browser
def test_zoom_move_legend_and_methods_redraw_the_map(tmp_path: Path) -> None:
    path, _ = digits(tmp_path, ["optimizer.lr=0.1"])
    found = visit(path, MOUSE + """
      const shots = [];
      const shot = async () => { await pause(80); shots.push(canvases[0].toDataURL()); };
      await shot();
      mouse('wheel', canvases[0], 0.5, 0.5, { deltaY: -400 });
      await shot();
      mouse('pointerdown', canvases[0], 0.5, 0.5);
      for (const type of ['pointermove', 'pointerup']) mouse(type, canvases[0], 0.6, 0.7);
      await shot();
      canvases[0].dispatchEvent(new MouseEvent('dblclick'));
      mouse('pointerleave', canvases[0], 0, 0);
      await shot();
      document.querySelector('.legend button').click();
      await shot();
      return { shots, off: document.querySelectorAll('.legend .off').length };
    """)  # fmt: skip
    shots = found["shots"]
    assert shots[0] == shots[3]
    assert len(set(shots)) == 4
    assert found["off"] == 1


@needs_browser
def test_names_are_text_whatever_they_hold(tmp_path: Path) -> None:
    runs = [read(made(tmp_path / f"run{i}", f"optimizer.lr={i + 1}", state="stopped")) for i in range(2)]
    for run in runs:
        run.settings["dataset"] = run.state.dataset = run.state.reason = EVIL
    runs[0].settings["encoder"] = EVIL + "1"
    words = [EVIL, "@@DATA@@", "plain", *names(30)]
    groups = common_words([Rows(run, words, cloud(33, 4, seed=i)) for i, run in enumerate(runs)], 100)
    images = Points("images", 33, [Label(EVIL, [EVIL, "b"], torch.arange(33) % 2)], [], torch.rand(33, 1, 8, 8))
    images.runs, images.vectors = [runs[0]], [cloud(33, 4, seed=5)]
    found = visit(write(tmp_path, runs, [*groups, images]), """
      const find = document.querySelector('input');
      find.value = data.groups[0].words[0];
      find.dispatchEvent(new Event('change'));
      await pause(50);
      const legend = [...document.querySelectorAll('.legend .name')].map((name) => name.textContent);
      const word = document.querySelector('.near .word').textContent;
      return { images: document.images.length, hacked: window.hacked ?? null, word, legend, title: document.title };
    """)  # fmt: skip
    assert found["images"] == 0
    assert found["hacked"] is None
    assert found["word"] == EVIL
    assert found["legend"][-2:] == [EVIL, "b"]
    assert EVIL in found["title"]


@needs_browser
def test_headings_sort_and_unfinished_runs_are_named(tmp_path: Path) -> None:
    runs = [
        read(made(tmp_path / name, f"optimizer.lr={lr}", metrics={"probe/knn_label": knn}, state="stopped"))
        for name, lr, knn in (("a", 0.5, 0.2), ("b", 10, 0.1), ("c", 2, 0.3))
    ]
    found = visit(write(tmp_path, runs, []), """
      const rows = () => [...document.querySelectorAll('#table tbody tr')].map((row) => row.cells[1].textContent);
      const orders = [rows()];
      for (const i of [1, 1, 2]) { document.querySelectorAll('#table th')[i].click(); orders.push(rows()); }
      const charts = document.querySelectorAll('.uplot').length;
      return { orders, charts, notes: document.getElementById('notes').textContent };
    """)  # fmt: skip
    assert found["orders"] == [["2", "0.5", "10"], ["0.5", "2", "10"], ["10", "2", "0.5"], ["2", "0.5", "10"]]
    assert found["notes"].count("is stopped: why") == 3
    assert found["charts"] == 1


@needs_browser
@pytest.mark.parametrize("count", [5_000, pytest.param(50_000, marks=pytest.mark.slow)])
def test_many_words_do_not_freeze_the_page(tmp_path: Path, count: int) -> None:
    runs = [read(made(tmp_path / f"run{i}", f"seed={i}", f"optimizer.lr={i + 1}", state="stopped")) for i in range(2)]
    points = Points("words", count, [Label("group", ["a", "b", "c"], torch.arange(count) % 3)], names(count))
    points.runs, points.vectors = runs, [cloud(count, 3, seed=i, groups=3) for i in range(2)]
    found: Any = visit(write(tmp_path, runs, [points]), "const start = performance.now();" + MOUSE + """
      const times = {};
      const timed = (name, act) => {
        const start = performance.now();
        act();
        times[name] = performance.now() - start;
      };
      const { view } = data.groups[0].link.cards[0];
      view.resize();
      view.fit();
      timed('draw', () => { view.drawPoints(); view.under.getContext('2d').getImageData(0, 0, 1, 1); });
      timed('hover', () => mouse('pointermove', canvases[0], 0.5, 0.5));
      timed('click', () => click(canvases[0], [0.5, 0.5]));
      times.scripts = start;
      return { times, nodes: document.getElementsByTagName('*').length };
    """, real_time=True)  # fmt: skip
    # Far below what is felt; the bounds are wide because the machine may be busy.
    assert 0 < found["times"]["draw"] < 1000
    assert found["times"]["scripts"] < 5000
    assert found["times"]["hover"] < 300
    assert found["times"]["click"] < 300
    assert found["nodes"] < 2000
    assert (tmp_path / "page.html").stat().st_size < 20_000_000


def test_the_page_names_no_address(tmp_path: Path) -> None:
    path, _ = digits(tmp_path, ["optimizer.lr=0.1"])
    text = path.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    for mark in ('src="http', 'href="http', "@import", "url(http", "fetch(", "XMLHttpRequest"):
        assert mark not in text


@needs_browser
def test_the_table_has_bytes_a_sample_and_sorts_by_them(tmp_path: Path) -> None:
    path, _ = digits(tmp_path, ["optimizer.lr=0.1"], ["loss=triplet", "encoder.layers=1024-700"])
    found = visit(path, """
      const heads = () => [...document.querySelectorAll("#table thead th[title='bytes a sample']")];
      const texts = () => [...document.querySelectorAll('#table tbody td')].map((cell) => cell.textContent);
      const cells = () => texts().filter((text) => ['40', '2,800'].includes(text));
      heads()[0].click();
      const up = cells();
      heads()[0].click();
      return { count: heads().length, up, down: cells() };
    """)  # fmt: skip
    assert found["count"] == 1
    assert found["up"] == ["40", "2,800"]
    assert found["down"] == ["2,800", "40"]
