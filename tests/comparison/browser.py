"""Opens a page in a real browser, headless, acts on it and reads what it shows."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="there is no chromium here")

# Reports by a <pre>, after everything has been drawn; what went wrong on the page, too. The browser's virtual time
# does not wait for frames, so they are drawn at once.
FRAME = """<script>
window.problems = [];
window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 0);
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective + " " + event.blockedURI));
const act = async () => {
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  let result = null;
  try { result = await (async () => { ACTIONS })(); } catch (error) { problems.push(String(error)); }
  const out = document.createElement("pre");
  out.id = "outcome";
  out.textContent = JSON.stringify({ result, problems });
  document.body.append(out);
};
START
</script>"""
LATER = 'addEventListener("load", () => setTimeout(act, 300));'
# The virtual clock stands still while a script runs; the real one ends with the page's loading.
LOADING = 'document.addEventListener("DOMContentLoaded", act);'


def visit(page: Path, actions: str, real_time: bool = False, more: Sequence[str] = ()) -> Any:
    """Opens the page and runs `actions`, the body of an async function; returns what that returned.

    With `real_time` clocks can be read, and nothing can be waited for. `more` are options of the browser.

    Fails on any error of a script, and on anything that the page tried to fetch.
    """
    assert BROWSER is not None
    text = page.read_text(encoding="utf-8")
    copy = page.with_name(f"visited-{page.name}")
    frame = FRAME.replace("ACTIONS", actions).replace("START", LOADING if real_time else LATER)
    copy.write_text(text.replace("<style>", frame + "<style>", 1), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1200"]
    profile = f"--user-data-dir={page.parent / 'profile'}"
    clock = [] if real_time else ["--virtual-time-budget=20000"]
    command = [BROWSER, *options, *clock, profile, *more, "--dump-dom", copy.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(r'<pre id="outcome">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    outcome = json.loads(html.unescape(found[1]))
    assert outcome["problems"] == []
    return outcome["result"]
