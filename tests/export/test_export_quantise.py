"""Eight bits: what is made small, what is left, and that a loss is refused."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from buffycoat.bundle.wire import read_facts
from buffycoat.errors import DataError
from buffycoat.export.card import quantisation
from buffycoat.export.equalise import MOST, equalise
from buffycoat.export.explaining import Explained
from buffycoat.export.measure import result
from buffycoat.export.operating import Asked
from buffycoat.export.quantise import Recipe, quantise
from buffycoat.export.sessions import run

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")


@pytest.fixture(scope="module")
def whole(exported: tuple[Explained, onnx.ModelProto]) -> onnx.ModelProto:
    return exported[1]


@pytest.fixture(scope="module")
def crops() -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    return np.repeat(np.repeat(rng.normal(size=(24, 3, 8, 8)), 4, 2), 4, 3).astype(np.float32)


def test_weights_become_small_and_answers_stay(whole: onnx.ModelProto, crops: NDArray[np.float32]) -> None:
    before = whole.SerializeToString()
    small, kept = quantise(whole, crops, Recipe(first=1))
    assert whole.SerializeToString() == before
    content = small.SerializeToString()
    stored = {tensor.name: tensor.data_type for tensor in small.graph.initializer}
    weights = [name for name in stored if name.endswith(".weight_quantized")]
    assert len(weights) == 4  # of six layers, the first and the last are kept
    assert {stored[name] for name in weights} == {onnx.TensorProto.INT8}
    assert len(content) < 0.7 * len(before)
    facts = read_facts(content)
    assert facts.domains == {""}
    assert len(kept) == 2
    (wanted,), (found,) = run(before, crops, ["logits"]), run(content, crops, ["logits"])
    assert np.corrcoef(wanted.ravel(), found.ravel())[0, 1] > 0.98
    assert not np.array_equal(wanted, found)


def test_what_only_the_map_needs_stays_in_floating_point(whole: onnx.ModelProto, crops: NDArray[np.float32]) -> None:
    small, _ = quantise(whole, crops, Recipe(first=1))
    content = small.SerializeToString()
    cam, features, logits = run(content, crops, ["cam", "features", "logits"])
    head = next(node for node in small.graph.node if node.op_type == "Gemm")
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    weight, bias = tensors[head.input[1]], tensors[head.input[2]]
    assert logits == pytest.approx(features @ weight.T + bias, abs=1e-4)
    assert cam.mean((2, 3)) + bias == pytest.approx(logits, abs=0.05 * float(np.abs(logits).max()))


def test_more_layers_can_be_left(whole: onnx.ModelProto, crops: NDArray[np.float32]) -> None:
    _, few = quantise(whole, crops, Recipe(first=0, last=0))
    _, many = quantise(whole, crops, Recipe(first=4, last=1))
    assert few == []
    assert len(many) == 5


def test_equalising_changes_no_answer_below_the_ceilings(whole: onnx.ModelProto, crops: NDArray[np.float32]) -> None:
    before = whole.SerializeToString()
    found = equalise(whole, crops)
    assert whole.SerializeToString() == before
    names = ["logits", "features", "cam"]
    for wanted, got in zip(run(before, crops, names), run(found.SerializeToString(), crops, names), strict=True):
        assert got == pytest.approx(wanted, abs=1e-4 * max(1.0, float(np.abs(wanted).max())))
    changed = {
        a.name: onnx.numpy_helper.to_array(b) / onnx.numpy_helper.to_array(a)
        for a, b in zip(whole.graph.initializer, found.graph.initializer, strict=True)
        if a.raw_data != b.raw_data
    }
    assert len(changed) == 9  # the weights of five convolutions and the offsets of four
    ratios = np.concatenate([ratio[np.isfinite(ratio)] for ratio in changed.values()])
    assert ratios.max() <= MOST + 1e-3
    assert ratios.max() > 1.5


@pytest.mark.slow
def test_channels_of_unlike_size_lose_less_when_equalised(whole: onnx.ModelProto, crops: NDArray[np.float32]) -> None:
    unlike = onnx.ModelProto()
    unlike.CopyFrom(whole)
    convolutions = [node for node in unlike.graph.node if node.op_type == "Conv"]
    tensors = {tensor.name: tensor for tensor in unlike.graph.initializer}
    factor = np.logspace(-2, 0, 16)  # what goes into the depthwise layer differs a hundredfold

    def scale(name: str, by: NDArray[np.floating]) -> None:
        values = onnx.numpy_helper.to_array(tensors[name])
        shape = (-1, *[1] * (values.ndim - 1))
        tensors[name].CopyFrom(onnx.numpy_helper.from_array((values * by.reshape(shape)).astype(np.float32), name))

    for name in convolutions[1].input[1:]:
        scale(name, factor)
    scale(convolutions[2].input[1], 1 / factor)  # and is undone there
    (wanted,) = run(unlike.SerializeToString(), crops, ["features"])

    def lost(model: onnx.ModelProto) -> float:
        small, _ = quantise(model, crops, Recipe(first=1))
        (found,) = run(small.SerializeToString(), crops, ["features"])
        return float(np.sqrt(((found - wanted) ** 2).mean()))

    assert lost(equalise(unlike, crops)) < 0.7 * lost(unlike)


def _answers(right: int, count: int = 400) -> tuple[Asked, NDArray[np.float64]]:
    label = np.arange(count) % 4
    said = np.where(np.arange(count) < right, label, (label + 1) % 4)
    odds = np.eye(4)[said] * 0.9 + 0.025
    nothing = np.zeros(count)
    return Asked(np.zeros(count, np.int64), np.ones(count, np.bool_), label, np.arange(count), odds, nothing), odds


def _cost(after: int, *, allow_loss: bool = False):  # type: ignore[no-untyped-def]
    asked, odds = _answers(after)
    _, whole_odds = _answers(380)
    results = (result(asked, whole_odds, CLASSES, "n"), result(asked, odds, CLASSES, "n"))
    return quantisation(Recipe(), ("a",), 100, results, (asked, whole_odds), allow_loss=allow_loss)


def test_the_cost_is_told() -> None:
    cost = _cost(376)
    assert cost.loss_balanced == pytest.approx(0.01)
    assert cost.agreement == pytest.approx(0.99)
    assert (cost.before.value, cost.after.value) == (0.95, 0.94)
    assert "seven" not in cost.method
    assert "7 bits" in cost.method


def test_more_than_one_percent_is_refused_with_the_numbers_unless_allowed() -> None:
    with pytest.raises(DataError, match=r"cost 2\.0% of balanced accuracy: 0\.950 in fp32, 0\.930 in int8, over 400"):
        _cost(372)
    assert _cost(372, allow_loss=True).loss_balanced == pytest.approx(0.02)
