"""The notebook of the guide is at rest what it is when it runs."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs" / "first_hour.ipynb"
MOST_BYTES = 300_000


def code_cells() -> list[dict[str, Any]]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_it_shows_its_pictures_at_rest() -> None:
    outputs = [output for cell in code_cells() for output in cell["outputs"]]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 2
    for text in pictures:
        with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
            assert picture.width >= 300
            extremes: Any = picture.convert("L").getextrema()
        assert extremes[0] < 100 < extremes[1]  # something is drawn
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    assert [cell["execution_count"] for cell in code_cells()] == list(range(1, len(code_cells()) + 1))
    assert not [output for output in outputs if output["output_type"] == "error"]
    assert "\\u001b" not in NOTEBOOK.read_text(encoding="utf-8")
    for name in ("/tmp", "/home", "/root"):
        assert name not in json.dumps([[o.get("text", ""), o.get("data", {}).get("text/plain")] for o in outputs])


def test_running_it_gives_what_is_stored() -> None:
    for needed in ("nbclient", "ipykernel", "pyte"):
        pytest.importorskip(needed, reason=f"executing a notebook takes {needed}, which the extra `dev` brings")
    check = [sys.executable, str(ROOT / "scripts" / "notebook.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-3000:]}\nstore it again: python scripts/notebook.py"
