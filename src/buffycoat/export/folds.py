"""From one trained network to its exported form, and what that form says of cells: the same for folds and final."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from torch import nn

from buffycoat.bundle.answer import over_views
from buffycoat.bundle.read import FEATURES, LOGITS, UNLIKENESS
from buffycoat.errors import TrainingError
from buffycoat.evaluate.unlike import fit_unlike
from buffycoat.export.equalise import equalise
from buffycoat.export.explaining import explained
from buffycoat.export.graph import TOLERANCE, differences, to_onnx
from buffycoat.export.quantise import Recipe, quantise
from buffycoat.export.sessions import open_session, run_batches
from buffycoat.export.unlike_graph import COMPONENTS, with_unlikeness
from buffycoat.imaging.view import as_inputs, turned
from buffycoat.networks.build import build
from buffycoat.networks.names import NetworkSpec
from buffycoat.records.card import Explanation
from buffycoat.train.checkpoint import read_kept
from buffycoat.train.fold import FoldJob

CALIBRATION_CROPS = 192
_COMPARED = 16
_PIECE = 128
VIEWS = (1, 4)

Network = nn.Module

Pictures = NDArray[np.uint8]


@dataclass(frozen=True)
class Made:
    """An exported network.

    Attributes
    ----------
    model
        All four outputs.
    whole
        The same in fp32, where `model` is int8; else the same object.
    kept
        Layers left in floating point; empty for fp32.
    """

    model: onnx.ModelProto
    whole: onnx.ModelProto
    kept: tuple[str, ...]
    explanation: Explanation
    features: int
    apart: dict[str, float]  # largest differences between PyTorch and the fp32 graph, by output


@dataclass(frozen=True)
class Said:
    """What an exported network says of n cells: probabilities (n, C), not calibrated, and unlikeness (n,)."""

    probabilities: NDArray[np.float64]
    unlikeness: NDArray[np.float64]


def trained(job: FoldJob) -> Network:
    """Return the network that a finished job left, in evaluation mode."""
    network, _ = build(job.network, len(job.classes), "none", job.config.input_px)
    read_kept(job.folder, network)
    return network.eval()


def make(
    network: Network,
    spec: NetworkSpec,
    input_px: int,
    pictures: Pictures,
    labels: NDArray[np.int64],
    *,
    recipe: Recipe | None,
    seed: int,
) -> Made:
    """Export a network and fit what the graph needs of its training cells.

    Parameters
    ----------
    pictures, labels
        uint8 (n, S, S, 3) and (n,): views of the cells it learned from.
    recipe
        How to make it 8-bit; None: fp32.

    Raises
    ------
    TrainingError
        PyTorch and ONNX Runtime give different answers on these very cells.
    """
    form = explained(network, input_px)
    bare = to_onnx(form, input_px)
    some = np.random.default_rng(seed).permutation(len(pictures))
    apart = differences(form, bare, _inputs(pictures[np.sort(some[:_COMPARED])], spec))
    if max(apart.values()) > TOLERANCE:
        worst = max(apart, key=lambda name: apart[name])
        raise TrainingError(
            f"{spec.title}: the exported network gives other answers than the trained one; {worst} differs by "
            f"{apart[worst]:.1g}, allowed is {TOLERANCE:g}.",
            hint="Please report this with the names of the network and the version of PyTorch.",
        )
    whole = _with_distance(bare, pictures, labels, spec)
    features = int(bare.graph.output[1].type.tensor_type.shape.dim[1].dim_value)
    if recipe is None:
        return Made(whole, whole, (), form.explanation, features, apart)
    calibration = _inputs(pictures[np.sort(some[:CALIBRATION_CROPS])], spec)
    small, kept = quantise(equalise(bare, calibration), calibration, recipe)
    return Made(_with_distance(small, pictures, labels, spec), whole, tuple(kept), form.explanation, features, apart)


def ask(model: onnx.ModelProto, spec: NetworkSpec, pictures: Pictures, views: int) -> Said:
    """Return what a network says of cells, through ONNX Runtime, over 1 or 4 views."""
    session = open_session(model.SerializeToString())
    odds, distances = [], []
    for start in range(0, len(pictures), _PIECE):
        inputs = _inputs(pictures[start : start + _PIECE], spec)
        found = [run_batches(session, one, (LOGITS, UNLIKENESS)) for one in turned(inputs, views)]
        odds.append(over_views(np.stack([logits for logits, _ in found])))
        distances.append(np.mean([distance for _, distance in found], axis=0, dtype=np.float64))
    return Said(np.concatenate(odds), np.concatenate(distances))


def _with_distance(
    model: onnx.ModelProto, pictures: Pictures, labels: NDArray[np.int64], spec: NetworkSpec
) -> onnx.ModelProto:
    session = open_session(model.SerializeToString())
    features = np.concatenate(
        [
            run_batches(session, _inputs(pictures[start : start + _PIECE], spec), (FEATURES,))[0]
            for start in range(0, len(pictures), _PIECE)
        ]
    )
    return with_unlikeness(model, fit_unlike(features, labels, components=COMPONENTS))


def _inputs(pictures: Pictures, spec: NetworkSpec) -> NDArray[np.float32]:
    return as_inputs(pictures, spec.mean, spec.std)
