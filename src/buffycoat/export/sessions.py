"""Running an ONNX model over many crops in small batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from buffycoat.settings import usable_cores

BATCH = 16


def open_session(model: bytes, *, threads: int | None = None) -> onnxruntime.InferenceSession:
    """Return a session on the processor; by default with one thread per usable core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def run_batches(
    session: onnxruntime.InferenceSession, inputs: NDArray[np.float32], outputs: Sequence[str]
) -> list[NDArray[np.float32]]:
    """Return the named outputs for inputs (n, 3, S, S); only what they need is computed."""
    options = onnxruntime.RunOptions()
    options.only_execute_path_to_fetches = True
    parts = [
        session.run(list(outputs), {"crops": inputs[start : start + BATCH]}, options)
        for start in range(0, len(inputs), BATCH)
    ]
    return [np.concatenate(found) for found in zip(*parts, strict=True)]


def run(model: bytes, inputs: NDArray[np.float32], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
    """Return the named outputs of a model for inputs (n, 3, S, S)."""
    return run_batches(open_session(model), inputs, outputs)
