"""From PyTorch to an ONNX graph with any number of crops, and the proof that both give the same."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from buffycoat.bundle.read import CAM, FEATURES, INPUT, LOGITS
from buffycoat.errors import UsageError
from buffycoat.export.explaining import Explained
from buffycoat.export.sessions import run
from buffycoat.export.tidy import tidy

OPSET = 18
"""Version of the operators: old enough for every runtime in use, new enough for per-channel 8-bit layers."""
TOLERANCE = 1e-4
"""Largest difference to PyTorch allowed, absolute for values up to 1 and relative above."""


def to_onnx(network: Explained, input_px: int) -> onnx.ModelProto:
    """Return the network as an ONNX model: logits, features and cam for (N, 3, input_px, input_px).

    Batch normalisation is folded into the convolutions; nothing is left of the names of files and lines.

    Raises
    ------
    UsageError
        The network holds something that ONNX cannot say.
    """
    example = torch.randn(2, 3, input_px, input_px, generator=torch.Generator().manual_seed(1))
    with warnings.catch_warnings():
        # Advice about PyTorch's own insides; whether the result is right is checked by `differences`.
        warnings.simplefilter("ignore")
        try:
            program: Any = torch.onnx.export(
                network.eval(),
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[LOGITS, FEATURES, CAM],
                dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
                external_data=False,
                verbose=False,
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise UsageError(
                f"The network cannot be written as ONNX: {str(error).strip().splitlines()[0]}",
                hint="Another network of the study may do; name it as STUDY:MODEL.",
            ) from error
    model: onnx.ModelProto = program.model_proto
    return tidy(model)


def differences(network: Explained, model: onnx.ModelProto, inputs: NDArray[np.float32]) -> dict[str, float]:
    """Return, by output, the largest difference between PyTorch and ONNX Runtime, relative where values exceed 1.

    Parameters
    ----------
    inputs
        (n, 3, S, S) float32, normalised crops.
    """
    names = (LOGITS, FEATURES, CAM)
    with torch.no_grad():
        wanted = [part.float().numpy() for part in network.eval()(torch.from_numpy(inputs))]
    found = run(model.SerializeToString(), inputs, names)
    return {
        name: float(np.max(np.abs(mine - theirs) / np.maximum(1, np.abs(theirs))))
        for name, mine, theirs in zip(names, found, wanted, strict=True)
    }
