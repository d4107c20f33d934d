"""The page of maps and comparisons, in a real browser."""

from __future__ import annotations

from browser import BROWSER, page_text, picture
from hour import Hour, task

SECTION = "page"
SIZES = ((1400, 1000), (500, 900))


@task(SECTION)
def map_of_one_run(hour: Hour) -> None:
    """`embloom map RUN` draws a picture and a page, which opens without an error."""
    digits = hour.run_of("digits")
    hour.shell(f"embloom map {digits} --points 300", r"map\.png", r"map\.html")
    look(hour, f"{digits}/map.html", "map", "t-SNE", "SVG", "PNG")


@task(SECTION)
def map_of_words(hour: Hour) -> None:
    """A map of words, where one can search by name."""
    words = hour.run_of("words")
    hour.shell(f"embloom map {words}", r"map\.html", each=False)
    look(hour, f"{words}/map.html", "map_words", "king")


@task(SECTION)
def page_of_a_sweep(hour: Hour) -> None:
    """`embloom compare ... --html` shows what each embedding kept, and what changed most."""
    where = hour.sweep()
    hour.shell(f"embloom compare {where} --html losses.html --points 200", r"losses\.html")
    look(hour, "losses.html", "compare", "cross_entropy", "mse", "(?i)changed most")


def look(hour: Hour, page: str, name: str, *seen: str) -> None:
    """Opens a page at two widths; keeps pictures where they are asked for."""
    path = hour.folder / page
    if not path.is_file():
        hour.expect(False, f"there is no {page}")
        return
    if BROWSER is None:
        hour.expect(False, "there is no chromium here")
        return
    for width, height in SIZES:
        found = page_text(path.as_uri(), hour.folder, width, height)
        hour.expect(not found.problems, f"{page}: {found.problems[:3]}")
        for pattern in seen:
            hour.expect(found.has(pattern), f"{page} does not show {pattern!r}")
        hour.expect(found.overflow <= 0, f"{page} is {found.overflow} pixels wider than a window of {width}")
        hour.expect(not found.cut, f"{page}: cut off at {width} pixels: {found.cut[:4]}")
        if hour.screenshots:
            picture(path.as_uri(), hour.screenshots / f"{name}_{width}.png", width, height, hour.folder)
