"""One small network, exported once for all tests of the room."""

from __future__ import annotations

import onnx
import pytest
import torch

from buffycoat.export.explaining import Explained, explained
from buffycoat.export.graph import to_onnx
from tests.export.small_network import INPUT_PX, small_network


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def exported() -> tuple[Explained, onnx.ModelProto]:
    """Return the small network in PyTorch and as an ONNX graph; not to be changed."""
    form = explained(small_network(), INPUT_PX)
    return form, to_onnx(form, INPUT_PX)
