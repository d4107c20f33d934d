"""The maps of the page in a real browser: layers, search, export, WebGL, themes, widths."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from comparison.browser import needs_browser, visit
from comparison.made import cloud, made, names
from comparison.test_page import write
from embloom.comparison.axes import formula
from embloom.comparison.collect import read
from embloom.comparison.html import SCRIPTS
from embloom.comparison.points import Gatherer, Rows, common_words

PAGE = Path(__file__).parents[2] / "src" / "embloom" / "comparison" / "page"
LONG = "a_name_that_is_long_enough_to_be_cut_off_where_there_is_no_room_for_it"


@needs_browser
def test_a_run_is_followed_from_input_to_output(tmp_path: Path) -> None:
    run = read(made(tmp_path / "run"))
    axes = [formula("7 - 1"), formula("3 - 8")]
    groups = Gatherer(60, "embedding", {}, axes=axes, depth=True).gather([run])
    found = visit(write(tmp_path, [run], groups), """
      const link = data.groups[0].link;
      const find = document.querySelector('input[type=search]');
      find.value = '17';
      find.dispatchEvent(new Event('input'));
      find.dispatchEvent(new Event('change'));
      await pause(100);
      const file = await svgFile(link.cards[0].view, 'a title').text();
      const png = await new Promise((done) => pngFile(link.cards[0].view, 'a').then((blob) => done(blob.type)));
      const buttons = [...document.querySelectorAll('.methods button')];
      buttons[0].click();
      await pause(50);
      return {
        first: document.querySelector('main section').id, method: link.methods.map((one) => one.key), png, file,
        titles: [...document.querySelectorAll('.map h3 span:first-of-type')].map((node) => node.textContent),
        lists: [...document.querySelectorAll('.near')].map((list) => list.children.length),
        marks: link.cards.map((card) => card.view.marked.first), regions: link.cards[0].view.regions().length,
        limits: document.querySelector('.limits').textContent,
      };
    """)  # fmt: skip
    assert found["first"] == "maps0"
    assert found["method"] == ["pca", "axes"]
    assert found["titles"] == ["embedding", "features (input)", "hidden_0", "embedding"]
    # The sample, an arrow is text, and ten neighbors; in every map.
    assert found["lists"] == [11] * 4
    assert found["marks"] == [17] * 4
    assert "largest variance" in found["limits"]
    assert found["png"] == "image/png"
    assert found["file"].count("<circle") >= 60
    assert ">a title</text>" in found["file"]


@needs_browser
def test_webgl_draws_what_is_drawn_without_it(tmp_path: Path) -> None:
    run = read(made(tmp_path / "run", state="stopped"))
    groups = common_words([Rows(run, names(300), cloud(300, 4, seed=0))], 300)
    found = visit(write(tmp_path, [run], groups), """
      const { view } = data.groups[0].link.cards[0];
      const gl = new Painter(true);
      if (!gl.gl) return null;
      const size = { width: 300, height: 200 };
      const [one, other] = [0, 1].map(() => Object.assign(document.createElement('canvas'), size));
      Object.assign(view.canvas, size);
      view.fit();
      view.look.off.add(1);
      view.look = lookOf(data.groups[0], data.groups[0].link.state);
      drawPixels(view, one.getContext('2d'), 0.8);
      const center = [view.view.x, view.view.y];
      const options = { center, scale: view.unit(), size: 2 * view.radius() + 1, opacity: 0.8 };
      gl.draw(other.getContext('2d'), view.points, view.look.colors, options);
      const [a, b] = [one, other].map((canvas) => canvas.getContext('2d').getImageData(0, 0, 300, 200).data);
      // Over squares of ten pixels: places are rounded to pixels in the one.
      const squares = new Float64Array(600);
      let drawn = 0;
      for (let i = 0; i < 60000; i++) {
        squares[Math.floor(i / 3000) * 30 + Math.floor((i % 300) / 10)] += a[4 * i + 3] - b[4 * i + 3];
        drawn += a[4 * i + 3];
      }
      return { share: squares.reduce((sum, value) => sum + Math.abs(value), 0) / drawn, drawn };
    """, more=["--enable-unsafe-swiftshader"])  # fmt: skip
    if found is None:
        pytest.skip("this browser has no WebGL")
    assert found["drawn"] > 1000
    assert found["share"] < 0.2


@needs_browser
@pytest.mark.parametrize("width", [500, 1400])
def test_nothing_is_cut_off(tmp_path: Path, width: int) -> None:
    metrics = {f"probe/{LONG}_{i}": 0.1 * i for i in range(1, 7)} | {"probe/knn_label": 0.5, "probe/chance_label": 0.1}
    runs = [
        read(made(tmp_path / f"run{i}", f"optimizer.lr={i + 1}", metrics=metrics, state="stopped")) for i in range(2)
    ]
    for run in runs:
        run.settings["loss"] = f"{LONG}{run.settings['optimizer.lr']}"
    groups = common_words([Rows(run, [LONG, *names(80)], cloud(81, 4, seed=i)) for i, run in enumerate(runs)], 81)
    found = visit(write(tmp_path, runs, groups), """
      await pause(400);
      const nodes = [...document.querySelectorAll('main *')].filter((node) => node.checkVisibility());
      const scrolls = (node) => node.clientWidth && node.scrollWidth > node.clientWidth + 1;
      const over = nodes.filter((node) => !node.closest('.uplot'))
        .filter((node) => node.getBoundingClientRect().right > innerWidth + 1
          || (scrolls(node) && getComputedStyle(node).overflowX !== 'visible'))
        .map((node) => `${node.tagName}.${node.className} ${node.textContent.slice(0, 40)}`);
      const wide = document.documentElement.scrollWidth;
      return { over, wide, columns: document.querySelectorAll('#table th').length };
    """, more=[f"--window-size={width},1200"])  # fmt: skip
    assert found["over"] == []
    assert found["wide"] <= width
    assert found["columns"] >= 9


@needs_browser
def test_colors_follow_the_theme_and_tell_runs_from_classes(tmp_path: Path) -> None:
    runs = [
        read(made(tmp_path / f"run{i}", f"optimizer.lr={i % 2 + 1}", f"seed={i}", state="stopped")) for i in range(3)
    ]
    script = "return { ground: ink('card'), runs: RUNS, classes: TEN, row: rowPaint(0) };"
    pages = [
        visit(write(tmp_path, runs, []), script, more=[f"--blink-settings=preferredColorScheme={scheme}"])
        for scheme in (1, 0)
    ]
    light, dark = pages
    assert light["ground"] != dark["ground"]
    assert light["row"] in light["runs"]["light"]
    assert dark["row"] in light["runs"]["dark"]
    for theme in light["runs"].values():
        assert min(distance(run, other) for run in theme for other in light["classes"]) > 40


def distance(one: str, other: str) -> float:
    """Between two colors, in steps of 0 to 255."""
    parts = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in (one, other)]
    return float(sum((a - b) ** 2 for a, b in zip(*parts, strict=True)) ** 0.5)


def test_every_script_is_on_the_page_and_sets_no_html() -> None:
    assert {path.name for path in PAGE.glob("*.js")} == {*SCRIPTS}
    for path in PAGE.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 210
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text), path
