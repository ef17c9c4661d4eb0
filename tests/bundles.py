"""A tiny bundle for tests: its network tells classes by the mean colour of the view, exactly."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from buffycoat.files import write_bytes
from buffycoat.records.card import LEAKING, BundleCard
from buffycoat.taxonomy import CLASS_NAMES

CLASSES = ("neutrophil", "eosinophil", "lymphocyte", "monocyte")
_COLOURS = ((150, 90, 170), (210, 120, 110), (70, 60, 150), (120, 130, 190), (60, 90, 90))
FEATURES = 3
STEEPNESS = 40.0
"""Logit lost per squared distance of the mean colour (0–2 per channel, after normalisation) from a class's own."""


def tiny_colour(label: str) -> tuple[int, int, int]:
    """Return the RGB colour that the tiny network takes for this class, surest of all."""
    return _COLOURS[CLASS_NAMES.index(label)]


def tiny_bundle(folder: Path, classes: tuple[str, ...] = CLASSES, input_px: int = 32, **changes: Any) -> Path:
    """Write a bundle that answers by mean colour; fields of the card can be changed. Returns the folder."""
    model = tiny_model(classes, input_px)
    write_bytes(folder / "model.onnx", model)
    tiny_card(model, classes, input_px, **changes).write(folder / "card.json")
    return folder


def tiny_model(classes: tuple[str, ...] = CLASSES, input_px: int = 32) -> bytes:
    """Return an ONNX model: pooled colour, distance to each class's colour, all four outputs, any batch."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    own = (np.array([tiny_colour(name) for name in classes], np.float32) / 255 - 0.5) / 0.5
    weights = (2 * STEEPNESS * own).astype(np.float32)
    bias = (-STEEPNESS * (own**2).sum(axis=1)).astype(np.float32)
    constants = {"weights": weights, "bias": bias, "kernel": weights[:, :, None, None], "own": own[None], "axis": [1]}
    nodes = [
        helper.make_node("GlobalAveragePool", ["crops"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "weights", "bias"], ["logits"], transB=1),
        helper.make_node("AveragePool", ["crops"], ["map"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Conv", ["map", "kernel", "bias"], ["cam"]),
        helper.make_node("Unsqueeze", ["features", "axis"], ["row"]),
        helper.make_node("Sub", ["row", "own"], ["away"]),
        helper.make_node("ReduceL2", ["away", "last"], ["distances"], keepdims=0),
        helper.make_node("ReduceMin", ["distances", "axis"], ["unlikeness"], keepdims=0),
    ]
    places = input_px // 8
    shapes: dict[str, list[Any]] = {
        "logits": ["N", len(classes)],
        "features": ["N", FEATURES],
        "cam": ["N", len(classes), places, places],
        "unlikeness": ["N"],
    }
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["N", 3, input_px, input_px])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [
            numpy_helper.from_array(np.asarray(value, np.int64 if name == "axis" else np.float32), name)
            for name, value in constants.items()
        ]
        + [numpy_helper.from_array(np.array([2], np.int64), "last")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def tiny_card(model: bytes, classes: tuple[str, ...] = CLASSES, input_px: int = 32, **changes: Any) -> BundleCard:
    """Return a card for the tiny model, with made-up figures."""
    document = {
        "name": "tiny",
        "title": "Tiny (answers by mean colour; for tests)",
        "classes": classes,
        "frame": {"mode": "auto", "side_px": 320, "reference_width_px": 640, "stored_px": 224},
        "view_px": 280,
        "input_px": input_px,
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "precision": "fp32",
        "features": FEATURES,
        "operating": {views: operating_point(classes) for views in ("1", "4")},
        "explanation": {"method": "class-activation", "sentence": "Bright where the colour speaks for the class."},
        "network": {
            "name": "tiny",
            "title": "Tiny",
            "parameters": 16,
            "multiply_adds": 12,
            "weights": "none",
            "trained_on": "all",
            "trained_on_words": "Not trained.",
            "reference": "tests/bundles.py",
        },
        "data": {
            "name": "none",
            "synthetic": True,
            "description": "No data.",
            "cells": dict.fromkeys(classes, 10),
            "content_hash": "0" * 64,
        },
        "results": {
            "protocol": "None.",
            "seed": 7,
            "measured_on": "Made-up figures.",
            "majority": _model("majority", classes),
            "models": (_model("tiny", classes),),
        },
        "intended_use": "Tests.",
        "limitations": ("Knows mean colours only.",),
        "licence": "Apache-2.0",
        "created": "2025-01-01T00:00:00Z",
        "versions": {"buffycoat": "0"},
        "model_bytes": len(model),
        "model_sha256": hashlib.sha256(model).hexdigest(),
    }
    return BundleCard.model_validate({**document, **changes})


def operating_point(classes: tuple[str, ...] = CLASSES, **changes: Any) -> dict[str, Any]:
    """Return an operating point: unidentified below 0.6, or farther than 0.5 from every class's colour."""
    point = {
        "temperature": 1.0,
        "error_rate": 0.05,
        "certain_threshold": 0.6,
        "conformal": {"0.90": (0.9,) * len(classes)},
        "unlike_threshold": 0.5,
        "unlike_kept": 0.99,
        "accuracy": estimate(0.9),
        "balanced_accuracy": estimate(0.88),
        "ece": 0.03,
        "ece_before": 0.06,
        "ece_by_chance": 0.02,
        "brier": 0.15,
        "log_loss": 0.3,
        "expected": {
            "unidentified": estimate(0.1),
            "error_rate": estimate(0.05),
            "coverage": {"0.90": estimate(0.9)},
            "set_size": {"0.90": 1.2},
            "unlike": estimate(0.01),
        },
    }
    return {**point, **changes}


def leaking_card(**changes: Any) -> BundleCard:
    """Return a card for a network whose study's split was allowed to leak."""
    whole = tiny_card(b"x").model_dump()
    why = "The split leaks: all."
    document = {
        "title": f"{LEAKING}: {whole['title']}",
        "limitations": (f"{LEAKING}, allowed on purpose. {why}", *whole["limitations"]),
        "results": {**whole["results"], "leaked": why, "remarks": (why, "Something else.")},
    }
    return BundleCard.model_validate({**whole, **document, **changes})


def estimate(value: float) -> dict[str, Any]:
    """Return an estimate out of 100 with limits 0.05 either way."""
    interval = {"low": max(0.0, value - 0.05), "high": min(1.0, value + 0.05), "level": 0.95, "method": "made up"}
    return {"value": value, "interval": interval, "numerator": round(100 * value), "denominator": 100}


def _model(name: str, classes: tuple[str, ...]) -> dict[str, Any]:
    per_class = ("sensitivity", "specificity", "precision", "f1")
    return {
        "model": name,
        "title": name.capitalize(),
        "n": 100,
        "cells": 100,
        "groups": 100,
        "accuracy": estimate(0.9),
        "balanced_accuracy": estimate(0.88),
        "macro_f1": estimate(0.87),
        "classes": tuple(
            {"name": label, "support": 25, **{figure: estimate(0.9) for figure in per_class}} for label in classes
        ),
        "confusion": tuple(tuple(25 if a == b else 0 for b in classes) for a in classes),
    }
