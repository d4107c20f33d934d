"""The page of `embloom neighbors --html`: one file that needs nothing else, with thumbnails where there are images."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image, ImageOps

from embloom.artifact.readers.image import MOST_PIXELS, PIXELS
from embloom.files.atomic import write_whole
from embloom.files.finding import setting
from embloom.files.run_state import printable

SIDE = 160  # pixels
STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.4 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; overflow-wrap: anywhere; margin-top: 2rem }
.found { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none }
figure { margin: 0; width: 10rem } img { max-width: 10rem; max-height: 10rem; display: block; image-rendering: auto }
figcaption { font-size: .8rem; overflow-wrap: anywhere } .cosine { font-variant-numeric: tabular-nums; opacity: .7 }
.query { outline: 2px solid #d97706; outline-offset: 3px; width: fit-content }
li.text { width: 100%; overflow-wrap: anywhere }
"""


def write_page(
    target: Path, answers: Sequence[tuple[str, Sequence[tuple[str, float]]]], among: str, images: bool
) -> None:
    """Writes it, whole or not at all.

    Args:
        target: the file.
        answers: what was asked, and the names and cosines of what was found.
        among: what was searched.
        images: whether the names are paths of images.
    """
    parts = [section(query, found, images) for query, found in answers]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width"><title>Nearest neighbors</title>'
        f"<style>{STYLE}</style></head><body>"
        f"<h1>Nearest neighbors among {text(among)}</h1>{''.join(parts)}</body></html>\n"
    )
    write_whole(target, lambda file: file.write(page.encode(errors="replace")))


def section(query: str, found: Sequence[tuple[str, float]], images: bool) -> str:
    """One query and its answers."""
    head = f"<h2>{text(query)}</h2>" + (f'<div class="query">{thumbnail(query)}</div>' if images else "")
    items = []
    for name, cosine in found:
        number = f'<span class="cosine">{cosine:.4f}</span>'
        if images:
            caption = f'<figcaption title="{text(name)}">{text(Path(name).name)} {number}</figcaption>'
            items.append(f"<li><figure>{thumbnail(name)}{caption}</figure></li>")
        else:
            items.append(f'<li class="text">{number} {text(name)}</li>')
    return f'<section>{head}<ul class="found">{"".join(items)}</ul></section>'


def text(name: str) -> str:
    """A name from a file, as HTML shows it."""
    return escape(printable(name))


def thumbnail(path: str) -> str:
    """An image, small, in the page itself; a word where it cannot be read any more."""
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > setting(PIXELS, MOST_PIXELS):
                raise ValueError
            image = ImageOps.exif_transpose(opened).convert("RGB")
        image.thumbnail((SIDE, SIDE))
        if max(image.size) < SIDE // 2:  # small images stay sharp
            scale = SIDE // max(image.size)
            image = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
        file = io.BytesIO()
        image.save(file, "WEBP", quality=80)
    except Exception:  # Pillow's decoders raise almost anything on broken input
        return "<em>no image</em>"
    return f'<img alt="" src="data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}">'
