"""Photographs become answers: found, framed, classified by a bundle, each with a calibrated probability.

The public names are :class:`Predictor`, :class:`Prediction` and :class:`PhotographResult`.
"""

from buffycoat.predict.predictor import Predictor
from buffycoat.predict.results import UNIDENTIFIED, PhotographResult, Prediction

__all__ = ["UNIDENTIFIED", "PhotographResult", "Prediction", "Predictor"]
