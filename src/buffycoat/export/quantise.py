"""The 8-bit form of a network: ranges measured on training crops, layers that suffer most left in floating point."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from buffycoat.bundle.read import INPUT, LOGITS
from buffycoat.export.tidy import tidy

_WEIGHTED = ("Conv", "Gemm", "MatMul")
_BATCH = 8
_METHODS = {
    "minmax": CalibrationMethod.MinMax,
    "entropy": CalibrationMethod.Entropy,
    "percentile": CalibrationMethod.Percentile,
}


@dataclass(frozen=True)
class Recipe:
    """How a network is quantised.

    Attributes
    ----------
    ranges
        How an activation's range is taken from what calibration crops gave.
    percentile
        For ``"percentile"``: share of the values, in %, that the range holds.
    first, last
        How many weighted layers at either end stay in floating point. None: the first eighth. In a smear the empty
        background is bright and the same everywhere, so early layers spend their steps on it, and lose the cell.
    seven_bits
        Whether weights use seven of the eight bits: processors without VNNI add two products in 16 bits, which
        overflow otherwise, and the answers would depend on the processor.
    """

    ranges: Literal["minmax", "entropy", "percentile"] = "minmax"
    percentile: float = 99.99
    first: int | None = None
    last: int = 1
    seven_bits: bool = True

    def in_words(self, kept: int) -> str:
        """Return the recipe in a sentence; `kept` layers were left in floating point."""
        ranges = f"{self.percentile:g} % percentiles" if self.ranges == "percentile" else self.ranges
        return (
            "Channels made alike (cross-layer equalisation), then static 8-bit quantisation: weights symmetric per "
            f"channel in {7 if self.seven_bits else 8} bits, activations asymmetric in 8, ranges by {ranges}; the "
            f"layers at either end that suffer most stay in floating point ({kept} here)."
        )


class _Crops(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, inputs: NDArray[np.float32]) -> None:
        self._batches = iter([inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH)])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantise(model: onnx.ModelProto, inputs: NDArray[np.float32], recipe: Recipe) -> tuple[onnx.ModelProto, list[str]]:
    """Return the model with 8-bit layers, and the names of the weighted layers left in floating point.

    Parameters
    ----------
    model
        Batch normalisation folded.
    inputs
        (n, 3, S, S), calibration crops.

    Notes
    -----
    Static quantisation with quantise–dequantise pairs, weights symmetric and per channel, activations unsigned. What
    only the map and the features need stays as it is.
    """
    needed = _leading_to(model, LOGITS)
    weighted = [name for name in needed if name[1] in _WEIGHTED]
    first = max(1, len(weighted) // 8) if recipe.first is None else recipe.first
    kept = [name for name, _ in weighted[:first] + weighted[len(weighted) - recipe.last :]]
    aside = [node.name for node in model.graph.node if (node.name, node.op_type) not in set(needed)]
    options: dict[str, Any] = {
        "ActivationSymmetric": False,
        "WeightSymmetric": True,
        "CalibTensorRangeSymmetric": False,
    }
    if recipe.ranges == "percentile":
        options["CalibPercentile"] = recipe.percentile
    with tempfile.TemporaryDirectory() as folder, _quiet():
        given, out = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, given)  # given as an object, it would be changed
        quantize_static(
            given,
            out,
            _Crops(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=recipe.seven_bits,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=_METHODS[recipe.ranges],
            nodes_to_exclude=[*kept, *aside],
            extra_options=options,
        )
        found = onnx.load(out)
    return tidy(_share_weights(found)), kept


def _leading_to(model: onnx.ModelProto, output: str) -> list[tuple[str, str]]:
    """Return (name, kind) of the nodes that an output depends on, in the graph's order."""
    wanted, found = {output}, []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            wanted |= set(node.input)
            found.append((node.name, node.op_type))
    return found[::-1]


def _share_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Let layers left in floating point read weights that are there in 8 bits, too, from those."""
    restored = {
        node.input[0].removesuffix("_quantized"): node.output[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0].endswith("_quantized")
    }
    there = {tensor.name for tensor in model.graph.initializer}
    twins = {name: output for name, output in restored.items() if name in there}
    if not twins:
        return model
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name in twins:
                node.input[place] = twins[name]
    left = [tensor for tensor in model.graph.initializer if tensor.name not in twins]
    del model.graph.initializer[:]
    model.graph.initializer.extend(left)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's advice, given through the root logger, off the terminal."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
