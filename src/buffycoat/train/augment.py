"""From a batch of stored crops to the network's input, on whole batches as tensors.

One resampling does it all: the view is turned, mirrored, zoomed and shifted in the coordinates of the stored
crop and read off at the network's input size. Stain changes work on optical density (Beer–Lambert: absorbances
add where dyes mix), so that more stain darkens what is stained and leaves the empty background alone.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F  # noqa: N812 (the name everybody knows)

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
        density = -torch.log(images.clamp(1 / 255, 1.0) / WHITE)
        return self._normalised((WHITE * torch.exp(-density * amount) * light).clamp(0, 1))

    def _sample(
        self,
        crops: torch.Tensor,
        angle: torch.Tensor,
        size: torch.Tensor,
        mirror: torch.Tensor,
        shift_x: torch.Tensor,
        shift_y: torch.Tensor,
    ) -> torch.Tensor:
        images = crops.float().div_(255)
        if crops.shape[-1] * self.share / self.input_px > 1.5:  # keep fine grain from aliasing
            images = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
        cosine, sine = size * torch.cos(angle), size * torch.sin(angle)
        turn = torch.stack(
            [torch.stack([cosine * mirror, -sine, shift_x], 1), torch.stack([sine * mirror, cosine, shift_y], 1)], 1
        )
        with torch.autocast("cpu", enabled=False):  # coordinates in bf16 would miss by a fifth of a pixel
            grid = F.affine_grid(turn, [len(crops), 3, self.input_px, self.input_px], align_corners=False)
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def _normalised(self, images: torch.Tensor) -> torch.Tensor:
        return ((images - self._mean) / self._std).contiguous(memory_format=torch.channels_last)


def turned(inputs: torch.Tensor, view: int) -> torch.Tensor:
    """Return view 0 to 7 of the inputs: quarter turns, then quarter turns of the mirrored inputs."""
    quarter = torch.rot90(inputs, view % 4, (2, 3))
    mirrored = quarter.flip(3) if view >= 4 else quarter
    return mirrored.contiguous(memory_format=torch.channels_last)
