"""What comes after an encoder: each stage against its formula, and everywhere where a layer is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import embloom
from artifact.test_embedding import NODE, SIZES, kept
from embloom.artifact.bits import Bits
from embloom.artifact.lineage import described
from embloom.artifact.neighbors import Neighbors
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.saving import AFTER, read, write
from embloom.artifact.staged import After
from embloom.artifact.stages.base import Quantizer
from embloom.artifact.stages.binary import Binary
from embloom.artifact.stages.first import First
from embloom.artifact.stages.float16 import Float16
from embloom.artifact.stages.int8 import Int8
from embloom.artifact.stages.linear import Linear
from embloom.artifact.stages.product import ProductQuantizer
from embloom.derive.quantizers import node_of
from embloom.derive.writing import derived, opened


def rows(count: int = 500, width: int = 20) -> torch.Tensor:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(count, width, generator=draw) * torch.linspace(0.1, 3, width) + 1


def product() -> ProductQuantizer:
    made = ProductQuantizer(20, 5)
    made.centers = rows(256).view(256, 5, 4).transpose(0, 1).contiguous()
    return made


QUANTIZERS = {
    "float16": lambda: Float16(20),
    "int8 by row": lambda: Int8.fitted(rows()),
    "int8 by dimension": lambda: Int8.fitted(rows(), "dimension"),
    "binary": lambda: Binary.fitted(rows(), fine=False),
    "binary and int8": lambda: Binary.fitted(rows()),
    "pq": product,
}


@pytest.mark.parametrize("name", QUANTIZERS)
def test_codes_say_what_the_stage_gives(name: str) -> None:
    stage: Quantizer = QUANTIZERS[name]()
    codes = stage.codes(rows())
    assert codes.shape == (500, stage.code_width)
    assert codes.dtype == stage.dtype
    assert codes.nbytes == 500 * stage.bytes_each
    torch.testing.assert_close(stage.decode(codes), stage(rows()))
    torch.testing.assert_close(stage(rows().view(10, 50, 20)).view(500, 20), stage(rows()))


def test_int8_is_within_half_a_step() -> None:
    x = rows()
    by_dimension = Int8.fitted(x, "dimension")
    assert ((by_dimension(x) - x).abs() <= (x.amax(0) - x.amin(0)) / 255 / 2 * 1.001).all()
    rest = x - x.mean(0)
    step = rest.abs().amax(1, keepdim=True) / 127
    assert ((Int8.fitted(x)(x) - x).abs() <= step * 0.51 + 0.004 * rest.abs()).all()


def test_product_quantization_takes_the_nearest_center() -> None:
    stage, x = product(), rows()
    for part in range(5):
        own = x[:, 4 * part : 4 * part + 4]
        assert torch.equal(stage.codes(x)[:, part].long(), torch.cdist(own, stage.centers[part]).argmin(1))


def test_bits_are_sides_of_planes_and_their_distance_is_a_plain_count() -> None:
    x = rows(300)
    stage = Binary.fitted(x, bits=72, fine=False)
    assert torch.allclose(stage.planes[:, :20].T @ stage.planes[:, :20], torch.eye(20), atol=1e-5)
    above = x @ stage.planes > 0
    by_hand = np.packbits(above.numpy(), axis=1, bitorder="little")
    assert np.array_equal(stage.codes(x).numpy(), by_hand)
    counted = (above[7] != above).sum(1)
    search = Bits(stage, x)
    assert np.array_equal(search.distances(x[7]), counted.numpy())
    near = search.near(x[7], 30)
    assert len(near) >= 30
    assert counted[near].max() == counted.sort().values[29]


def test_rescoring_finds_what_bits_alone_do_not() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(200, 40, generator=draw).repeat(40, 1) + 0.7 * torch.randn(8000, 40, generator=draw)
    stage, queries = Binary.fitted(x), x[:50]
    true = (F.normalize(queries, dim=1) @ F.normalize(x, dim=1).T).topk(10).indices

    def found(oversample: int) -> float:
        near = Neighbors(stage(x), quantizer=stage, oversample=oversample).nearest(queries, 10)[1]
        return float((near[:, :, None] == true[:, None]).any(2).double().mean())

    assert found(1) < 0.8
    assert found(40) > 0.97
    search = Neighbors(stage(x), quantizer=stage)
    scores, near = search.nearest(x[3], 5, exclude=[3])
    assert 3 not in near
    torch.testing.assert_close(scores[0], F.normalize(stage(x), dim=1)[near[0]] @ F.normalize(x[3], dim=0))


def staged(folder: Path, *stages: Any, layer: str = "hidden_0", **more: Any) -> Any:
    kept(folder / "whole", **more)
    source = opened(folder / "whole")
    after = [After(layer, node_of(stage), stage) for stage in stages]
    derived(folder / "new", source, after, described([]), spaces={})
    return embloom.load(folder / "whole"), embloom.load(folder / "new")


def moved() -> Linear:
    return Linear.of(torch.ones(8), torch.linspace(-1, 1, 40).view(8, 5), torch.ones(5))


def test_stages_are_applied_wherever_a_layer_is_asked_for(tmp_path: Path) -> None:
    whole, new = staged(tmp_path, moved(), First(5, 3))
    x = torch.rand(7, 16)
    expected = ((whole.encode(x, "hidden_0") - 1) @ moved().weight + 1)[:, :3]
    torch.testing.assert_close(new.encode(x, "hidden_0"), expected)
    torch.testing.assert_close(new.vectors(x, "hidden_0").rows, expected)
    assert new.card["layers"] == {**whole.card["layers"], "hidden_0": 3}
    for layer in ("embedding", "hidden_1", "linears.0"):
        assert torch.equal(new.encode(x, layer), whole.encode(x, layer))
    assert new.content_hash != whole.content_hash
    assert new.encoder.rows == whole.encoder.rows
    torch.testing.assert_close(
        new.encode(x, ["hidden_0", "embedding"]), torch.cat([expected, whole.encode(x, "embedding")], 1)
    )


def test_the_exported_program_applies_them(tmp_path: Path) -> None:
    from embloom.commands.export import to_safetensors, to_torch

    _, new = staged(tmp_path, moved(), Int8.fitted(torch.randn(90, 5)))
    to_torch(new, tmp_path / "x.pt2", ["hidden_0"])
    (found,) = torch.export.load(tmp_path / "x.pt2").module()(x := torch.rand(4, 16))
    torch.testing.assert_close(found, new.encode(x, "hidden_0"))
    to_safetensors(new, tmp_path / "x.safetensors", [])
    names = {*new.encoder.plain.state_dict(), "after/0/center", "after/0/weight", "after/0/offset", "after/1/low"}
    assert embloom.artifact.weights.read_source(tmp_path / "x.safetensors").weights.keys() == names


def rewritten(folder: Path, change: Any) -> None:
    """Changes a card and the tensors, with right hashes, as whoever wants to deceive would."""
    card, weights = read(folder)
    change(card, weights)
    card.pop("seal", None)
    write(folder, card, weights)


HOSTILE: dict[str, tuple[Any, str]] = {
    "another class": (lambda c, w: c[AFTER][0]["node"].update(_target_="os.system"), r"after\.0\._target_=os\.system"),
    "a module of torch's": (lambda c, w: c[AFTER][0]["node"].update(_target_="torch.nn.Linear"), "is not a Stage"),
    "an encoder": (lambda c, w: c[AFTER][0]["node"].update(_target_=NODE["_target_"]), "is not a Stage"),
    "another width": (lambda c, w: c[AFTER][0]["node"].update(takes=9), r"center is \(8,\), not \(9,\)"),
    "a vast width": (lambda c, w: c[AFTER][0]["node"].update(takes=10**9), "no layer is so wide"),
    "a width of its own": (lambda c, w: c["layers"].update(hidden_0=4), r"layers\.hidden_0=4"),
    "no weights": (lambda c, w: w.pop("after/0/weight"), "the weights are not those of after.0: weight"),
    "other numbers": (lambda c, w: w.update({"after/0/weight": w["after/0/weight"].int()}), "int32, not"),
    "no such layer": (lambda c, w: c[AFTER][0].update(layer="absent"), "there is no layer 'absent'"),
    "another layer": (lambda c, w: c[AFTER][0].update(layer="embedding"), "takes vectors of 8 numbers"),
    "nothing stored": (lambda c, w: c[AFTER][0].update(stored=True), "nothing stores the codes"),
    "no list": (lambda c, w: c.update(after={"a": 1}), "after holds something else"),
    "no stage": (lambda c, w: c.update(after=[1]), "after holds something else"),
    "no node": (lambda c, w: c[AFTER][0].update(node=None), "after holds something else"),
    "an option too many": (lambda c, w: c[AFTER][0]["node"].update(x=1), r"after\.0\.x: Linear has no such parameter"),
    "spaces of another kind": (lambda c, w: c.update(compatible_with={"hidden_0": [["a"]]}), "compatible_with holds"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_card_is_refused(name: str, tmp_path: Path) -> None:
    change, says = HOSTILE[name]
    staged(tmp_path, moved())
    rewritten(tmp_path / "new", change)
    with pytest.raises(ValueError, match=says):
        embloom.load(tmp_path / "new")


def test_what_comes_after_is_part_of_the_hash_and_its_absence_is_not(tmp_path: Path) -> None:
    staged(tmp_path, moved())
    path = tmp_path / "new" / "card.json"
    path.write_text(path.read_text().replace('"gives": 5', '"gives": 4'))
    with pytest.raises(ValueError, match="damaged"):
        embloom.load(tmp_path / "new")
    card, _ = read(tmp_path / "whole")
    assert AFTER not in card


def test_heads_see_what_they_were_trained_on(tmp_path: Path) -> None:
    from embloom.artifact.saving import Head
    from embloom.losses.linear_head import LinearHead

    torch.manual_seed(0)
    sizes = {"embedding": 3, "input": 3, "target": 3}
    node = {"_target_": "embloom.losses.linear_head.LinearHead"}
    head = Head(LinearHead(sizes), node, sizes, {"embedding": "embedding"}, "label")
    more = {"heads": {"x": head}, "about": {"labels": {"label": ["a", "b", "c"]}, "metrics": {}}}
    whole, new = staged(tmp_path, First(3, 2), layer="embedding", reader=ImageReader(4), **more)
    x = torch.randn(60, 16) * 9
    assert new.predict(x) == whole.predict(x)
    assert len(set(new.predict(x))) > 1
    assert SIZES["features"] == 16
