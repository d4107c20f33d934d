"""What the page says of a sweep: the best setting, what each setting explains, parallel coordinates, bands."""

from __future__ import annotations

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from comparison.browser import needs_browser, visit
from comparison.made import METRICS, quick
from embloom.comparison.collect import folders, read
from embloom.comparison.html import over_seeds, page
from embloom.comparison.table import Comparison

KNN = "probe/knn_label"


def test_over_seeds() -> None:
    assert over_seeds([([1, 2], [0.5, 0.4])]) == {"x": [1, 2], "y": [0.5, 0.4]}
    band = over_seeds([([1, 2], [0.5, 0.4]), ([1, 3], [0.7, 0.1])])
    assert band == {"x": [1, 2, 3], "y": [0.6, 0.4, 0.1], "low": [0.5, 0.4, 0.1], "high": [0.7, 0.4, 0.1]}


@needs_browser
def test_a_sweep_is_answered_on_the_page(tmp_path: Path) -> None:
    for loss, gain in (("cross_entropy", 0.0), ("triplet", 0.2)):
        for lr in (0.01, 0.02):
            for seed in range(3):
                folder = tmp_path / f"{loss}_{lr}_{seed}"
                knn = 0.7 + gain + 0.001 * seed * (lr > 0.01) - 0.001 * (seed > 1)
                quick(folder, lr, seed, {**METRICS, KNN: knn}, loss)
                with SummaryWriter(str(folder)) as events:
                    for step in range(3):
                        events.add_scalar("train/loss", 1.0 / (step + 1) + seed, step)
    comparison = Comparison([read(folder) for folder in folders([str(tmp_path)])], KNN)
    path = tmp_path / "page.html"
    path.write_text(page(comparison, [], [], [], print))
    found = visit(path, """
      const texts = (query) => [...document.querySelectorAll(query)].map((node) => node.textContent);
      return {
        best: texts('#best tbody tr'),
        verdict: document.querySelector('#best p:not(.hint)').textContent,
        shares: texts('#importance .value'),
        lines: document.querySelectorAll('#parallel polyline').length,
        axes: texts('#parallel text[font-weight]'),
        bands: data.curves.map((entry) => entry.series.filter((one) => one.low).length),
        charts: document.querySelectorAll('.uplot').length,
      };
    """)  # fmt: skip
    assert len(found["best"]) == 4
    assert found["best"][0].startswith("triplet")
    assert "the best is better" in found["best"][-1]
    assert "cannot tell whether it is better than triplet" in found["verdict"]
    assert found["lines"] == 4
    assert found["axes"] == ["loss", "optimizer.lr", KNN]
    assert found["bands"] == [2, 2]
    assert found["charts"] == 2
    assert int(found["shares"][0].removesuffix(" %")) > 95
