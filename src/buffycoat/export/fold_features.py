"""What the network of a finished fold sees in crops: pooled features and answers, as it stands in PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from buffycoat.export.explaining import explained
from buffycoat.export.folds import trained
from buffycoat.train.augment import Views
from buffycoat.train.fold import FoldJob

_AT_ONCE = 64


class FoldNetwork:
    """A finished fold's network, ready to look at stored crops."""

    def __init__(self, job: FoldJob) -> None:
        self._network = explained(trained(job), job.config.input_px)
        share = min(1.0, job.config.view_px / job.stored_side_px)
        self._views = Views(share, job.config.input_px, job.network.mean, job.network.std)

    @torch.no_grad()
    def look(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return pooled features ``(n, F)`` and class numbers ``(n,)`` of the plain view of uint8 ``(n, S, S, 3)``."""
        features, answers = [], []
        for start in range(0, len(crops), _AT_ONCE):
            piece = np.ascontiguousarray(crops[start : start + _AT_ONCE].transpose(0, 3, 1, 2))
            logits, pooled, _ = self._network(self._views.plain(torch.from_numpy(piece)))
            features.append(pooled.double().numpy())
            answers.append(logits.argmax(1).numpy())
        return np.concatenate(features), np.concatenate(answers)
