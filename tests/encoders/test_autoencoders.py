"""Encoders with a decoder, against plain code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA as SKLEARN_PCA
from torch import Tensor

from embloom.artifact.loading import load
from embloom.artifact.readers.image import ImageReader
from embloom.artifact.saving import save
from embloom.assembly.build import build
from embloom.encoders.autoencoder import Autoencoder
from embloom.encoders.base import Encoder
from embloom.encoders.conv import Conv
from embloom.encoders.conv_autoencoder import ConvAutoencoder
from embloom.encoders.identity import Identity
from embloom.encoders.pca import PCA
from embloom.encoders.random_projection import RandomProjection
from embloom.encoders.vae import VAE

SIZES = {"image": 64, "features": 64}
SHAPE = (1, 8, 8)
MAKERS: dict[str, Callable[[], Encoder]] = {
    "autoencoder": lambda: Autoencoder(SIZES, "64-20-5"),
    "no_hidden": lambda: Autoencoder(SIZES, "64-5"),
    "deep_tied": lambda: Autoencoder(SIZES, "64-30-20-5", tied=True, activation="tanh"),
    "sparse": lambda: Autoencoder(SIZES, "64-20-5", code_activation="relu", output="identity"),
    "vae": lambda: VAE(SIZES, "64-20-5"),
    "conv_autoencoder": lambda: ConvAutoencoder(SHAPE, "4-6", embedding=5),
    "pca": lambda: PCA(SIZES, 5),
    "random_projection": lambda: RandomProjection(SIZES, 5),
    "identity": lambda: Identity(SIZES),
}


@pytest.fixture
def image() -> Tensor:
    return torch.rand(7, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", MAKERS)
def test_outputs_have_the_sizes_that_are_promised(name: str, image: Tensor) -> None:
    encoder = MAKERS[name]().eval()
    outputs = encoder(image)
    promised = {key: (7, width) for key, width in encoder.sizes.items()}
    assert {key: value.shape for key, value in outputs.items()} == promised
    assert set(encoder.layers()) <= set(outputs)
    assert "embedding" in encoder.activations()
    assert "reconstruction" not in encoder.layers()  # an output for losses


@pytest.mark.parametrize("name", MAKERS)
def test_decoding_the_embedding_gives_the_reconstruction(name: str, image: Tensor) -> None:
    encoder = MAKERS[name]().eval()
    outputs = encoder(image)
    assert encoder.decodes
    torch.testing.assert_close(encoder.decode(outputs["embedding"]), outputs["reconstruction"])


@pytest.mark.parametrize("name", MAKERS)
def test_the_artifact_encodes_and_decodes_as_the_encoder_did(name: str, image: Tensor, tmp_path: Path) -> None:
    encoder = MAKERS[name]().eval()
    supplied = {"sizes": SIZES, "image_shape": SHAPE}
    save(tmp_path, encoder=encoder, node=NODES[name], supplied=supplied, reader=ImageReader(8), about={})
    loaded = load(tmp_path)
    outputs = encoder(image)
    assert torch.equal(loaded.encode(image), outputs["embedding"])
    torch.testing.assert_close(loaded.decode(loaded.encode(image), batch_size=3), outputs["reconstruction"])
    with pytest.raises(ValueError, match=r"do not fit \(N, "):
        loaded.decode(torch.zeros(2, 3))


def node_of(module: str, cls: str, **options: object) -> dict[str, object]:
    return {"_target_": f"embloom.encoders.{module}.{cls}", **options}


NODES = {
    "autoencoder": node_of("autoencoder", "Autoencoder", layers="64-20-5"),
    "no_hidden": node_of("autoencoder", "Autoencoder", layers="64-5"),
    "deep_tied": node_of("autoencoder", "Autoencoder", layers="64-30-20-5", tied=True, activation="tanh"),
    "sparse": node_of("autoencoder", "Autoencoder", layers="64-20-5", code_activation="relu", output="identity"),
    "vae": node_of("vae", "VAE", layers="64-20-5"),
    "conv_autoencoder": node_of("conv_autoencoder", "ConvAutoencoder", channels="4-6", embedding=5),
    "pca": node_of("pca", "PCA", embedding=5),
    "random_projection": node_of("random_projection", "RandomProjection", embedding=5),
    "identity": node_of("identity", "Identity"),
}


def test_an_encoder_without_a_decoder_says_so(tmp_path: Path) -> None:
    encoder, node = Conv(SHAPE, "4-6", 5), node_of("conv", "Conv", channels="4-6", embedding=5)
    assert not encoder.decodes
    save(tmp_path, encoder=encoder, node=node, supplied={"image_shape": SHAPE}, reader=ImageReader(8), about={})
    with pytest.raises(ValueError, match="this encoder has no decoder"):
        load(tmp_path).decode(torch.zeros(2, 5))


def test_autoencoder_and_its_gradients_are_those_of_plain_code(image: Tensor) -> None:
    encoder = Autoencoder(SIZES, "64-20-5", activation="tanh").double()
    image = image.double()
    weights = [p.detach().clone().requires_grad_() for p in encoder.parameters()]
    w1, b1, w2, b2, v1, c1, v2, c2 = weights
    code = torch.tanh(image @ w1.T + b1) @ w2.T + b2
    plain = torch.sigmoid(torch.tanh(code @ v1.T + c1) @ v2.T + c2)
    outputs = encoder(image)
    torch.testing.assert_close(outputs["embedding"], code)
    torch.testing.assert_close(outputs["reconstruction"], plain)
    (plain - image).square().mean().backward()
    F.mse_loss(outputs["reconstruction"], image).backward()
    for parameter, reference in zip(encoder.parameters(), weights, strict=True):
        torch.testing.assert_close(parameter.grad, reference.grad)


def test_tied_weights_are_shared_and_get_both_gradients(image: Tensor) -> None:
    encoder = Autoencoder(SIZES, "64-20-5", activation="tanh", tied=True).double()
    image = image.double()
    untied = sum(p.numel() for p in Autoencoder(SIZES, "64-20-5").parameters())
    assert sum(p.numel() for p in encoder.parameters()) == untied - 64 * 20 - 20 * 5
    w1, b1, w2, b2, c1, c2 = [p.detach().clone().requires_grad_() for p in encoder.parameters()]
    code = torch.tanh(image @ w1.T + b1) @ w2.T + b2
    plain = torch.sigmoid(torch.tanh(code @ w2 + c1) @ w1 + c2)
    plain.sum().backward()
    encoder(image)["reconstruction"].sum().backward()
    torch.testing.assert_close(encoder.down[0].weight.grad, w1.grad)
    torch.testing.assert_close(encoder.down[1].weight.grad, w2.grad)


def test_conv_autoencoder_is_its_plain_code(image: Tensor) -> None:
    encoder = ConvAutoencoder(SHAPE, "4-6", embedding=5, norm="none")
    p = dict(encoder.named_parameters())
    x = image.reshape(-1, *SHAPE)
    for i in (0, 2):
        x = F.conv2d(x, p[f"down.{i}.weight"], p[f"down.{i}.bias"], stride=2, padding=1).relu()
    code = F.linear(x.flatten(1), p["code.weight"], p["code.bias"])
    y = F.linear(code, p["uncode.weight"], p["uncode.bias"]).reshape(-1, 6, 2, 2)
    for i in (1, 3):
        y = F.conv_transpose2d(y.relu(), p[f"up.{i}.weight"], p[f"up.{i}.bias"], stride=2, padding=1)
    torch.testing.assert_close(encoder(image)["reconstruction"], y.flatten(1).sigmoid())


def test_vae_draws_in_training_and_gives_the_mean_otherwise(image: Tensor) -> None:
    vae = VAE(SIZES, "64-20-5")
    with torch.no_grad():
        vae.log_variance.bias.fill_(-1.0)
    many = image[:1].expand(20_000, -1)
    outputs = vae.train()(many)
    spread = outputs["embedding"].std(0)
    torch.testing.assert_close(spread, torch.full((5,), torch.tensor(-0.5).exp().item()), rtol=0.05, atol=0)
    torch.testing.assert_close(outputs["embedding"].mean(0), outputs["mean"][0], rtol=0, atol=0.03)
    calm = vae.eval()(image)
    assert torch.equal(calm["embedding"], calm["mean"])


def test_pca_is_that_of_scikit_learn() -> None:
    # Correlated features far from 0: sums about 0 would lose the digits.
    rows = (torch.randn(500, 64) @ torch.randn(64, 64) + 100).float()
    pca, reference = PCA(SIZES, 10), SKLEARN_PCA(10, svd_solver="full").fit(rows.double().numpy())
    pca.fit({"features": part} for part in rows.split(64))
    outputs = pca(rows)
    expected = torch.from_numpy(reference.transform(rows.double().numpy())).float()
    torch.testing.assert_close(outputs["embedding"].abs(), expected.abs(), rtol=1e-2, atol=1e-2)
    rebuilt = torch.from_numpy(reference.inverse_transform(expected.double().numpy())).float()
    torch.testing.assert_close(outputs["reconstruction"], rebuilt, rtol=1e-3, atol=1e-2)


def test_random_directions_are_orthonormal() -> None:
    directions = RandomProjection(SIZES, 5).directions
    torch.testing.assert_close(directions @ directions.T, torch.eye(5), rtol=0, atol=1e-5)


def test_variational_conv_shares_one_variance_per_number(image: Tensor) -> None:
    encoder = Conv(SHAPE, "4-6", 5, variational=True)
    outputs = encoder.train()(image)
    assert not torch.equal(outputs["embedding"], outputs["mean"])
    assert torch.equal(encoder.eval()(image)["embedding"], encoder(image)["mean"])
    outputs["log_variance"].sum().backward()
    assert encoder.log_variance is not None
    torch.testing.assert_close(encoder.log_variance.grad, torch.full((5,), 7.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Autoencoder(SIZES, "1024-5"), "^layers=1024-5 begins with 1024, .*: use encoder.layers=64-5"),
        (lambda: Autoencoder(SIZES, "64-5", output="tanh"), "^output=tanh: it must be one of sigmoid, identity"),
        (lambda: Autoencoder(SIZES, "64-5", code_activation="soft"), "^code_activation=soft: it must be one of relu"),
        (lambda: ConvAutoencoder(None, "4-6"), "encoder=mlp"),
        (lambda: ConvAutoencoder((1, 10, 10), "4-6"), "use dataset.side=8"),
        (lambda: ConvAutoencoder(SHAPE, "4-x"), "^channels=4-x: write two or more .* e.g. encoder.channels=16-32-64"),
        (lambda: Conv(SHAPE, "4-6", 0), "^embedding=0: it must be a positive integer"),
        (lambda: Conv(SHAPE, "4-6", pool="mean"), "^pool=mean: it must be one of none, average, max"),
        (lambda: PCA(SIZES, 65), "^embedding=65: there are only 64 features"),
        (lambda: RandomProjection(SIZES, 0), "^embedding=0: it must be a positive integer"),
    ],
)
def test_mistakes_name_the_parameter(make: Callable[[], Encoder], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_tensor_that_the_dataset_lacks_is_named() -> None:
    says = r"^encoder: PCA needs the tensor 'features'; available: token\. Rename with \+encoder\.of\.features="
    with pytest.raises(ValueError, match=says):
        build(NODES["pca"], Encoder, where="encoder", supplied={"sizes": {"token": 9}})
