"""A real chromium, headless: what a page shows, what its scripts complain about, and pictures of it."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlparse

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
# In front of everything else on a page; it reports when all has been drawn.
REPORT = """<script>
window.problems = [];
addEventListener("error", (event) => problems.push(String(event.message)));
addEventListener("securitypolicyviolation", (event) => problems.push(event.violatedDirective + " " + event.blockedURI));
addEventListener("load", () => setTimeout(() => {
  const out = document.createElement("pre");
  out.id = "outcome";
  out.hidden = true;
  const root = document.documentElement;
  const cut = [...document.body.querySelectorAll("*")].filter((element) => {
    const style = getComputedStyle(element), hides = ["hidden", "clip"].includes(style.overflowX);
    const narrow = element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1;
    return narrow && element.innerText && (hides || (innerWidth >= 1000 && style.overflowX !== "visible"));
  }).map((element) => element.innerText.trim().slice(0, 80));
  out.textContent = JSON.stringify(
    { problems, cut, text: document.body.innerText, overflow: root.scrollWidth - root.clientWidth });
  document.body.append(out);
}, 1500));
</script>"""


@dataclass
class Shown:
    """What a page shows: its text, its source, what went wrong, what is cut off, and by how many pixels it is too
    wide."""

    text: str
    source: str
    problems: list[str]
    cut: list[str]
    overflow: int

    def has(self, pattern: str) -> bool:
        """Whether a pattern is in what is shown or drawn."""
        return bool(re.search(pattern, self.text) or re.search(pattern, self.source))


def chromium(
    address: str, folder: Path, *options: str, width: int = 1400, height: int = 1000, wait: int = 20000
) -> str:
    """Opens an address; returns what it prints."""
    assert BROWSER is not None
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as profile:
        command = [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--window-size={width},{height}",
            "--hide-scrollbars", f"--virtual-time-budget={wait}", f"--user-data-dir={profile}", *options, address,
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout


def page_text(address: str, folder: Path, width: int, height: int) -> Shown:
    """What a page of ours shows in a window of some size, once it has been drawn."""
    page = Path(unquote(urlparse(address).path))
    copy = page.with_name(f".visited-{page.name}")
    source = page.read_text(encoding="utf-8")
    copy.write_text(source.replace("<style>", REPORT + "<style>", 1), encoding="utf-8")
    try:
        dumped = chromium(copy.as_uri(), folder, "--dump-dom", width=width, height=height)
    finally:
        copy.unlink()
    found = re.search(r'<pre id="outcome"[^>]*>(.*?)</pre>', dumped, re.DOTALL)
    if not found:
        return Shown("", source, ["the page was not drawn"], [], 0)
    outcome = json.loads(html.unescape(found[1]))
    return Shown(outcome["text"], source, outcome["problems"], outcome["cut"], outcome["overflow"])


def picture(address: str, path: Path, width: int, height: int, folder: Path, wait: int = 20000) -> None:
    """Keeps a picture of a page."""
    chromium(address, folder, f"--screenshot={path.resolve()}", width=width, height=height, wait=wait)
