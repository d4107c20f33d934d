"""Ecosystem: what the package says of itself, publishing, the notebook."""

from __future__ import annotations

import base64
import json

from hour import Hour, task
from screen import ROOT

SECTION = "ecosystem"


@task(SECTION)
def publish(hour: Hour) -> None:
    """A run is published, read back with the same hash, and not overwritten."""
    for name in ("digits", "words", "films"):
        run = hour.run_of(name)
        hour.shell(f"embloom publish {run} given/{{mode}}/{name} --license mit", rf"published: given/{{mode}}/{name}")
        hour.shell(f"embloom publish {run} given/{{mode}}/{name}", "nothing is overwritten", status=2)
        code = f"a, b = embloom.load({run!r}), embloom.load('given/at{hour.modes[0]}/{name}')\n"
        hour.python(f"{code}print('same', a.content_hash == b.content_hash)", "same True")
    files = sorted(path.name for path in (hour.folder / "given" / f"at{hour.modes[0]}" / "digits").iterdir())
    hour.expect(files == ["README.md", "config.json", "model.safetensors"], f"there are {files}")


@task(SECTION)
def card(hour: Hour) -> None:
    """`embloom card` of a run and of what was published."""
    digits = hour.run_of("digits")
    modes, hour.modes = hour.modes, (0,)  # Markdown has lines of any length
    hour.shell(f"embloom card {digits}", "^# ", "content hash", "hidden_0")
    hour.modes = modes


@task(SECTION)
def export(hour: Hour) -> None:
    """A table of words for gensim, an encoder for onnxruntime."""
    hour.shell(f"embloom export {hour.run_of('words')} --to word2vec -o {{mode}}.txt", r"word2vec: {mode}\.txt")
    hour.shell(f"embloom export {hour.run_of('digits')} --to safetensors", "safetensors: ")
    hour.shell(f"embloom export {hour.run_of('digits')} --to word2vec", "embloom encode", status=2)


@task(SECTION)
def the_package(hour: Hour) -> None:
    """The package says its license, author and summary."""
    hour.python(
        "from importlib.metadata import metadata\nfound = metadata('embloom')\n"
        "print(found['Name'], found['Version'] == embloom.__version__, found['License-Expression'])",
        "embloom True Apache-2.0",
    )


@task(SECTION)
def the_notebook(hour: Hour) -> None:
    """The notebook has outputs and pictures at rest, and no error."""
    path = ROOT / "docs" / "first_hour.ipynb"
    if not path.is_file():
        hour.expect(False, "there is no docs/first_hour.ipynb")
        return
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    hour.expect(len(pictures) >= 2, f"{len(pictures)} pictures")
    hour.expect(all(base64.b64decode(text).startswith(b"\x89PNG") for text in pictures), "a picture is none")
    hour.expect(not [output for output in outputs if output["output_type"] == "error"], "an error is stored")
    hour.expect(all(cell["execution_count"] for cell in cells), "a cell was not executed")
