"""Making a network's channels alike before it is put into 8 bits, without changing what it computes.

One scale serves all channels of a layer's output. A channel that never exceeds 0.1 beside one that reaches 6 then has
four of 256 steps to itself. But a channel can be multiplied by a number where it is made and divided by it where it
is read: both are linear, and a ReLU between does not mind (Nagel et al., ICCV 2019, cross-layer equalisation). Under a
ReLU6 a channel may grow until its largest value seen reaches 6; beyond, it is clipped, as its 8-bit range would clip
it anyway.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from buffycoat.bundle.read import INPUT
from buffycoat.export.sessions import open_session

MOST = 16.0
"""Largest factor of a channel: what hardly ever speaks is not made to shout."""
_BATCH = 16

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Link:
    """Two convolutions with nothing but an activation between them."""

    made: onnx.NodeProto
    read: onnx.NodeProto
    tensor: str  # what is read
    ceiling: float | None  # of the activation; None: it has none


def equalise(model: onnx.ModelProto, inputs: NDArray[np.float32], *, share: float = 0.5) -> onnx.ModelProto:
    """Return the model with channels of like size; it computes the same but for clipping beyond what `inputs` reach.

    Parameters
    ----------
    inputs
        (n, 3, S, S), the crops whose largest values count.
    share
        How far (0–1, in logarithm) channels are drawn together where the next layer mixes them: the weights there
        grow as unlike as the channels grow alike. Where it keeps them apart (depthwise), they are made equal.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    tensors = {tensor.name: tensor for tensor in changed.graph.initializer}
    links = _links(changed, tensors)
    for link, largest in zip(links, _largest(changed, [link.tensor for link in links], inputs), strict=True):
        apart = _attribute(link.read, "group") > 1
        target = link.ceiling if link.ceiling is not None else float(largest.max())
        factor = np.clip(target / np.maximum(largest, 1e-12), 1.0, MOST) ** (1.0 if apart else share)
        for name in link.made.input[1:]:
            _scale(tensors[name], factor, axis=0)
        _scale(tensors[link.read.input[1]], 1 / factor, axis=0 if apart else 1)
    return changed


def _links(model: onnx.ModelProto, tensors: dict[str, onnx.TensorProto]) -> list[_Link]:
    readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            readers[name].append(node)
    outputs = {port.name for port in model.graph.output}
    found = []
    for made in model.graph.node:
        if made.op_type != "Conv" or not all(name in tensors for name in made.input[1:]):
            continue
        tensor, ceiling, node = made.output[0], None, None
        if len(readers[tensor]) == 1 and readers[tensor][0].op_type in ("Clip", "Relu"):
            node = readers[tensor][0]
            ceiling = _ceiling(node, tensors)
            tensor = node.output[0]
        after = readers[tensor]
        single = len(after) == 1 and after[0].op_type == "Conv" and after[0].input[0] == tensor
        if single and tensor not in outputs and made.output[0] not in outputs and _plain(after[0], tensors):
            found.append(_Link(made, after[0], tensor, ceiling))
    return found


def _plain(read: onnx.NodeProto, tensors: dict[str, onnx.TensorProto]) -> bool:
    """Say whether a convolution reads all channels, or each by itself."""
    if read.input[1] not in tensors:
        return False
    group, shape = _attribute(read, "group"), tensors[read.input[1]].dims
    return group == 1 or (group == shape[0] and shape[1] == 1)


def _ceiling(node: onnx.NodeProto, tensors: dict[str, onnx.TensorProto]) -> float | None:
    """Return the largest value an activation gives; Clip's third input."""
    if node.op_type == "Relu" or len(node.input) < 3 or node.input[2] not in tensors:
        return None
    return float(numpy_helper.to_array(tensors[node.input[2]]))


def _attribute(node: onnx.NodeProto, name: str) -> int:
    return next((one.i for one in node.attribute if one.name == name), 1)


def _largest(model: onnx.ModelProto, names: list[str], inputs: NDArray[np.float32]) -> list[Floats]:
    """Return each tensor's largest absolute value by channel over all crops."""
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    del probe.graph.output[:]
    axes = "equalise.axes"
    probe.graph.initializer.append(numpy_helper.from_array(np.array([0, 2, 3], np.int64), axes))
    for place, name in enumerate(names):
        probe.graph.node.append(helper.make_node("Abs", [name], [f"equalise.abs{place}"]))
        probe.graph.node.append(
            helper.make_node("ReduceMax", [f"equalise.abs{place}", axes], [f"equalise.max{place}"], keepdims=0)
        )
        probe.graph.output.append(helper.make_tensor_value_info(f"equalise.max{place}", TensorProto.FLOAT, None))
    if not names:
        return []
    session = open_session(probe.SerializeToString())
    parts = [session.run(None, {INPUT: inputs[at : at + _BATCH]}) for at in range(0, len(inputs), _BATCH)]
    return [np.max(found, axis=0).astype(np.float64) for found in zip(*parts, strict=True)]


def _scale(tensor: onnx.TensorProto, factor: Floats, axis: int) -> None:
    values = numpy_helper.to_array(tensor).astype(np.float64)
    shape = [1] * values.ndim
    shape[axis] = -1
    tensor.CopyFrom(numpy_helper.from_array((values * factor.reshape(shape)).astype(np.float32), tensor.name))
