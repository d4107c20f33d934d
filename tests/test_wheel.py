"""The wheel has everything in it: it trains from another directory, with no checkout near."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]


def pip(*arguments: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode and "No matching distribution found for hatchling" in run.stdout + run.stderr:
        pytest.skip("building a wheel takes hatchling, which is neither installed nor to be had without a network")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the wheel is installed into; its dependencies are those of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip("wheel", "--no-deps", *isolation, "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("embloom-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for path in (ROOT / "src" / "embloom").rglob("*"):
        if path.suffix in (".py", ".bash"):
            assert str(path.relative_to(ROOT / "src")) in inside
    configs = {f"embloom/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert configs == {name for name in inside if name.endswith(".yaml")}
    assert "embloom/configs/train.yaml" in configs
    assert not [name for name in inside if name.startswith("tests") or "__pycache__" in name]
    pip("install", "--no-deps", "--target", str(folder / "site"), str(wheel))
    return folder / "site"


def installed(site: Path, cwd: Path, *arguments: str) -> str:
    """Runs the console script of the wheel."""
    environment = {**os.environ, "PYTHONPATH": str(site), "CUDA_VISIBLE_DEVICES": ""}
    run = subprocess.run(
        [str(site / "bin" / "embloom"), *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@pytest.mark.slow
def test_the_wheel_has_its_configs(site: Path, tmp_path: Path) -> None:
    assert "fashion_mnist" in installed(site, tmp_path, "--help")
    shown = yaml.safe_load(installed(site, tmp_path, "train", "--cfg", "job"))
    assert shown["dataset"]["_target_"] == "embloom.data.digits.Digits"
    shown = yaml.safe_load(installed(site, tmp_path, "train", "experiment=skipgram", "--cfg", "job"))
    assert shown["encoder"]["_target_"] == "embloom.encoders.skipgram.SkipGram"
    where = "import embloom; print(embloom.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    found = subprocess.check_output([sys.executable, "-c", where], env=environment, cwd=tmp_path, text=True)
    assert Path(found.strip()).is_relative_to(site)
    assert "_embloom" in installed(site, tmp_path, "completion", "bash")


@pytest.mark.slow
def test_the_wheel_trains(site: Path, tmp_path: Path) -> None:
    said = installed(site, tmp_path, "train", "trainer=cpu", "trainer.max_epochs=1", "hydra.run.dir=run")
    assert "done: " in said
    assert (tmp_path / "run" / "embeddings" / "card.json").exists()
    said = installed(site, tmp_path, "resume", "run", "trainer.max_epochs=2")
    assert "done: run" in said
