"""Which images are too large to be decoded, told from the header."""

from __future__ import annotations

from buffycoat.errors import ImageError


def refuse_large(name: str, width: int, height: int, max_pixels: int) -> None:
    """Raise ImageError when an image has more than `max_pixels`."""
    if width * height > max_pixels:
        raise ImageError(
            name,
            f"too large ({width}×{height} = {width * height / 1e6:.0f} megapixels; the limit is {max_pixels / 1e6:g})",
        )
