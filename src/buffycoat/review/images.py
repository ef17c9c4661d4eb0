"""Photographs on disk, each once, under the hash of its bytes; and the crops cut from them.

Names in this store are made from hashes and numbers alone: nothing a person or a file says ever becomes a path.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from buffycoat.files import sync_file, sync_folder, write_bytes
from buffycoat.imaging.decode import read_image
from buffycoat.imaging.frame import crop_square
from buffycoat.records.documents import FrameSpec

OWNER_ALONE = 0o600
"""Who may read photographs, backups and seals, whatever folder they lie in."""
_HASH = re.compile(r"[0-9a-f]{64}")
_BROWSER_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444)


class ImageStore:
    """The photographs below one folder.

    Parameters
    ----------
    folder
        Made when the first photograph is kept.
    most_pixels
        Larger ones are refused before they are decoded.
    """

    def __init__(self, folder: Path, most_pixels: int) -> None:
        self.folder = folder
        self.most_pixels = most_pixels

    def keep(self, content: bytes) -> str:
        """Keep a photograph's bytes, safe from a power cut; returns their SHA-256. Kept already, nothing is written."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        if path.is_file() and path.stat().st_size == len(content):
            sync_file(path)  # perhaps another request is about to
            sync_folder(path.parent)
        else:
            write_bytes(path, content, mode=OWNER_ALONE, durable=True)
        return digest

    def path(self, digest: str) -> Path:
        """Return where a photograph lies.

        Raises
        ------
        ValueError
            `digest` is not a SHA-256.
        """
        if not _HASH.fullmatch(digest):
            raise ValueError("not a SHA-256")
        return self.folder / "images" / digest[:2] / digest

    def pixels(self, digest: str) -> NDArray[np.uint8]:
        """Return a photograph as displayed: uint8 (H, W, 3) RGB."""
        return read_image(self.path(digest), max_pixels=self.most_pixels)

    def for_browser(self, digest: str) -> tuple[bytes, str]:
        """Return a photograph in a form every browser shows, and its media type."""
        content = self.path(digest).read_bytes()
        for signature, kind in _BROWSER_KINDS:
            if content.startswith(signature):
                return content, kind
        return encode_png(self.pixels(digest)), "image/png"

    def crop(self, digest: str, box: tuple[int, int, int, int], px: int) -> bytes:
        """Return the square round a box as a JPEG of `px` × `px`; cut once, then kept."""
        path = self.crop_path(digest, box, px)
        if path.is_file():
            return path.read_bytes()
        return self.cut(self.pixels(digest), digest, box, px)

    def cut(self, rgb: NDArray[np.uint8], digest: str, box: tuple[int, int, int, int], px: int) -> bytes:
        """Cut, keep and return a crop from a photograph that is decoded already."""
        content = encode_jpeg(cell_square(rgb, box, px))
        write_bytes(self.crop_path(digest, box, px), content, mode=OWNER_ALONE)
        return content

    def crop_path(self, digest: str, box: tuple[int, int, int, int], px: int) -> Path:
        """Return where a crop lies, or would."""
        name = "-".join(str(int(value)) for value in (*box, px))
        return self.folder / "crops" / self.path(digest).name[:2] / f"{digest}-{name}.jpg"


def cell_square(rgb: NDArray[np.uint8], box: tuple[int, int, int, int], px: int) -> NDArray[np.uint8]:
    """Return the square a person sees round a cell: the same scale for all cells of a field, more for a huge one."""
    spec = FrameSpec()
    scale = rgb.shape[1] / spec.reference_width_px
    side = max(round(0.75 * spec.side_px * scale), round(1.15 * max(box[2] - box[0], box[3] - box[1])))
    side = max(8, min(side, max(rgb.shape[:2])))
    return crop_square(rgb, ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2), side, px)


def encode_jpeg(rgb: NDArray[np.uint8]) -> bytes:
    """Return a JPEG with full colour resolution, so that stain colours stay true."""
    return cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), list(_JPEG))[1].tobytes()


def encode_png(rgb: NDArray[np.uint8]) -> bytes:
    """Return a PNG."""
    return cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()
