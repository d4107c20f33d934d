"""A dataset, an encoder, a loss and a probe of the user's own are everywhere as good as what embloom brings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import embloom
from embloom import cli
from embloom.artifact.vector_files import read_vector_file
from harness import command

CODE = '''
import torch
from torch import Tensor, nn

from embloom.data.in_memory import InMemoryDataset
from embloom.encoders.base import Encoder
from embloom.losses.base import Classifier
from embloom.probes.base import Frozen, Probe


class Players(InMemoryDataset):
    """Players with a team and two numbers; who belongs to which league follows from the team."""

    labels = ("league",)

    def __init__(self, batch_size: int, count: int = 300, seed: int = 0) -> None:
        super().__init__(batch_size, seed=seed)
        self.count = count
        self.sizes = {"team": 4, "stats": 2, "league": 2}
        self.names = {"league": ["north", "south"]}

    def load(self):
        draw = torch.Generator().manual_seed(0)
        splits = {}
        for split in ("train", "val", "test"):
            team = torch.randint(0, 4, (self.count,), generator=draw)
            splits[split] = {
                "team": team, "stats": torch.randn(self.count, 2, generator=draw), "league": team // 2,
            }
        return splits

    def keys(self):
        return {"team": ["ajax", "borussia", "celtic", "dynamo"]}


class TeamAndStats(Encoder):
    """A table of teams, and a line for the numbers."""

    rows = {"teams": "team"}

    def __init__(self, sizes, width: int = 6) -> None:
        super().__init__()
        self.table = nn.Embedding(sizes["team"], width)
        self.line = nn.Linear(sizes["stats"], width)
        self.sizes = {"embedding": width}

    def tables(self):
        return {"teams": self.table.weight}

    def forward(self, team: Tensor, stats: Tensor):
        return {"embedding": self.table(team) + self.line(stats)}


class Margin(Classifier):
    def __init__(self, sizes, margin: float = 0.2) -> None:
        super().__init__()
        self.line, self.margin = nn.Linear(sizes["embedding"], sizes["target"]), margin

    def forward(self, embedding: Tensor, target: Tensor) -> Tensor:
        return nn.functional.multi_margin_loss(self.line(embedding), target, margin=self.margin)

    def scores(self, embedding: Tensor) -> Tensor:
        return self.line(embedding)


class Spread(Probe):
    def __call__(self, frozen: Frozen) -> dict[str, float]:
        return {"spread": float(frozen.score["embedding"].std())}
'''

YAML = {
    "dataset/players": "_target_: own_players.Players\nbatch_size: 32\ncount: 300\n",
    "encoder/team_and_stats": "_target_: own_players.TeamAndStats\nwidth: 6\nof: null\n",
    "loss/margin": "margin:\n  _target_: own_players.Margin\n  weight: 1.0\n  of: {target: league}\n",
    "probe/spread": "spread: {_target_: own_players.Spread}\n",
}
TRAIN = (
    "train", "dataset=players", "encoder=team_and_stats", "loss=margin", "probe=[knn,spread,chance]",
    "hydra.run.dir=run", "trainer=cpu", "trainer.max_epochs=2", "optimizer.lr=0.05",
    "scheduler=constant", "evaluate=last",
)  # fmt: skip
MINE = ("--config-dir", "mine")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the user's parts in `mine`, and a run of them."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine").mkdir()
    (folder / "mine" / "own_players.py").write_text(CODE)
    for name, text in YAML.items():
        (folder / "mine" / name).parent.mkdir(exist_ok=True)
        (folder / "mine" / f"{name}.yaml").write_text(text)
    said = command(*TRAIN, *MINE, cwd=folder)
    assert said.returncode == 0, said.stderr
    return folder


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def run(*arguments: str) -> None:
    """The command, in this process."""
    cli.COMMANDS[arguments[0]](list(arguments[1:]))


def test_it_trains_and_is_probed(here: Path) -> None:
    metrics = json.loads((here / "run" / "metrics.json").read_text())
    assert metrics["test/accuracy_league"] > 0.9
    assert metrics["probe/knn_league"] > 0.9
    assert metrics["probe/spread"] > 0


def test_it_is_encoded_by_name_and_from_a_table(here: Path) -> None:
    loaded = embloom.load("run", config_dir="mine")
    stats = torch.tensor([[0.5, -1.0], [2.0, 0.0]])
    expected = loaded.encode({"team": [3, 0], "stats": stats})
    assert torch.equal(loaded.encode({"team": ["dynamo", "ajax"], "stats": stats.numpy().astype(np.float64)}), expected)
    (here / "rows.csv").write_text("stats_1,team,stats_0\n-1.0,dynamo,0.5\n0.0,ajax,2.0\n")
    run("encode", "run", "rows.csv", "--output", "out.safetensors", *MINE)
    assert torch.equal(read_vector_file(here / "out.safetensors").rows, expected)
    with pytest.raises(ValueError, match=r"'stats' of shape \(2, 1\) does not fit \(N, 2\)"):
        loaded.encode({"team": [3, 0], "stats": stats[:, :1]})
    with pytest.raises(ValueError, match="'team' has no 'eintracht'"):
        loaded.encode({"team": ["eintracht"], "stats": stats[:1]})


def test_it_predicts_and_its_table_is_asked(here: Path) -> None:
    loaded = embloom.load("run", config_dir="mine")
    found = loaded.predict({"team": ["ajax", "borussia", "celtic", "dynamo"], "stats": torch.zeros(4, 2)})
    assert found == ["north", "north", "south", "south"]
    assert loaded.main_table() == "teams"
    assert loaded.words.neighbors("ajax", 1)[0][0] == "borussia"


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_its_encoder_is_exported(kind: str, here: Path) -> None:
    if kind == "onnx":
        runtime = pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
    inputs = {"team": torch.tensor([1, 0, 3, 2, 2]), "stats": torch.rand(5, 2)}
    expected = embloom.load("run", config_dir="mine").encode(inputs)
    path = here / ("encoder.onnx" if kind == "onnx" else "encoder.pt2")
    run("export", "run", "--to", kind, "--output", str(path), *MINE)
    if kind == "onnx":
        session = runtime.InferenceSession(str(path))
        feed = {node.name: inputs[node.name].numpy() for node in session.get_inputs()}
        found = torch.from_numpy(session.run(None, feed)[0])
    else:
        found = torch.export.load(path).module()(*inputs.values())[0]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_it_is_mapped_compared_and_shown(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("map", "run", "--points", "40", "--maps", "pca", *MINE)
    assert b"40 of 300 samples are shown" in (here / "run" / "map.html").read_bytes()
    run("compare", "run", "--html", "page.html", "--points", "40", "--maps", "pca", *MINE)
    assert b"warning: no map" not in capsys.readouterr().err.encode()
    run("card", "run", *MINE)
    assert "| spread |" in capsys.readouterr().out
    run("neighbors", "run", "ajax", "--top", "1", *MINE)
    assert capsys.readouterr().out.startswith("borussia")


@pytest.mark.parametrize(
    "arguments",
    [
        ("encode", "run", "rows.csv", "--output", "out.npy"),
        ("export", "run", "--to", "torch", "--output", "x.pt2"),
        ("map", "run", "--points", "40"),
        ("neighbors", "run", "ajax"),
        ("resume", "run", "trainer.max_epochs=3"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_nothing_is_imported_unless_its_folder_is_named(arguments: tuple[str, ...], here: Path) -> None:
    with pytest.raises(ValueError, match=r"--config-dir mine"):
        run(*arguments)


def test_it_is_resumed_to_the_same_bits(here: Path) -> None:
    whole = command(*TRAIN, "trainer.max_epochs=3", "hydra.run.dir=whole", *MINE, cwd=here)
    assert whole.returncode == 0, whole.stderr
    shutil.copytree(here / "run", here / "longer")
    again = command("resume", "longer", "trainer.max_epochs=3", *MINE, cwd=here)
    assert again.returncode == 0, again.stderr
    hashes = [embloom.load(here / name, config_dir="mine").content_hash for name in ("whole", "longer", "run")]
    assert hashes[0] == hashes[1] != hashes[2]
