"""The network in ONNX Runtime: one session for all threads, each run on the thread that asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from buffycoat.errors import DataError

_OUTPUTS = ("logits", "unlikeness")


@dataclass(frozen=True, slots=True)
class Explained:
    """What the network gives when asked for its grounds."""

    logits: NDArray[np.float32]
    unlikeness: NDArray[np.float32]
    cam: NDArray[np.float32]


class Session:
    """An exported network.

    Parameters
    ----------
    model
        The bytes of ``model.onnx``, or its path. What is opened is held in memory: the file may be swapped later.
    """

    def __init__(self, model: Path | bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Threads of our own run batches side by side: that fills the cores better than parting each small matrix.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.enable_mem_pattern = False  # patterns cost memory for every batch size met, and gain no time
        self._only_asked = onnxruntime.RunOptions()
        self._only_asked.only_execute_path_to_fetches = True
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(model) if isinstance(model, Path) else model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise DataError(
                f"The network cannot be opened: {_first_line(error)}.", hint="Export it again with buffycoat export."
            ) from error
        self._input = self._session.get_inputs()[0].name

    def classify(self, inputs: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits (n, C) and unlikeness (n,) of inputs, float32 (n, 3, S, S)."""
        logits, unlikeness = self._session.run(list(_OUTPUTS), {self._input: inputs}, self._only_asked)
        return logits, unlikeness

    def explain(self, inputs: NDArray[np.float32]) -> Explained:
        """Return logits, unlikeness and class-activation maps (n, C, h, w)."""
        return Explained(*self._session.run([*_OUTPUTS, "cam"], {self._input: inputs}))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
