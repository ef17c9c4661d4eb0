"""Leaving in an ONNX model what running it takes, and nothing of the machine that made it."""

from __future__ import annotations

import onnx


def tidy(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model without notes on how it was made (source files, lines), its open dimension named N."""
    model.producer_name, model.producer_version = "buffycoat", ""
    model.doc_string = ""
    model.graph.name, model.graph.doc_string = "network", ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]  # shapes in between, which the runtime finds itself
    for thing in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        thing.doc_string = ""
        del thing.metadata_props[:]
    for port in (*model.graph.input, *model.graph.output):
        port.type.tensor_type.shape.dim[0].Clear()
        port.type.tensor_type.shape.dim[0].dim_param = "N"
    used = {node.domain for node in model.graph.node}
    for entry in [entry for entry in model.opset_import if entry.domain not in used]:
        model.opset_import.remove(entry)
    return model
