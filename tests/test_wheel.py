"""The wheel has everything in it and says what it is: it works in an environment with no checkout near."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tomllib
import zipfile
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest
import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement

import embloom

ROOT = Path(__file__).parents[1]


def pip(*arguments: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode and "No matching distribution found for" in run.stdout + run.stderr:
        pytest.skip("what this takes is neither installed nor to be had without a network")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built."""
    folder = tmp_path_factory.mktemp("wheel")
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    pip("wheel", "--no-deps", *isolation, "--wheel-dir", str(folder), str(ROOT))
    (made,) = folder.glob("embloom-*.whl")
    return made


@pytest.fixture(scope="module")
def home(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel in it, which sees its dependencies where the tests have them."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip("--python", str(folder), "install", "--no-deps", "--no-index", "--ignore-installed", str(wheel))
    # A path of a .pth file is searched, its own .pth files are not read: the checkout stays out of sight.
    packages = [path for path in map(Path, sys.path) if path.name == "site-packages"]
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text("\n".join(map(str, packages)))
    return folder


def installed(home: Path, cwd: Path, *arguments: str) -> str:
    """Runs a program of the environment."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [str(home / "bin" / arguments[0]), *arguments[1:]],
        cwd=cwd,
        env={**environment, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def metadata(wheel: Path) -> tuple[Metadata, Message]:
    """What the wheel says of itself, checked as package indexes check it."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        content = archive.read(name)
    return Metadata.from_email(content, validate=True), BytesParser().parsebytes(content)


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    found, raw = metadata(wheel)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (found.name, str(found.version)) == ("embloom", embloom.__version__)
    assert found.license_expression == "Apache-2.0"
    assert found.license_files == ["LICENSE"]
    assert found.author == "embloom developers"
    assert found.summary == project["description"]
    assert found.description_content_type == "text/markdown"
    assert found.description == (ROOT / "README.md").read_text(encoding="utf-8")
    classifiers = found.classifiers or []
    assert {"Typing :: Typed", "Intended Audience :: Science/Research"} <= set(classifiers)  # hatchling knows them all
    assert not [name for name in classifiers if name.startswith("License ::")]  # refused beside an expression
    assert set(found.provides_extra or []) == set(project["optional-dependencies"])
    assert {Requirement(text).name for text in project["dependencies"]} <= {
        requirement.name for requirement in found.requires_dist or [] if requirement.marker is None
    }
    # No public address is known: one that does not exist must not be named.
    assert all(url.startswith("https://") for url in raw.get_all("Project-URL", []))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    for path in (ROOT / "src" / "embloom").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT / "src")) in inside
    configs = {f"embloom/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert configs == {name for name in inside if name.endswith(".yaml")}
    assert "embloom/configs/train.yaml" in configs
    assert {name.split("/")[0] for name in inside} == {"embloom", f"embloom-{embloom.__version__}.dist-info"}
    assert not [name for name in inside if "__pycache__" in name]
    assert f"embloom-{embloom.__version__}.dist-info/licenses/LICENSE" in inside


ASK = """
import embloom

assert not embloom.__file__.startswith({root!r}), embloom.__file__
print(embloom.load("run").encode([[0.5] * 1024]).shape)
"""


def first_commands(home: Path, folder: Path) -> None:
    """What somebody does who has just installed it."""
    assert installed(home, folder, "embloom", "--version").strip() == embloom.__version__
    assert "fashion_mnist" in installed(home, folder, "embloom", "--help")
    assert "_embloom" in installed(home, folder, "embloom", "completion", "bash")
    small = ("trainer=cpu", "trainer.max_epochs=1", "probe=[knn]", "hydra.run.dir=run")
    assert "done: run" in installed(home, folder, "embloom", "train", *small)
    assert "published: new" in installed(home, folder, "embloom", "publish", "run", "new")
    assert "torch.Size([1, 10])" in installed(home, folder, "python", "-c", ASK.format(root=str(ROOT)))


def test_the_wheel_works_in_an_empty_environment(home: Path, tmp_path: Path) -> None:
    first_commands(home, tmp_path)


@pytest.mark.slow
def test_other_commands_of_the_wheel(home: Path, tmp_path: Path) -> None:
    shown = yaml.safe_load(installed(home, tmp_path, "embloom", "train", "experiment=skipgram", "--cfg", "job"))
    assert shown["encoder"]["_target_"] == "embloom.encoders.skipgram.SkipGram"
    small = ("trainer=cpu", "trainer.max_epochs=1", "hydra.run.dir=run")
    installed(home, tmp_path, "embloom", "train", *small)
    assert "done: run" in installed(home, tmp_path, "embloom", "resume", "run", "trainer.max_epochs=2")
    assert "run" in installed(home, tmp_path, "embloom", "runs", ".")
    installed(home, tmp_path, "embloom", "compare", "run", "--html", "page.html", "--points", "60", "--maps", "pca")
    assert (tmp_path / "page.html").stat().st_size > 10_000


@pytest.mark.slow
def test_the_wheel_installs_from_nothing(wheel: Path, tmp_path: Path) -> None:
    """With the versions of constraints.txt, without any extra: what it needs is what it names."""
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
    constraints = ("--constraint", str(ROOT / "constraints.txt"))
    pip("--python", str(home), "install", "--quiet", "--no-cache-dir", *constraints, str(wheel))
    pip("--python", str(home), "check")
    first_commands(home, tmp_path)
