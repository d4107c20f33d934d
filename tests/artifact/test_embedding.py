"""The artifact: encodes like the model did, alone, and executes nothing that its files say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import embloom
from embloom.artifact.readers.columns import ColumnsReader
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.saving import CARD, FORMAT_VERSION, LAYERS, save
from embloom.encoders.base import Encoder
from embloom.encoders.mlp import MLP
from hostile import pickled

NODE: dict[str, Any] = {"_target_": "embloom.encoders.mlp.MLP", "layers": "16-8-6-3", "dropout": 0.5, "norm": "batch"}
SIZES = {"features": 16, "label": 3}


def trained() -> MLP:
    """An encoder with batch statistics, that is left in training mode."""
    torch.manual_seed(0)
    encoder = MLP(SIZES, **{k: v for k, v in NODE.items() if k != "_target_"})
    for _ in range(5):
        encoder(torch.rand(32, 16) * 3)
    return encoder


def kept(folder: Path, encoder: Encoder | None = None, **more: Any) -> Encoder:
    """Writes an artifact, of an encoder of images where none is given."""
    encoder = encoder or trained()
    options = {
        "node": NODE, "supplied": {"sizes": SIZES}, "reader": ImageReader(4), "about": {"metrics": {}}, **more,
    }  # fmt: skip
    save(folder, encoder=encoder, **options)
    return encoder.eval()


def card(folder: Path, **changes: Any) -> None:
    path = folder / CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_encodes_like_the_model(tmp_path: Path) -> None:
    encoder = kept(tmp_path / "embeddings")
    rows = torch.rand(70, 16)
    expected = encoder(rows)
    for path in (tmp_path, tmp_path / "embeddings", str(tmp_path)):
        loaded = embloom.load(path)
        assert loaded.layers == ["hidden_0", "hidden_1", "embedding"]
        for layer in loaded.layers:
            found = loaded.encode(rows, layer=layer)
            assert torch.equal(found, expected[layer])
            assert not found.requires_grad
        torch.testing.assert_close(loaded.encode(rows, batch_size=9), expected["embedding"])
    assert loaded.encode(rows[:0]).shape == (0, 3)


def test_encodes_images_and_named_tensors(tmp_path: Path) -> None:
    kept(tmp_path)
    loaded = embloom.load(tmp_path)
    images = torch.randint(0, 256, (5, 4, 4), dtype=torch.uint8)
    rows = images.view(5, 16).float() / 255
    assert torch.equal(loaded.encode(images), loaded.encode(rows))
    assert torch.equal(loaded.encode({"features": rows}), loaded.encode(rows))
    with pytest.raises(ValueError, match=r"no layer 'logits'; available: hidden_0"):
        loaded.encode(rows, layer="logits")
    with pytest.raises(ValueError, match=r"\(5, 15\)"):
        loaded.encode(rows[:, :15])
    with pytest.raises(ValueError, match=r"no table.*encode"):
        loaded.table("embedding")


def test_renamed_inputs(tmp_path: Path) -> None:
    kept(tmp_path, of={"features": "image"})
    loaded = embloom.load(tmp_path)
    rows = torch.rand(2, 16)
    assert torch.equal(loaded.encode({"image": rows}), loaded.encode(rows))


def test_hooks_fire_when_the_encoder_encodes(tmp_path: Path) -> None:
    kept(tmp_path)
    loaded = embloom.load(tmp_path)
    rows, seen = torch.rand(2, 16), []
    plain = loaded.encode(rows)
    loaded.encoder.register_forward_hook(lambda module, inputs, output: seen.append(output["embedding"]))
    loaded.encoder.register_forward_hook(lambda module, inputs, output: {**output, "embedding": -output["embedding"]})
    assert torch.equal(loaded.encode(rows), -plain)
    assert torch.equal(seen[0], plain)


class Rows(Encoder):
    """A table, as a user's own encoder."""

    def __init__(self, sizes: dict[str, int], width: int) -> None:
        super().__init__()
        self.rows_of = nn.Embedding(sizes["token"], width)
        self.sizes = {"embedding": width}

    def tables(self) -> dict[str, Tensor]:
        return {"embedding": self.rows_of.weight}

    def forward(self, token: Tensor) -> dict[str, Tensor]:
        return {"embedding": self.rows_of(token)}


def kept_rows(folder: Path, target: str = f"{__name__}.Rows") -> Rows:
    encoder = Rows({"token": 4}, 2)
    kept(
        folder,
        encoder,
        node={"_target_": target, "width": 2},
        supplied={"sizes": {"token": 4}},
        reader=ColumnsReader({"token": {"width": None, "dtype": "int64"}}),
        keys={"embedding": ["a", "b", "c", "ü"]},
        columns={"embedding": "token"},
    )
    return encoder


def test_an_encoder_of_the_users_is_handed_over_as_a_class(tmp_path: Path) -> None:
    encoder = kept_rows(tmp_path)
    with pytest.raises(ValueError, match=r"encoder\._target_=.*Rows cannot be imported: .* config_dir="):
        embloom.load(tmp_path)
    loaded = embloom.load(tmp_path, parts={"encoder": Rows})
    assert loaded.keys == {"embedding": ["a", "b", "c", "ü"]}
    assert torch.equal(loaded.table("embedding"), encoder.rows_of.weight)
    assert torch.equal(loaded.encode({"token": torch.tensor([2])}), encoder.rows_of.weight[2:3])
    assert torch.equal(loaded.encode(torch.tensor([2])), encoder.rows_of.weight[2:3])
    assert torch.equal(loaded.encode(["ü", "a"]), encoder.rows_of.weight[[3, 0]])


def test_an_encoder_of_the_users_is_found_in_the_folder_that_is_named(tmp_path: Path) -> None:
    encoder = kept_rows(tmp_path / "run", "own_rows.Rows")
    source = Path(__file__).read_text()
    body = source[source.index("class Rows") : source.index("def kept_rows")]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "own_rows.py").write_text(
        f"from torch import Tensor, nn\nfrom embloom.encoders.base import Encoder\n\n\n{body}"
    )
    with pytest.raises(ValueError, match=r"add --config-dir FOLDER \(in Python config_dir="):
        embloom.load(tmp_path / "run")
    loaded = embloom.load(tmp_path / "run", config_dir=tmp_path / "mine")
    assert torch.equal(loaded.encode([2, 0]), encoder.rows_of.weight[[2, 0]])
    with pytest.raises(ValueError, match="there is no such folder"):
        embloom.load(tmp_path / "run", config_dir=tmp_path / "absent")


ALONE = """
import sys
opened, executed = [], []
def watch(event, arguments):
    if event == "open" and str(arguments[0]).startswith(sys.argv[1]):
        opened.append(str(arguments[0])[len(sys.argv[1]):])
    if event in ("pickle.find_class", "exec", "compile", "os.system", "subprocess.Popen") and watching:
        executed.append(event + str(arguments[:1]))
watching = False
sys.addaudithook(watch)
import embloom
assert "torch" not in sys.modules
import torch
embloom.load(sys.argv[1] + "/run/embeddings").encode(torch.ones(1, 16))  # imports what it needs
watching = True
loaded = embloom.load(sys.argv[1] + "/run/embeddings")
print(loaded.encode(torch.ones(1, 16)).tolist())
heavy = {"lightning", "pytorch_lightning", "hydra", "omegaconf", "sklearn", "tensorboard", "matplotlib", "torchvision"}
print(sorted(heavy & set(sys.modules)), sorted(set(opened)), executed)
"""


def test_loads_alone_and_opens_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    about = {"config": "../../secret", "data": {"path": "../../secret"}, "files": ["../../secret"]}
    encoder = kept(tmp_path / "run" / "embeddings", about=about, keys={"../../secret": ["../../secret"]})
    said = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    vector, rest = said.stdout.strip().splitlines()
    assert json.loads(vector) == encoder(torch.ones(1, 16))["embedding"].tolist()
    assert rest == "[] ['/run/embeddings/card.json', '/run/embeddings/layers.safetensors'] []"


TARGETS = (
    "os.system", "builtins.exec", "test_artifact.Rows", "torch.nn.Linear", "embloom.encodersx.Evil", "", "evil.Evil",
    "embloom.encoders.mlp.nn.Linear", "embloom.encoders.mlp.parse_layers", "embloom.encoders.../../evil.Evil",
    "embloom.encoders.absent.Evil", "embloom.encoders..os.system", None, 7, ["embloom.encoders.mlp.MLP"],
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("part", ["encoder", "reader"])
def test_a_card_cannot_name_what_is_called(
    tmp_path: Path, part: str, target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with a right hash, which whoever writes the file computes."""
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nclass Evil: pass\n")
    monkeypatch.chdir(tmp_path)
    node = {"_target_": target, "command": f"touch {tmp_path / 'executed'}"}
    if part == "encoder":
        kept(tmp_path / "embeddings", node=node)
    else:
        kept(tmp_path / "embeddings", reader=Foreign(node))
    with pytest.raises(ValueError, match=rf"{part}\._target_="):
        embloom.load(tmp_path)
    assert not (tmp_path / "executed").exists()


class Foreign(ImageReader):
    """A reader that describes itself as something else."""

    def __init__(self, node: dict[str, Any]) -> None:
        super().__init__(4)
        object.__setattr__(self, "node", node)

    def described(self) -> dict[str, Any]:
        return dict(vars(self)["node"])


@pytest.mark.parametrize("name", [LAYERS, CARD])
def test_a_pickle_in_its_place_is_never_executed(tmp_path: Path, name: str) -> None:
    kept(tmp_path / "embeddings")
    (tmp_path / "embeddings" / name).write_bytes(pickled(tmp_path / "executed"))
    with pytest.raises(ValueError, match=rf"{name} cannot be read"):
        embloom.load(tmp_path)
    assert not (tmp_path / "executed").exists()


def test_tampered_weights_are_noticed(tmp_path: Path) -> None:
    kept(tmp_path)
    path = tmp_path / LAYERS
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ValueError, match="is damaged"):
        embloom.load(tmp_path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read"):
        embloom.load(tmp_path)
    path.unlink()
    with pytest.raises(ValueError, match="cannot be read"):
        embloom.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "holds no embedding"),
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "no card"),
        ("{}", "no card"),
        ('{"format_version": "1"}', "no card"),
        ('{"format_version": true}', "no card"),
        (f'{{"format_version": {FORMAT_VERSION + 1}}}', "newer than this embloom reads.*upgrade"),
        (f'{{"format_version": {FORMAT_VERSION}}}', "no card"),
    ],
)
def test_a_card_that_is_none(tmp_path: Path, text: str | None, says: str) -> None:
    kept(tmp_path)
    (tmp_path / CARD).unlink()
    if text is not None:
        (tmp_path / CARD).write_text(text)
    with pytest.raises(ValueError, match=says):
        embloom.load(tmp_path)


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_format_gets_one_message(tmp_path: Path, version: int) -> None:
    kept(tmp_path)
    card(tmp_path, format_version=version)
    with pytest.raises(
        ValueError, match=rf"^\S+ has format {version}, from before .*'s first release: train it again$"
    ):
        embloom.load(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": {**NODE, "layers": "16-8-5-3"}}, {"encoder": {**NODE, "rows": 3}}, {"supplied": {}},
        {"supplied": {"sizes": {}}}, {"encoder": "MLP"}, {"layers": 3}, {"of": {"image": "features"}}, {"supplied": 3},
        {"reader": {}}, {"reader": 3}, {"heads": []}, {"labels": None}, {"keys": None}, {"content_hash": 1},
    ],
)  # fmt: skip
def test_a_card_that_does_not_fit_is_a_message(tmp_path: Path, changes: dict[str, Any]) -> None:
    kept(tmp_path)
    card(tmp_path, **changes)
    with pytest.raises(ValueError, match=r"\w"):
        embloom.load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"node": {**NODE, "layers": "16-8-5-3"}},
            r"weights are not those of the encoder in the card: linears\.1\.weight is \(6, 8\)",
        ),
        ({"node": {**NODE, "rows": 3}}, r"encoder\.rows: MLP has no such parameter"),
        ({"supplied": {}}, "encoder.sizes is missing"),
        ({"supplied": {"sizes": {}}}, "needs the tensor 'features'"),
        ({"of": {"image": "features"}}, r"encoder\.of\.image: it takes no such tensor"),
    ],
)
def test_a_sound_card_of_something_else_is_a_message(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    kept(tmp_path, **changes)
    with pytest.raises(ValueError, match=says):
        embloom.load(tmp_path)


def test_saving_anew_replaces_and_same_weights_have_the_same_hash(tmp_path: Path) -> None:
    kept(tmp_path / "a")
    first = json.loads((tmp_path / "a" / CARD).read_text())["content_hash"]
    kept(tmp_path / "b")
    assert json.loads((tmp_path / "b" / CARD).read_text())["content_hash"] == first
    other = trained()
    nn.init.zeros_(other.linears[0].weight)  # type: ignore[arg-type]
    kept(tmp_path / "a", other)
    assert json.loads((tmp_path / "a" / CARD).read_text())["content_hash"] != first
    assert torch.equal(embloom.load(tmp_path / "a").encode(torch.ones(1, 16)), other(torch.ones(1, 16))["embedding"])
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == [CARD, LAYERS]


def test_what_is_no_artifact(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ValueError, match="holds no embedding"):
            embloom.load(path)
