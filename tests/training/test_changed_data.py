"""A resume on data that has changed is refused, and says what differs; where only content does, it can be accepted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image
from torch import Tensor

import embloom
from embloom.data.base import Split
from embloom.data.in_memory import InMemoryDataset
from harness import command
from trained import trained

QUICK = ("trainer=cpu", "trainer.max_epochs=1", "trainer.min_batches=1", "probe=[chance]", "callbacks=[checkpoints]")
LONGER = "trainer.max_epochs=2"


class Points(InMemoryDataset):
    """Points of a JSON file: `rows`, their `labels`, and what the `classes` are called."""

    labels = ("label",)
    locations: ClassVar[tuple[str, ...]] = ("path",)

    def __init__(self, batch_size: int, path: str = "points.json", seed: int = 0) -> None:
        super().__init__(batch_size, False, seed)
        self.content: dict[str, Any] = json.loads(Path(path).read_text())
        self.names = {"label": self.content["classes"]}
        self.sizes = {"features": len(self.content["rows"][0]), "label": len(self.content["classes"])}

    def load(self) -> dict[Split, dict[str, Tensor]]:
        features, label = torch.tensor(self.content["rows"]), torch.tensor(self.content["labels"])
        parts: dict[Split, slice] = {"train": slice(0, 40), "val": slice(40, 50), "test": slice(50, None)}
        return {split: {"features": features[part], "label": label[part]} for split, part in parts.items()}


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data and a run on it."""
    folder = tmp_path_factory.mktemp("points")
    rows = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)).tolist()
    content = {"rows": rows, "labels": [i % 3 for i in range(60)], "classes": ["a", "b", "c"]}
    (folder / "points.json").write_text(json.dumps(content))
    embloom.train(
        *QUICK, f"dataset.path={folder / 'points.json'}", "encoder.layers=auto-8-auto",
        parts={"dataset": Points}, folder=folder / "run",
    )  # fmt: skip
    return folder


def resumed(points: Path, folder: Path, change: Callable[[dict[str, Any]], Any], **options: Any) -> embloom.Run:
    """Continues a copy of the run with a changed copy of its data."""
    shutil.copytree(points / "run", folder / "run")
    content = json.loads((points / "points.json").read_text())
    change(content)
    (folder / "points.json").write_text(json.dumps(content))
    path = f"dataset.path={folder / 'points.json'}"
    return embloom.resume(folder / "run", LONGER, path, parts={"dataset": Points}, **options)


def one_number(content: dict[str, Any]) -> None:
    content["rows"][7][2] += 1e-3


def two_labels(content: dict[str, Any]) -> None:
    content["labels"][0], content["labels"][1] = content["labels"][1], content["labels"][0]


def a_row_of_the_test_split(content: dict[str, Any]) -> None:
    content["rows"][55] = [9.0] * 4


def two_rows_exchanged(content: dict[str, Any]) -> None:
    content["rows"][:2], content["labels"][:2] = content["rows"][1::-1], content["labels"][1::-1]


CONTENT = [one_number, two_labels, a_row_of_the_test_split, two_rows_exchanged]


@pytest.mark.parametrize("change", CONTENT)
def test_other_content_is_refused_and_can_be_accepted(
    points: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=r"^the data has changed since .*run was trained on it: the content\. Bring"):
        resumed(points, tmp_path, change)
    state = embloom.Run(tmp_path / "run")
    assert state.state == "finished"  # as it was: nothing was touched
    shutil.rmtree(tmp_path / "run")
    run = resumed(points, tmp_path, change, accept_changed_data=True)
    assert run.state == "finished"
    assert json.loads((run.folder / "run.json").read_text())["epoch"] == 2
    assert "warning: the data has changed: the content" in capsys.readouterr().err
    # From now on this is the run's data.
    assert embloom.resume(run.folder, "trainer.max_epochs=3", parts={"dataset": Points}).state == "finished"


def test_a_row_more_says_how_many(points: Path, tmp_path: Path) -> None:
    def more(content: dict[str, Any]) -> None:
        content["rows"].append([0.0] * 4)
        content["labels"].append(0)

    says = r"the number of samples: test 10 -> 11; the content\. Bring"
    with pytest.raises(ValueError, match=says):
        resumed(points, tmp_path, more)
    shutil.rmtree(tmp_path / "run")
    assert resumed(points, tmp_path, more, accept_changed_data=True).state == "finished"


def swapped_classes(content: dict[str, Any]) -> None:
    content["classes"] = ["b", "a", "c"]


def renamed_class(content: dict[str, Any]) -> None:
    content["classes"] = ["a", "b", "d"]


def one_class_more(content: dict[str, Any]) -> None:
    content["classes"].append("d")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (swapped_classes, r"the names or the order of classes: label \['a', 'b', 'c'\] -> \['b', 'a', 'c'\]"),
        (renamed_class, "the names or the order of classes"),
        (one_class_more, r"the sizes of columns: label 3 -> 4; the names or the order of classes"),
    ],
)
def test_what_the_weights_would_no_longer_mean_is_never_accepted(
    points: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any], says: str
) -> None:
    for accept in (False, True):
        with pytest.raises(ValueError, match=f"{says}.* Bring the data back, or start a new run; init_from="):
            resumed(points, tmp_path, change, accept_changed_data=accept)
        shutil.rmtree(tmp_path / "run")


def test_data_that_the_parts_no_longer_fit_is_said_to_have_changed(points: Path, tmp_path: Path) -> None:
    # Sizes that are written down do not follow the data: without the four classes the loss would be to blame.
    path = tmp_path / "points.json"
    shutil.copy(points / "points.json", path)
    given = (*QUICK, f"dataset.path={path}", "encoder.layers=4-8-3")
    embloom.train(*given, parts={"dataset": Points}, folder=tmp_path / "run")
    content = json.loads(path.read_text())
    one_class_more(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"the data has changed since .*: the sizes of columns: label 3 -> 4; "):
        embloom.resume(tmp_path / "run", LONGER, parts={"dataset": Points})


def test_data_that_has_only_moved_is_the_same(points: Path, tmp_path: Path) -> None:
    assert resumed(points, tmp_path, lambda content: None).state == "finished"


# -- files, through the command


def write_photos(folder: Path) -> Path:
    for label, name in enumerate("ab"):
        (folder / name).mkdir(parents=True)
        for i in range(12):
            Image.new("L", (8, 8), 100 * label + i).save(folder / name / f"{i}.png")
    return folder


def a_pixel(folder: Path) -> None:
    image = Image.open(folder / "a" / "3.png")
    image.putpixel((2, 2), 255)
    image.save(folder / "a" / "3.png")


def two_images_of_other_classes(folder: Path) -> None:
    (folder / "a" / "3.png").rename(folder / "kept.png")
    (folder / "b" / "3.png").rename(folder / "a" / "3.png")
    (folder / "kept.png").rename(folder / "b" / "3.png")


@pytest.mark.parametrize("change", [a_pixel, two_images_of_other_classes])
def test_the_command_refuses_changed_images_until_told(tmp_path: Path, change: Callable[[Path], None]) -> None:
    photos = write_photos(tmp_path / "photos")
    trained(
        tmp_path / "run", *QUICK, "dataset=image_folder", f"dataset.root={photos}", "dataset.side=8",
        "encoder.layers=auto-8-auto",
    )  # fmt: skip
    change(photos)
    ended = command("resume", "run", LONGER, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    assert "error: the data has changed since run was trained on it: the content. " in ended.stderr
    assert "--accept-changed-data" in ended.stderr
    ended = command("resume", "run", LONGER, "--accept-changed-data", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "warning: the data has changed: the content" in ended.stderr
    assert "done: run" in ended.stdout


LINES = ["the king rules the land", "the queen rules the sea", "a cat eats the fish", "the dog and the cat", "the king"]


def text_run(folder: Path) -> Path:
    """A run on a small corpus in which `king` is more frequent than `queen`."""
    (folder / "text.txt").write_text("\n".join(LINES * 40))
    trained(
        folder / "run", "experiment=skipgram", *QUICK, f"dataset.path={folder / 'text.txt'}", "dataset.min_count=1",
        f"dataset.cache={folder / 'cache'}", "probe=[]",
    )  # fmt: skip
    return folder / "run"


def test_two_words_swapped_in_a_corpus_are_other_rows(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    text = (tmp_path / "text.txt").read_text()
    swapped = text.replace("king", "KING").replace("queen", "king").replace("KING", "queen")
    (tmp_path / "text.txt").write_text(swapped)
    says = r"the names or the order of rows \(words, items\); the content\. Bring the data back, or start a new run"
    for accept in (False, True):
        with pytest.raises(ValueError, match=says):
            embloom.resume(run, LONGER, accept_changed_data=accept)
    (tmp_path / "text.txt").write_text(text)
    assert embloom.resume(run, LONGER).state == "finished"


def test_two_words_swapped_in_one_line_are_other_content(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    text = (tmp_path / "text.txt").read_text()
    (tmp_path / "text.txt").write_text(text.replace("cat eats the fish", "fish eats the cat", 1))
    with pytest.raises(ValueError, match=r"run was trained on it: the content\. .*--accept-changed-data"):
        embloom.resume(run, LONGER)
    assert embloom.resume(run, LONGER, accept_changed_data=True).state == "finished"


def test_a_new_word_is_another_table(tmp_path: Path) -> None:
    run = text_run(tmp_path)
    (tmp_path / "text.txt").write_text((tmp_path / "text.txt").read_text() + "\na horse")
    says = r"the sizes of columns: token 12 -> 13, context_token 12 -> 13; the names or the order of rows"
    with pytest.raises(ValueError, match=says):
        embloom.resume(run, LONGER, accept_changed_data=True)
