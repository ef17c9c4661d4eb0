"""The distance from the training features, computed inside the graph: no reader needs more than ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from buffycoat.bundle.read import FEATURES, UNLIKENESS
from buffycoat.evaluate.unlike import SHORTEST, Unlike

COMPONENTS = 128
"""Directions of the features kept apart: all that matter among some hundred cells, in half a megabyte."""


def with_unlikeness(model: onnx.ModelProto, unlike: Unlike) -> onnx.ModelProto:
    """Return the model with the output ``unlikeness``: distance of the features from the nearest class.

    As :meth:`Unlike.score`: features are brought to length one; along the directions in which cells of a class
    differ, the distance is measured in their standard deviations; what is left lies beside them and counts by one
    common deviation.
    """
    model_with = onnx.ModelProto()
    model_with.CopyFrom(model)
    graph = model_with.graph
    constants: dict[str, NDArray[Any]] = {
        "unlike.means": np.asarray(unlike.means, np.float32)[None],
        "unlike.directions": np.asarray(unlike.directions, np.float32),
        "unlike.scales": np.asarray(unlike.scales, np.float32),
        "unlike.rest": np.array(unlike.rest**2, np.float32),
        "unlike.nought": np.array(0, np.float32),
        "unlike.tiny": np.array(SHORTEST, np.float32),
        "unlike.second": np.array([1], np.int64),
        "unlike.last": np.array([2], np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())

    def add(kind: str, inputs: str, output: str, **attributes: Any) -> None:
        names = [FEATURES if name == FEATURES else f"unlike.{name}" for name in inputs.split()]
        result = UNLIKENESS if output == UNLIKENESS else f"unlike.{output}"
        graph.node.append(helper.make_node(kind, names, [result], name=f"unlike.{output}.made", **attributes))

    add("ReduceL2", f"{FEATURES} second", "length", keepdims=1)
    add("Max", "length tiny", "some.length")
    add("Div", f"{FEATURES} some.length", "unit")  # (N, F)
    add("Unsqueeze", "unit second", "row")
    add("Sub", "row means", "apart")  # (N, C, F)
    add("ReduceSumSquare", "apart last", "whole", keepdims=0)
    add("MatMul", "apart directions", "along")  # (N, C, K)
    add("ReduceSumSquare", "along last", "covered", keepdims=0)
    add("Sub", "whole covered", "left")
    add("Max", "left nought", "beside")  # rounding may leave a little less than nothing
    add("Mul", "beside rest", "beside.scaled")
    add("Mul", "along scales", "along.scaled")
    add("ReduceSumSquare", "along.scaled last", "along.sum", keepdims=0)
    add("Add", "along.sum beside.scaled", "squared")
    add("ReduceMin", "squared second", "nearest", keepdims=0)
    add("Sqrt", "nearest", UNLIKENESS)
    graph.output.append(helper.make_tensor_value_info(UNLIKENESS, TensorProto.FLOAT, ["N"]))
    return model_with
