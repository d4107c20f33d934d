"""Images in whatever form people have them give the same vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from embloom.artifact.given import given
from embloom.artifact.readers.image import ImageReader

READER = ImageReader(8)
BYTES = np.random.default_rng(0).integers(0, 255, (5, 12, 10), dtype=np.uint8)


def rows(inputs: Any, column: str | None = None) -> torch.Tensor:
    return torch.cat([READER(part.inputs)["image"] for part in given(READER, inputs, 2, column)])


def forms(folder: Path) -> dict[str, Any]:
    """The same five images."""
    paths = [folder / f"{number}.png" for number in range(5)]
    for path, image in zip(paths, BYTES, strict=True):
        Image.fromarray(image).save(path)
    images = [Image.fromarray(image) for image in BYTES]
    opaque = np.full_like(BYTES, 255)
    return {
        "folder": str(folder), "glob": f"{folder}/*.png", "paths": paths,
        "array of paths": np.array([*map(str, paths)]),
        "generator": (path for path in paths), "batch": BYTES, "tensor": torch.from_numpy(BYTES), "list": list(BYTES),
        "floats": BYTES / 255, "integers": BYTES.astype(np.int64), "color": np.stack([BYTES] * 3, -1),
        "channels first": np.stack([BYTES] * 3, 1), "one channel": BYTES[..., None], "pillow": images,
        "transparency": np.stack([BYTES, BYTES, BYTES, opaque], -1), "mixed": [paths[0], images[1], *BYTES[2:]],
        "iterator": iter(images),
    }  # fmt: skip


def test_all_forms_agree(tmp_path: Path) -> None:
    expected = rows(BYTES)
    for name, inputs in forms(tmp_path).items():
        torch.testing.assert_close(rows(inputs), expected, atol=1.01 / 255, rtol=0, msg=name)
    for one in (BYTES[0], np.stack([BYTES[0]] * 3, -1), Image.fromarray(BYTES[0]), tmp_path / "0.png"):
        torch.testing.assert_close(rows(one), expected[:1], atol=1.01 / 255, rtol=0)


def test_data_frames(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    paths = [str(path) for path in forms(tmp_path)["paths"]]
    expected = rows(BYTES)
    frame = pandas.DataFrame({"path": paths, "label": 1})
    assert torch.equal(rows(frame), expected)
    assert torch.equal(rows(frame["path"]), expected)
    assert torch.equal(rows(frame.rename(columns={"path": "file"}), "file"), expected)
    with pytest.raises(ValueError, match=r"no column 'path' but file, label: name one, column="):
        rows(frame.rename(columns={"path": "file"}))


@pytest.mark.parametrize(
    "wrong", [BYTES.astype(float), BYTES - 300.0, np.ones((70, 15)), [{}], None, 5, np.zeros((2, 2, 2, 2, 2))], ids=type
)
def test_what_is_no_image_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"pixels from|images are paths|fit neither"):
        rows(wrong)
