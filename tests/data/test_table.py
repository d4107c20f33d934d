"""Tables: what the columns hold, how they are scaled and split, and what an ugly file is answered with."""

from __future__ import annotations

import csv
import gzip
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from embloom.data.table import Table
from trained import trained

HEADER = ("age", "city", "weight", "kind")
CITIES = ("Rome", "Oslo", "Bath")


def people(count: int = 60) -> list[tuple[str, str, str, str]]:
    """Rows whose kind follows from age and city."""
    draw = np.random.default_rng(0)
    rows = []
    for i in range(count):
        old = i % 2
        age, weight = 30 + 30 * old + draw.normal(), 70 + 5 * draw.normal()
        rows.append((f"{age:.4f}", CITIES[i % 3], f"{weight:.4f}", "old" if old else "young"))
    return rows


def write(path: Path, rows: Sequence[Sequence[Any]], header: Sequence[str] = HEADER, delimiter: str = ",") -> Path:
    with gzip.open(path, "wt", newline="") if path.suffix == ".gz" else path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def made(path: Path | None, label: str | None = "kind", **options: Any) -> Table:
    dataset = Table(batch_size=8, path=None if path is None else str(path), label=label, **options)
    dataset.ready()
    dataset.setup("fit")
    return dataset


def column(dataset: Table, name: str, split: Any = "train") -> Tensor:
    return torch.cat([dataset.transform(batch, "embed")[name] for batch in dataset.loader(split)])


def whole(dataset: Table, name: str = "features") -> Tensor:
    return torch.cat([column(dataset, name, split) for split in ("train", "val", "test")])


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "tsv", "parquet"])
def test_every_form_holds_the_same_rows(ending: str, tmp_path: Path) -> None:
    expected = made(write(tmp_path / "plain.csv", people()))
    path = tmp_path / f"people.{ending}"
    if ending == "parquet":
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns: dict[str, Any] = dict(zip(HEADER, map(list, zip(*people(), strict=True)), strict=True))
        columns |= {name: [float(cell) for cell in columns[name]] for name in ("age", "weight")}
        columns["city"] = arrow.array(columns["city"]).dictionary_encode()
        parquet.write_table(arrow.table(columns), path, row_group_size=17)
    else:
        write(path, people(), delimiter="\t" if ending == "tsv" else ",")
    found = made(path)
    assert found.fingerprint() == expected.fingerprint()
    assert found.reader.options() == expected.reader.options()


def test_numbers_are_standardised_by_the_training_split_and_categories_one_hot(tmp_path: Path) -> None:
    dataset = made(write(tmp_path / "people.csv", people()))
    assert dataset.sizes == {"features": 5, "clean": 5, "label": 2}
    assert dataset.names == {"label": ["old", "young"]}
    train = column(dataset, "features")
    torch.testing.assert_close(train[:, :2].mean(0), torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(train[:, :2].std(0, unbiased=False), torch.ones(2))
    assert set(whole(dataset)[:, 2:].sum(1).tolist()) == {1.0}
    # Each row again, from the file: undo the scaling, find the city.
    about = {c["name"]: c for c in dataset.reader.columns}
    assert about["city"]["categories"] == sorted(CITIES)
    found = []
    for row, label in zip(whole(dataset).tolist(), whole(dataset, "label").tolist(), strict=True):
        age, weight = (row[i] * about[name]["std"] + about[name]["mean"] for i, name in enumerate(("age", "weight")))
        found.append((age, sorted(CITIES)[row[2:].index(1.0)], weight, dataset.names["label"][label]))
    expected = [(float(age), city, float(weight), kind) for age, city, weight, kind in people()]
    for one, other in zip(sorted(found), sorted(expected), strict=True):
        assert one == (pytest.approx(other[0], abs=1e-3), other[1], pytest.approx(other[2], abs=1e-3), other[3])


def test_missing_cells_become_the_mean_and_are_pointed_out(tmp_path: Path) -> None:
    rows = [(*row[:2], ["", "NA", "nan", "?", " "][i % 5] if i % 3 == 0 else row[2], row[3])
            for i, row in enumerate(people(90))]  # fmt: skip
    rows = [(row[0], "" if i % 4 == 0 else row[1], *row[2:]) for i, row in enumerate(rows)]
    dataset = made(write(tmp_path / "people.csv", rows))
    age, weight, city = dataset.reader.columns[0], dataset.reader.columns[2], dataset.reader.columns[1]
    assert (age["missing"], weight["missing"]) == (False, True)
    assert city["categories"] == ["", "Bath", "Oslo", "Rome"]
    features = whole(dataset)
    assert features.shape == (90, 3 + 4)
    assert features[:, 2].sum() == 30
    assert (features[features[:, 2] == 1, 1] == 0).all()
    assert features[:, 3].sum() == sum(row[1] == "" for row in rows)


def test_constant_columns_are_zero_and_huge_ones_finite(tmp_path: Path) -> None:
    rows = [(0.1, 1e308 * (-1) ** (i // 2), 1e-310 * i, 1e9 + i % 7, "ab"[i % 2]) for i in range(60)]
    dataset = made(write(tmp_path / "x.csv", rows, ("same", "huge", "tiny", "far", "kind")))
    features = whole(dataset)
    assert features.isfinite().all()
    assert (features[:, [0, 2]] == 0).all()
    torch.testing.assert_close(column(dataset, "features")[:, 3].std(unbiased=False), torch.tensor(1.0))
    assert features[:, 1].abs().max() < 2


def test_options_say_what_columns_hold_and_which_are_used(tmp_path: Path) -> None:
    rows = [(i % 3, f"{i % 5}", i, "ab"[i % 2]) for i in range(60)]
    path = write(tmp_path / "x.csv", rows, ("code", "size", "id", "kind"))

    def kinds(**options: Any) -> dict[str, str]:
        return {c["name"]: c["kind"] for c in made(path, **options).reader.columns}

    assert kinds() == {"code": "numeric", "size": "numeric", "id": "numeric"}
    assert kinds(categorical=["code"], ignore="id") == {"code": "categorical", "size": "numeric"}
    assert kinds(columns=["size", "kind"]) == {"size": "numeric"}
    assert kinds(label="code", numeric=["id"])["kind"] == "categorical"
    about = made(path, categorical=["size"]).reader.columns[1]
    assert about["categories"] == ["0", "1", "2", "3", "4"]


def test_categories_are_limited_to_the_most_frequent(tmp_path: Path) -> None:
    names = ["common"] * 40 + ["other"] * 20 + [f"rare {i}" for i in range(120)]
    rows = [(name, i, "ab"[i % 2]) for i, name in enumerate(names)]
    path = write(tmp_path / "x.csv", rows, ("what ever", "n", "kind"))
    with pytest.raises(ValueError, match=r"more than 100 categories") as error:
        made(path)
    assert "'dataset.ignore=[\"what ever\"]'" in str(error.value)
    assert "dataset.max_categories=" in str(error.value)
    dataset = made(path, max_categories=2)
    assert dataset.reader.columns[0]["categories"] == ["common", "other"]
    assert whole(dataset)[:, 1:].sum() == 60
    assert made(path, ignore=["what ever"]).sizes["features"] == 1


def test_a_late_text_makes_a_column_categorical_with_all_its_rows(tmp_path: Path) -> None:
    rows = [("x" if i == 900 else i % 4, "ab"[i % 2]) for i in range(1000)]
    dataset = made(write(tmp_path / "x.csv", rows, ("code", "kind")), test_fraction=0.3, split_seed=1)
    assert set(dataset.reader.columns[0]["categories"]) >= {"0", "1", "2", "3"}
    assert whole(dataset)[:, :4].sum() >= 999
    with pytest.raises(ValueError, match=r"x.csv, line 902: 'x' in the column 'code' is no number"):
        made(tmp_path / "x.csv", numeric=["code"])
    many = [("x" if i == 900 else i, "ab"[i % 2]) for i in range(1000)]
    with pytest.raises(
        ValueError, match=r"'code' has more than 100 categories because 'x' \(.*line 902\) is no number"
    ):
        made(write(tmp_path / "y.csv", many, ("code", "kind")))


def test_labels_are_split_by_class_used_in_part_and_seeded(tmp_path: Path) -> None:
    rows = [(i, "rare" if i % 20 == 0 else "common") for i in range(400)]
    path = write(tmp_path / "x.csv", rows, ("n", "kind"))
    dataset = made(path)
    counts = {split: Counter(column(dataset, "label", split).tolist()) for split in ("train", "val")}
    assert counts["val"][1] / 36 == pytest.approx(0.05, abs=0.03)
    assert counts["train"][1] >= 14
    few = made(path, train_size=20, split_seed=3)
    assert {s: len(column(few, "label", s)) for s in ("train", "val", "test")} == {"train": 18, "val": 2, "test": 40}
    assert Counter(column(few, "label").tolist()) == {0: 9, 1: 9}
    again, other = made(path, train_size=20, split_seed=3), made(path, train_size=20, split_seed=4)
    assert again.digest() == few.digest() != other.digest()
    with pytest.raises(ValueError, match=r"train_size=1000: there are only 360 labelled rows"):
        made(path, train_size=1000)


def test_a_test_file_is_scaled_like_training(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", people())
    other = [(row[3], row[1], row[2], row[0], "more") for row in people(9)]
    other[0] = ("old", "Paris", "71", "60", "more")
    test = write(tmp_path / "test.csv", other, ("kind", "city", "weight", "age", "extra"))
    dataset = made(train, test_path=str(test))
    assert dataset.rows() == {"train": 54, "val": 6, "test": 9}
    features = column(dataset, "features", "test")
    about = dataset.reader.columns[0]
    expected = [(float(row[3]) - about["mean"]) / about["std"] for row in other]
    torch.testing.assert_close(features[:, 0], torch.tensor(expected))
    assert features[0, 2:].sum() == 0  # Paris was not in training
    assert features[1:, 2:].sum() == 8
    assert made(train, label=None, ignore=["kind"], test_path=str(test)).labels == ()


def test_numbers_as_labels_are_in_order_and_missing_ones_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(i, ["10", "9.0", "9", "", "nan"][i % 5]) for i in range(50)]
    dataset = made(write(tmp_path / "x.csv", rows, ("n", "kind")))
    assert dataset.names["label"] == ["9", "10"]
    assert sum(dataset.rows().values()) == 30
    assert "left out 20 of 50 rows" in capsys.readouterr().err


def test_forms_that_other_programs_write_are_read(tmp_path: Path) -> None:
    expected = made(write(tmp_path / "x.csv", people()))
    lines = (tmp_path / "x.csv").read_text().splitlines()
    numbered = [",".join([str(i - 1) if i else "", line]) for i, line in enumerate(lines)]
    variants = {
        "bom": b"\xef\xbb\xbf" + "\n".join(lines).encode(),
        "semicolons": "\n".join(lines).replace(",", ";").encode(),
        "blank": ("\n\n" + "\r\n\r\n".join(lines) + "\n\n").encode(),
        "spaces": "\n".join(lines).replace(",", " , ").encode(),
        "pandas index": "\n".join(numbered).encode(),
        "quoted": "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in lines).encode(),
    }
    for name, content in variants.items():
        (tmp_path / "other.csv").write_bytes(content)
        assert made(tmp_path / "other.csv").fingerprint() == expected.fingerprint(), name


def table(*lines: str) -> bytes:
    return "\n".join(lines).encode()


GOOD = [f"{i},{'ab'[i % 2]}" for i in range(40)]
UGLY: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"x.csv is empty"),
    "blank": (b"\n \n", r"x.csv is empty"),
    "only a header": (table("n,kind"), r"no rows below the names"),
    "no header": (table("1,2", "3,4"), r"begins with a line of numbers"),
    "names twice": (table("n,n,kind", *(f"1,{row}" for row in GOOD)), r"has 2 columns 'n'"),
    "a short row": (table("n,kind", *GOOD[:9], "7", *GOOD), r"line 11: the row has 1 cells, and the line of names 2"),
    "a long row": (table("n,kind", *GOOD, "1,a,2"), r"line 42: the row has 3 cells"),
    "no label": (table("n,other", *GOOD), r"no column 'kind' but n, other: .*dataset.label="),
    "one class": (table("n,kind", *(f"{i},a" for i in range(40))), r"only the class 'a'.*dataset.label"),
    "labels are missing": (table("n,kind", *(f"{i}," for i in range(40))), r"'kind'.*has no value in any row"),
    "labels are numbers": (table("n,kind", *(f"{i},{i / 7}" for i in range(40))), r"40 different values in 40 rows"),
    "infinity": (table("n,kind", *GOOD, "Infinity,a"), r"line 42: Infinity in the column 'n' is no finite number"),
    "too large": (table("n,kind", *GOOD[:5], "", "1e400,a", *GOOD), r"line 8: 1e400 in the column 'n' is no finite"),
    "all missing": (table("n,m,kind", *(f",{row}" for row in GOOD)), r"'n' has no value.*dataset.ignore=\[n\]"),
    "only the label": (table("kind", *"ab" * 20), r"no column that is left as a feature"),
    "too few rows": (table("n,kind", "1,a", "2,b"), r"too few rows"),
    "an image": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", r"x.csv is a binary file: name a CSV"),
    "excel": (b"PK\x03\x04rest", r"an Excel file or an archive: save the table as CSV"),
    "utf-16": ("n,kind\n1,a".encode("utf-16"), r"UTF-16: save it in UTF-8"),
    "half a gzip": (gzip.compress(table("n,kind", *GOOD))[:60], r"cannot read .*x.csv"),
    "broken parquet": (b"PAR1 no more", r"cannot read .*x.csv"),
}


@pytest.mark.parametrize("name", UGLY)
def test_ugly_files_get_one_clear_message(name: str, tmp_path: Path) -> None:
    content, says = UGLY[name]
    if name == "broken parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(ValueError, match=says) as error:
        made(tmp_path / "x.csv")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"path": "absent.csv"}, "path=absent.csv is no file"),
        ({"path": "."}, r"path=. is no file"),
        ({"test_path": "absent.csv"}, "test_path=absent.csv is no file"),
        ({"path": None, "test_path": "x.csv"}, "needs dataset.path"),
        ({"ignore": ["wieght"]}, r"dataset.ignore: .* no column 'wieght'; did you mean weight"),
        ({"columns": ["age", "x"]}, r"dataset.columns: .* no column 'x'"),
        ({"numeric": ["age"], "categorical": ["age"]}, "it is in dataset.numeric too"),
        ({"numeric": ["city"]}, r"line 2: 'Rome' in the column 'city' is no number"),
        ({"ignore": ["kind"]}, "ignore=kind: it is the label"),
        ({"max_categories": 0}, "max_categories=0: it must be a positive integer"),
        ({"val_fraction": 1.5}, "val_fraction=1.5"),
        (
            {"test_path": "other.csv"},
            "dataset.test_path=other.csv has no column 'weight', which the training rows have",
        ),
        ({"test_path": "classes.csv"}, "classes.csv has a class that the training rows do not: 'new'"),
        ({"test_path": "texts.csv"}, r"texts.csv, line 3: 'heavy' in the column 'weight' is no number"),
    ],
)
def test_mistakes_say_what_to_do(
    options: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("people.csv"), people())
    write(Path("other.csv"), [("1", "Rome", "old")], ("age", "city", "kind"))
    write(Path("classes.csv"), [("1", "Rome", "2", "new")])
    write(Path("texts.csv"), [("1", "Rome", "2", "old"), ("1", "Rome", "heavy", "old")])
    with pytest.raises(ValueError, match=says):
        made(**{"path": "people.csv", **options})


def test_parquet_says_which_column_it_cannot_use(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"n": [1, None, 3, 4] * 10, "flag": [True, False, None, True] * 10, "kind": ["a", "b"] * 20}
    parquet.write_table(arrow.table({**columns, "list": [[1.0]] * 40}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match="the column 'list' holds list"):
        made(tmp_path / "x.parquet")
    dataset = made(tmp_path / "x.parquet", ignore=["list"])
    assert [c["kind"] for c in dataset.reader.columns] == ["numeric", "categorical"]
    assert dataset.reader.columns[1]["categories"] == ["", "False", "True"]
    parquet.write_table(arrow.table({"n": [1.0, math.inf], "kind": ["a", "b"]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"x.parquet, row 1: inf in the column 'n' is no finite number"):
        made(tmp_path / "x.parquet")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"pip install 'embloom\[parquet\]'"):
        made(tmp_path / "x.parquet")


def test_the_built_in_set_needs_nothing_and_its_label_can_be_left_out() -> None:
    dataset = made(None, label="label")
    assert dataset.sizes == {"features": 30, "clean": 30, "label": 2}
    assert sum(dataset.rows().values()) == 569
    plain = made(None, label=None)
    assert (plain.sizes, plain.labels) == ({"features": 30, "clean": 30}, ())


def test_default_training_classifies_and_a_last_small_batch_is_no_trouble(tmp_path: Path) -> None:
    path = write(tmp_path / "people.csv", people(73))  # 59 rows to train on: 58 and 1, were batches not even
    metrics = trained(
        tmp_path / "run", "dataset=table", f"dataset.path={path}", "dataset.label=kind", "dataset.batch_size=58",
        "encoder.norm=batch", "trainer.accelerator=cpu", "trainer.max_epochs=3",
    )  # fmt: skip
    assert metrics["test/accuracy_label"] == metrics["probe/linear_label"] == 1.0


@pytest.mark.parametrize("label", ["kind", "null"])
@pytest.mark.parametrize(
    "chosen",
    [
        ("experiment=table_autoencoder",),
        ("experiment=pca", "dataset=table", "callbacks=[default]", "encoder.embedding=3"),
    ],
)
def test_rows_are_reconstructed_with_a_label_and_without(label: str, chosen: tuple[str, ...], tmp_path: Path) -> None:
    path = write(tmp_path / "people.csv", people(90))
    metrics = trained(
        tmp_path / "run", *chosen, f"dataset.path={path}", f"dataset.label={label}", "trainer.accelerator=cpu",
        "trainer.max_epochs=5",
    )  # fmt: skip
    assert metrics["test/loss_reconstruction"] < 0.5
    assert ("probe/knn_label" in metrics) == (label == "kind")
