"""The exported graph says what PyTorch says, for networks of every kind, and its map means what the card says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from buffycoat.bundle.wire import read_facts
from buffycoat.errors import UsageError
from buffycoat.evaluate.unlike import fit_unlike
from buffycoat.export.explaining import Explained, _adaptive_average, explained
from buffycoat.export.graph import TOLERANCE, differences, to_onnx
from buffycoat.export.sessions import run
from buffycoat.export.unlike_graph import with_unlikeness
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.frame import frame
from buffycoat.imaging.view import View, as_inputs
from buffycoat.networks.build import build
from buffycoat.networks.names import resolve
from buffycoat.records.documents import FrameSpec
from tests.export.small_network import FEATURES, settled

REAL = [
    ("resnet18", "none", 64, "class-activation"),
    ("tf_efficientnet_lite0", "auto", 128, "class-activation"),  # learned weights at the size that is used
    ("alexnet", "none", 64, "gradient-times-activation"),
    ("mobilenetv3_small_050", "none", 64, "head-at-each-place"),
    ("test_vit", "none", 160, "head-at-each-place"),
]


def network(name: str, input_px: int, inputs: NDArray[np.float32] | None = None) -> nn.Module:
    torch.manual_seed(3)
    some = torch.from_numpy(noise(8, input_px) if inputs is None else inputs)
    return settled(build(resolve(name), 4, "none", input_px)[0], some)


def learned(name: str, input_px: int) -> nn.Module:
    """Return a network with the weights of an installed package, and a head that tells inputs apart."""
    torch.manual_seed(3)
    model, report = build(resolve(name), 4, "auto", input_px)
    assert report.pretrained
    nn.init.normal_(model.get_classifier().weight, std=model.get_classifier().in_features ** -0.5)  # type: ignore[operator]
    return model.eval()


def noise(count: int, input_px: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).normal(size=(count, 3, input_px, input_px)).astype(np.float32)


@pytest.mark.slow
def test_the_graph_agrees_with_pytorch_for_any_number_of_crops(exported: tuple[Explained, onnx.ModelProto]) -> None:
    form, model = exported
    for count in (1, 2, 19):
        assert max(differences(form, model, noise(count, 32)).values()) < TOLERANCE


@pytest.mark.slow
def test_the_graph_holds_nothing_of_the_machine_that_made_it(exported: tuple[Explained, onnx.ModelProto]) -> None:
    content = exported[1].SerializeToString()
    assert not any(mark in content for mark in (b"/home", b"/work", b"/tmp", b".py", str(Path.cwd()).encode()))
    facts = read_facts(content)
    assert facts.domains == {""}
    assert not facts.external
    assert not facts.functions
    assert [port.shape for port in facts.outputs] == [(None, 4), (None, FEATURES), (None, 4, 8, 8)]
    assert facts.inputs[0].shape == (None, 3, 32, 32)


@pytest.mark.slow
def test_batch_normalisation_is_folded(exported: tuple[Explained, onnx.ModelProto]) -> None:
    assert "BatchNormalization" not in {node.op_type for node in exported[1].graph.node}


@pytest.mark.slow
def test_the_distance_in_the_graph_is_the_one_that_was_fitted(exported: tuple[Explained, onnx.ModelProto]) -> None:
    _, model = exported
    inputs = noise(40, 32)
    (features,) = run(model.SerializeToString(), inputs, ["features"])
    unlike = fit_unlike(features, np.arange(40) % 3, components=12)
    found = with_unlikeness(model, unlike)
    assert len(model.graph.output) == 3  # the one given stays as it was
    onnx.checker.check_model(found, full_check=True)
    other = noise(50, 32)[25:] * 3
    far, features = run(found.SerializeToString(), other, ["unlikeness", "features"])
    assert far == pytest.approx(unlike.score(features), rel=1e-3)


def test_a_class_activation_map_adds_up_to_the_logits() -> None:
    form = explained(network("resnet18", 64), 64)
    assert form.explanation.method == "class-activation"
    with torch.no_grad():
        logits, features, cam = form(torch.from_numpy(noise(3, 64)))
    head = form.network.get_classifier()  # type: ignore[union-attr,operator]
    assert torch.allclose(cam.mean((2, 3)) + head.bias, logits, atol=1e-4)
    assert torch.allclose(features @ head.weight.T + head.bias, logits, atol=1e-4)


def test_alexnets_map_is_gradient_times_activation_as_autograd_has_it() -> None:
    model = network("alexnet", 64)
    form = explained(model, 64)
    inputs = torch.from_numpy(noise(2, 64))
    with torch.no_grad():
        logits, _, cam = form(inputs)
    pooled = model.avgpool(model.features(inputs)).detach().requires_grad_()  # type: ignore[operator]
    wanted = model.classifier(pooled.flatten(1))  # type: ignore[operator]
    assert torch.allclose(wanted, logits, atol=1e-4)
    for place in range(4):
        (gradient,) = torch.autograd.grad(wanted[:, place].sum(), pooled, retain_graph=True)
        assert torch.allclose(cam[:, place], (gradient * pooled).sum(1), atol=1e-4)


@pytest.mark.parametrize(("side", "pooled"), [(1, 6), (3, 6), (6, 6), (7, 6), (13, 6), (5, 2)])
def test_adaptive_pooling_by_a_matrix_is_pytorchs(side: int, pooled: int) -> None:
    values = torch.randn(1, 2, side, side, generator=torch.Generator().manual_seed(0))
    matrix = _adaptive_average(side, pooled)
    wanted = nn.functional.adaptive_avg_pool2d(values, pooled)
    assert torch.allclose(matrix @ values @ matrix.T, wanted, atol=1e-6)


def test_a_head_is_asked_about_each_place_by_itself() -> None:
    form = explained(network("test_convnext", 64), 64)
    assert form.explanation.method == "head-at-each-place"
    inputs = torch.from_numpy(noise(1, 64))
    with torch.no_grad():
        _, _, cam = form(inputs)
        found = form.network.forward_features(inputs)  # type: ignore[union-attr,operator]
        alone = torch.zeros_like(found) + found[:, :, 1:2, 0:1]
        assert torch.allclose(form.network.forward_head(alone)[0], cam[0, :, 1, 0], atol=1e-4)  # type: ignore[union-attr,operator]


def test_a_network_that_cannot_be_taken_apart_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be exported"):
        explained(nn.Sequential(nn.Flatten(), nn.Linear(12, 4)), 2)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize(("name", "weights", "input_px", "method"), REAL)
def test_exported_and_torch_outputs_agree_on_real_crops(
    name: str, weights: str, input_px: int, method: str, real_data: Path
) -> None:
    folder = real_data / "kaggle-blood-cells/dataset-master/dataset-master/JPEGImages"
    spec, view = resolve(name), View(FrameSpec(), 280, input_px)
    crops = [frame(read_image(path), view.spec, None).crop for path in sorted(folder.glob("*.jpg"))[:160:10]]
    inputs = as_inputs(np.stack([view.stored(crop) for crop in crops if crop is not None]), spec.mean, spec.std)
    model = learned(name, input_px) if weights == "auto" else network(name, input_px, inputs)
    form = explained(model, input_px)
    assert form.method == method
    apart = differences(form, to_onnx(form, input_px), inputs)
    assert max(apart.values()) < TOLERANCE, apart
