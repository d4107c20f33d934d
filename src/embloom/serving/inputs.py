"""What a request gives as what a reader takes. Nothing in it is ever taken for a path, an address or a name of code."""

from __future__ import annotations

import base64
import binascii
import io
import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from PIL import Image

from embloom.artifact.readers.base import Reader
from embloom.artifact.readers.text import TextReader
from embloom.files.tensors import first_line
from embloom.serving.limits import Limits, Refused

# Others of Pillow's decoders start programs, or follow references to files.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MOST_MET = 1_000_000  # different words that a tokenizer remembers
KINDS = {"texts": ("text",), "images": ("image",), "rows": ("table", "attributes"), "columns": ()}


def taken(reader: Reader, kind: str, given: Any, limits: Limits) -> Any:
    """Inputs for an extractor.

    Args:
        reader: of the artifact.
        kind: `texts`, `images`, `rows` or `columns`.
        given: what the request has under that name.
        limits: of the service.

    Raises:
        Refused: the reader reads something else, or they are malformed.
    """
    if KINDS[kind] and reader.kind not in KINDS[kind]:
        fitting = [name for name, kinds in KINDS.items() if reader.kind in kinds] or ["columns"]
        raise Refused(422, f"this embedding takes {' or '.join(fitting)}, not {kind}")
    if kind == "texts":
        return list(given)
    if kind == "images":
        return decoded(given, limits)
    if kind == "rows":
        return [table_row(row) for row in given]
    return {checked_name(name): column(values, limits) for name, values in given.items()}


def decoded(images: Sequence[str | bytes], limits: Limits) -> list[Image.Image]:
    """Files of images, as bytes or in base64.

    Raises:
        Refused: one is no image, or they have too many pixels.
    """
    opened: list[Image.Image] = []
    pixels = 0
    for place, item in enumerate(images):
        try:
            data = base64.b64decode(item, validate=True) if isinstance(item, str) else item
            with warnings.catch_warnings(action="ignore"):
                image = Image.open(io.BytesIO(data), formats=FORMATS)
        except (binascii.Error, ValueError) as error:
            raise Refused(422, f"image {place} is no base64 of an image's file: {first_line(error)}") from None
        except Exception:  # Pillow's decoders raise almost anything on broken input
            raise Refused(422, f"image {place} is no {', '.join(FORMATS)}") from None
        pixels += image.width * image.height
        if pixels > limits.pixels:
            raise Refused(413, f"the images have more than {limits.pixels:,} pixels: scale them down")
        opened.append(image)
    for place, found in enumerate(opened):
        try:
            found.load()
        except Exception as error:
            raise Refused(422, f"image {place} cannot be read: {first_line(error)}") from None
    return opened


def table_row(row: Any) -> dict[str, Any]:
    """A row of a table, by column.

    Raises:
        Refused: it is none.
    """
    if not isinstance(row, Mapping):
        raise Refused(422, "each row is an object, column -> value")
    if not all(value is None or isinstance(value, (str, int, float)) for value in row.values()):
        raise Refused(422, "a row holds numbers and texts")
    return {name: cell(value) for name, value in row.items()}


def cell(value: Any) -> Any:
    """A cell as a table has it: what is missing is empty.

    Raises:
        Refused: it is not finite, or larger than any number of a computer.
    """
    if isinstance(value, (int, float)):
        finite(value)
    return "" if value is None else value


def column(values: Any, limits: Limits) -> list[Any]:
    """A column of numbers, of rows of numbers, or of names.

    Raises:
        Refused: it is none.
    """
    if not isinstance(values, list) or not 0 < len(values) <= limits.items:
        raise Refused(422, f"a column is a list of 1 to {limits.items} values")
    if all(isinstance(value, str) for value in values):
        return values
    width = len(values[0]) if isinstance(values[0], list) else None
    for value in values:
        if (len(value) if isinstance(value, list) else None) != width:
            raise Refused(422, "the values of a column are all numbers, or all rows of as many numbers, or all names")
        for number in value if isinstance(value, list) else [value]:
            finite(number)
    return values


def finite(value: Any) -> None:
    """Raises:
    Refused: a value is no finite number that fits float32 or int64.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(422, "a column holds numbers, or names alone")
    if not (abs(value) < 2**63 if isinstance(value, int) else math.isfinite(value) and abs(value) < 3e38):
        raise Refused(422, "a number is not finite, or too large")


def checked_name(name: str) -> str:
    """The name of a column.

    Raises:
        Refused: it is far too long.
    """
    if len(name) > 1000:
        raise Refused(422, "a column's name is too long")
    return name


def forgotten(reader: Reader) -> Reader:
    """The reader, or one like it, where it remembers very many words that requests have brought."""
    if isinstance(reader, TextReader) and len(reader.tokenizer.words) > MOST_MET + len(reader.known or ()):
        return type(reader)(**reader.options(), vocabulary=list(reader.known or ()))
    return reader
