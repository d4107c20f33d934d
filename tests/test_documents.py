"""What the documents show works as it is shown: every command is run, every file is used, all Python is executed."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
import yaml

import embloom
from documents import DOCUMENTS, LANGUAGES, ROOT, blocks, commands, python, write_files
from embloom.assembly import own
from embloom.assembly.checks import problems
from embloom.assembly.compose import asked_for
from embloom.assembly.groups import CONFIGS
from harness import FORKS, command, finish, fork, wait_for
from stand_ins import FEW, MINE, make_place, make_run, smaller

# What is only looked at: the tests themselves, a server, and the activation of an environment.
NOT_RUN = ("./scripts/train.sh", "./scripts/test.sh", "source", "tensorboard")
# What makes each short; they train by themselves.
BENCHMARKS = {
    "autoencoders.py": [*FEW, "dataset.val_size=30"],
    "labels.py": ["--labels", "100", "--seeds", "1", *FEW],
    "leftover.py": [],
    "texts.py": ["--only", "one_hot,word_means", *FEW],
    "recommenders.py": ["--only", "popularity,recommender", "--seeds", "0", "trainer.max_epochs=1"],
}
NAMES = [path.stem for path in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_every_block_is_understood(document: Path) -> None:
    for block in blocks(document):
        assert block.language in LANGUAGES, block.text
        if block.language == "python":
            compile(block.text, str(document), "exec")
        if block.language == "yaml":
            assert isinstance(yaml.safe_load(block.text), dict)
    for words in commands(document):
        assert words[0] in ("embloom", "python", *NOT_RUN), words
        if words[0].startswith("./"):
            assert os.access(ROOT / words[0], os.X_OK)
        if words[0] == "python":
            assert (ROOT / words[1]).is_file()
            assert Path(words[1]).name in BENCHMARKS


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = target.partition("#")
        if path.startswith("http"):
            continue
        place = document.parent / path if path else document
        assert place.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", place.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}, target


def one_job(arguments: list[str]) -> list[str]:
    """A sweep's first job."""
    if "-m" not in arguments:
        return arguments
    rest = [a for a in arguments if a != "-m" and not re.match(r"hydra[./](sweeper|launcher)", a)]
    rest = [a.replace("hydra.sweep.dir=", "hydra.run.dir=") for a in rest]
    rest = [re.sub(r"=(?:tag\(\w+,)?interval\(([^,]*),.*", r"=\1", a) for a in rest]
    rest = [f"{a}/first" if a.startswith("hydra.run.dir=") else a for a in rest]
    return [re.sub(r"^([\w.]+=)([^\[,]*),.*", r"\1\2", a) for a in rest]


def here(arguments: list[str]) -> list[str]:
    """A sweep for a cluster, as this machine runs it."""
    if "hydra/launcher=submitit_slurm" not in arguments:
        return arguments
    rest = [a for a in arguments if not a.startswith("hydra.launcher.")]
    return [a.replace("submitit_slurm", "submitit_local") for a in rest]


def made_small(arguments: list[str], whole_sweeps: bool) -> list[str]:
    """What is run of `embloom ...`: few steps of a training; the configuration alone where a device is missing."""
    if arguments[0] != "train" or "--cfg" in arguments:
        return arguments
    if "trainer=gpu" in arguments or "trainer.devices=4" in arguments:
        return [*arguments, "--cfg", "job", "--resolve"]
    chosen = here(arguments) if whole_sweeps else one_job(arguments)
    small = [] if any("examples/ratings" in a for a in arguments) else FEW
    return [*chosen, *small, *smaller(arguments), "trainer.accelerator=cpu"]


def is_slow(words: list[str]) -> bool:
    """Whether a command takes long, whatever its data."""
    return words[0] == "python" or "encoder=torchvision" in words or "trainer=ddp" in words


def run_all(document: Path, folder: Path, whole: bool) -> None:
    """Runs the commands of a document in order, then its Python, in a folder of stand-ins."""
    make_place(document, folder)
    for words in commands(document):
        if words[0] in NOT_RUN or words == ["embloom", "--help"] or (is_slow(words) and not whole):
            continue
        print(*words)
        if words[0] == "embloom" and "trainer=ddp" in words and "trainer.devices=2" in words:
            found = command(*made_small(words[1:], whole), cwd=folder)
            assert found.returncode == 0, found.stderr
        elif words[0] == "embloom":
            finish(fork(*made_small(words[1:], whole), cwd=folder), folder)
        else:
            subprocess.run([sys.executable, *words[1:], *BENCHMARKS[Path(words[1]).name]], cwd=folder, check=True)
    if code := python(document):
        process = FORKS.Process(target=execute, args=(code, str(folder)))
        process.start()
        finish(process, folder)


def execute(code: str, folder: str) -> None:
    """Executes Python in a folder, in a process of its own."""
    os.chdir(folder)
    with open("output.txt", "a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    exec(compile(code, "document", "exec"), {"__name__": "document"})


RUNNABLE = [path for path in DOCUMENTS if path.stem != "CONTRIBUTING"]  # see test_adding_a_loss
QUICK = ("README", "python", "words", "reuse", "tables")


@pytest.mark.parametrize("document", RUNNABLE, ids=lambda path: path.stem)
def test_training_commands_compose(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names what there is, and its settings are sound as far as they can be checked without data."""
    for shown in RUNNABLE:
        write_files(shown, tmp_path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    for words in commands(document):
        if words[:2] == ["embloom", "train"]:
            assert unsound(words[2:]) == [], words


def unsound(arguments: list[str]) -> list[str]:
    """What is wrong with the first job of `embloom train ...`, as far as that shows without data."""
    overrides = [a for a in one_job(arguments) if a not in ("--cfg", "job")]
    folders = [b for a, b in pairwise(overrides) if a == "--config-dir"]
    overrides = [a for a in overrides if a != "--config-dir" and a not in folders]
    with own.parts(folders):
        asked, _ = asked_for(overrides, own.folders_in_use())
        return [line for line in problems(asked.config, asked.folder) if "torch sees" not in line]


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONFIGS)))
def test_commands_in_the_comments_of_a_yaml_compose(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = path.read_text(encoding="utf-8")
    for line in re.findall(r"embloom (train.*)", text):
        words = shlex.split(re.split(r"\s{3,}", line)[0])
        assert unsound(words[1:]) == [], words
    if path.parent.name == "experiment":
        opening = text.split("defaults:")[0]
        assert "You get" in opening
        assert f"experiment={path.stem}" in opening


@pytest.mark.parametrize("document", [path for path in RUNNABLE if path.stem in QUICK], ids=lambda path: path.stem)
def test_commands_and_python_run(document: Path, tmp_path: Path) -> None:
    run_all(document, tmp_path, whole=False)


@pytest.mark.slow
@pytest.mark.parametrize("document", RUNNABLE, ids=lambda path: path.stem)
def test_whole_sweeps_benchmarks_and_devices_run(document: Path, tmp_path: Path) -> None:
    run_all(document, tmp_path, whole=True)


def test_own_parts_are_as_good_as_any(tmp_path: Path) -> None:
    """From the shell: stopped and continued by the command that was printed, then everything that can be done with a
    run; without the folder each says what to add."""
    write_files(ROOT / "docs" / "own_parts.md", tmp_path)
    (tmp_path / "rows.csv").write_text("features_0,features_1\n1.0,0.0\n0.0,2.0\n")
    train = ("train", *MINE, "trainer.max_epochs=60", "trainer.accelerator=cpu")
    process = fork(*train, "hydra.run.dir=stopped", cwd=tmp_path)
    wait_for(lambda: (tmp_path / "stopped" / "checkpoints" / "last.ckpt").exists())
    os.kill(process.pid or 0, signal.SIGTERM)
    process.join(60)
    assert process.exitcode == 143
    printed = shlex.split((tmp_path / "output.txt").read_text().splitlines()[-1])
    assert printed == ["embloom", "resume", "stopped", "--config-dir", "mine"]
    finish(fork(*printed[1:], cwd=tmp_path), tmp_path)
    finish(fork(*train, "hydra.run.dir=whole", cwd=tmp_path), tmp_path)
    assert card(tmp_path / "stopped")["content_hash"] == card(tmp_path / "whole")["content_hash"]

    commands = {
        "encode": ["whole", "rows.csv", "-o", "vectors.csv"],
        "export": ["whole", "--to", "onnx"],
        "map": ["whole", "--points", "60", "--maps", "pca"],
        "compare": ["stopped", "whole", "--html", "page.html", "--points", "60", "--maps", "pca"],
        "resume": ["whole", "trainer.max_epochs=61"],
    }
    for name, arguments in commands.items():
        assert "--config-dir mine" in refused(name, *arguments, cwd=tmp_path), name
        said = (tmp_path / "output.txt").read_text()
        finish(fork(name, *arguments, "--config-dir", "mine", cwd=tmp_path), tmp_path)
        assert "no map" not in (tmp_path / "output.txt").read_text().removeprefix(said)
    for kind in ("torch", "safetensors"):
        finish(fork("export", "whole", "--to", kind, "--config-dir", "mine", cwd=tmp_path), tmp_path)
    finish(fork("card", "whole", cwd=tmp_path), tmp_path)
    assert "rings-two-cosine" in (tmp_path / "output.txt").read_text()
    check_results(tmp_path)


def test_ratings_are_learned_and_asked(tmp_path: Path) -> None:
    make_run(tmp_path, "RATINGS")
    metrics = json.loads((tmp_path / "RATINGS" / "metrics.json").read_text())
    assert metrics["probe/recall_at_10"] > 2 * metrics["probe/recall_at_10_popular"]
    films = embloom.load(tmp_path / "RATINGS", config_dir=ROOT / "docs" / "examples" / "ratings")
    assert all(name.startswith("comedy_") for name, _ in films.words.neighbors("comedy_03", top=5))
    pairs = {"user": ["user_001", "user_002"], "item": ["comedy_03", "drama_01"]}
    assert torch.equal(films.encode(pairs, layer="user_vector"), films.table("users")[[1, 2]])


def refused(*arguments: str, cwd: Path) -> str:
    """What a command says that lacks the folder of own parts; a comparison still writes its tables."""
    before = (cwd / "output.txt").read_text()
    process = fork(*arguments, cwd=cwd)
    process.join(120)
    assert process.exitcode == (0 if arguments[0] == "compare" else 2)
    return (cwd / "output.txt").read_text().removeprefix(before)


def check_results(folder: Path) -> None:
    """Every format says what the artifact says."""
    with pytest.raises(ValueError, match="config_dir"):
        embloom.load(folder / "whole")
    rings = embloom.load(folder / "whole", config_dir=folder / "mine")
    rows = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    expected = rings.encode(rows)
    assert rings.predict(rows) == ["inner", "outer"]
    lines = list(csv.reader((folder / "vectors.csv").read_text().splitlines()))[1:]
    torch.testing.assert_close(torch.tensor([[float(x) for x in line[1:]] for line in lines]), expected)
    (found,) = torch.export.load(folder / "whole" / "exports" / "encoder.pt2").module()(rows)
    torch.testing.assert_close(found, expected)
    onnx = pytest.importorskip("onnxruntime")
    session = onnx.InferenceSession(str(folder / "whole" / "exports" / "encoder.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: rows.numpy()})
    torch.testing.assert_close(torch.from_numpy(found), expected)
    weights = safetensors.torch.load_file(folder / "whole" / "exports" / "vectors.safetensors")
    assert weights.keys() == rings.encoder.state_dict().keys()


def card(run: Path) -> dict[str, Any]:
    """What a run's artifact says of itself."""
    return embloom.load(run, config_dir=run.parent / "mine").card


@pytest.mark.slow
def test_a_job_that_is_started_again_goes_on(tmp_path: Path) -> None:
    write_files(ROOT / "docs" / "clusters.md", tmp_path)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    job = ["bash", "job.sh"]
    process = subprocess.Popen(job, cwd=tmp_path, env={**os.environ, "PATH": path}, start_new_session=True)
    wait_for(lambda: (tmp_path / "outputs" / "job" / "checkpoints" / "last.ckpt").exists())
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
    for _ in range(2):  # goes on; and then says that it is finished
        subprocess.run(job, cwd=tmp_path, env={**os.environ, "PATH": path}, check=True)
    state = json.loads((tmp_path / "outputs" / "job" / "run.json").read_text())
    assert (state["state"], state["epoch"]) == ("finished", 20)


@pytest.mark.slow
def test_adding_a_loss(tmp_path: Path) -> None:
    """The three files of CONTRIBUTING.md are all that it takes."""
    for name in ("src", "configs", "tests", "docs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    write_files(ROOT / "CONTRIBUTING.md", tmp_path)
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    tests = ["tests/losses/test_center.py", "tests/losses/test_examples.py", "tests/test_configs.py"]
    done = [sys.executable, "-m", "pytest", "-n", "0", *tests, "-k", "center"]
    found = subprocess.run(done, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
    assert len(re.findall(r"\.", found.stdout.splitlines()[0])) == 4, found.stdout
    for words in commands(ROOT / "CONTRIBUTING.md"):
        if words[0] == "embloom":
            trained = command(*words[1:], *FEW, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path / "src")})
            assert trained.returncode == 0, trained.stderr
            assert "test/loss_center" in trained.stdout
