"""From a batch of stored crops to the network's input, on whole batches as tensors.

One resampling does it all: the view is turned, mirrored, zoomed and shifted in the coordinates of the stored
crop and read off at the network's input size, by OpenCV from the stored bytes: as :mod:`buffycoat.imaging.view` does
where photographs are predicted, and in a fraction of the time of sampling tensors. Stain changes work on optical
density (Beer–Lambert: absorbances add where dyes mix), so that more stain darkens what is stained and leaves the empty
background alone.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from buffycoat.imaging.view import BLUR_FROM, resampled
from buffycoat.train.config import AugmentConfig

WHITE = 0.85
"""Level of the empty background, 0–1: where optical density is taken as zero."""


class Views:
    """Turns stored crops into network inputs: the plain centred view, or a random one for training.

    Parameters
    ----------
    share
        Side of the view over side of the stored crop, in (0, 1].
    input_px
        Side of the result.
    mean, std
        Normalisation per channel, for values in 0–1.
    """

    def __init__(
        self, share: float, input_px: int, mean: tuple[float, float, float], std: tuple[float, float, float]
    ) -> None:
        self.share = share
        self.input_px = input_px
        self._mean = torch.tensor(mean).view(1, 3, 1, 1)
        self._std = torch.tensor(std).view(1, 3, 1, 1)

    def plain(self, crops: torch.Tensor) -> torch.Tensor:
        """Return the centred view of each crop.

        Parameters
        ----------
        crops
            (B, 3, S, S) uint8, RGB.

        Returns
        -------
        (B, 3, input_px, input_px) float32, normalised.
        """
        count = crops.shape[0]
        size = torch.full((count,), self.share)
        still = torch.zeros(count)
        return self._normalised(self._sample(crops, still, size, torch.ones(count), still, still))

    def augmented(self, crops: torch.Tensor, config: AugmentConfig, generator: torch.Generator) -> torch.Tensor:
        """Return one random view of each crop; shapes as in :meth:`plain`. Each crop is drawn for separately."""
        count = crops.shape[0]

        def spread(*shape: int) -> torch.Tensor:
            return torch.rand(count, *shape, generator=generator) * 2 - 1

        angle = spread() * math.radians(config.rotation_deg)
        size = self.share * torch.exp(spread() * config.scale)
        mirror = torch.where(spread() < 0, -1.0, 1.0) if config.flip else torch.ones(count)
        shift_x, shift_y = spread() * 2 * config.shift, spread() * 2 * config.shift
        images = self._sample(crops, angle, size, mirror, shift_x, shift_y)
        amount = torch.exp(spread(1, 1, 1) * config.stain + spread(3, 1, 1) * config.colour)
        light = torch.exp(spread(3, 1, 1) * config.light)
        transmitted = images.clamp_(1 / 255, 1.0).div_(WHITE).log_().mul_(amount).exp_()
        return self._normalised(transmitted.mul_(WHITE * light).clamp_(0, 1))

    def _sample(
        self,
        crops: torch.Tensor,
        angle: torch.Tensor,
        size: torch.Tensor,
        mirror: torch.Tensor,
        shift_x: torch.Tensor,
        shift_y: torch.Tensor,
    ) -> torch.Tensor:
        """Return (B, 3, input_px, input_px) values in 0–1, in channels-last memory."""
        side, out = crops.shape[-1], self.input_px
        stored = crops.permute(0, 2, 3, 1).contiguous().numpy()
        turns = _turns(side, out, angle, size, mirror, shift_x, shift_y).numpy()
        blurred = side * self.share / out > BLUR_FROM
        seen = np.stack([resampled(crop, turn, out, blurred=blurred) for crop, turn in zip(stored, turns, strict=True)])
        return torch.from_numpy(seen).permute(0, 3, 1, 2).float().div_(255)

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        return images.sub_(self._mean).div_(self._std)


def _turns(
    side: int,
    out: int,
    angle: torch.Tensor,
    size: torch.Tensor,
    mirror: torch.Tensor,
    shift_x: torch.Tensor,
    shift_y: torch.Tensor,
) -> torch.Tensor:
    """Return (B, 2, 3) float64: from places in the view, in pixels, to places in the stored crop, in pixels.

    Both are squares from −1 to 1 whose pixels' centres are counted from 0; the view is mirrored, turned, sized and
    shifted in that order.
    """
    angle, size, mirror, shift_x, shift_y = (part.double() for part in (angle, size, mirror, shift_x, shift_y))
    cosine, sine = size * torch.cos(angle), size * torch.sin(angle)
    rows = []
    for to_x, to_y, shift in ((cosine * mirror, -sine, shift_x), (sine * mirror, cosine, shift_y)):
        start = (to_x + to_y) * (1 / out - 1) + shift  # where the centre of the view's first pixel lies
        rows.append(torch.stack([to_x * side / out, to_y * side / out, ((start + 1) * side - 1) / 2], 1))
    return torch.stack(rows, 1)


def turned(inputs: torch.Tensor, view: int) -> torch.Tensor:
    """Return view 0 to 7 of the inputs: quarter turns, then quarter turns of the mirrored inputs."""
    quarter = torch.rot90(inputs, view % 4, (2, 3))
    mirrored = quarter.flip(3) if view >= 4 else quarter
    return mirrored.contiguous(memory_format=torch.channels_last)
