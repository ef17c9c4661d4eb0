"""Reading a JPEG's markers: its size, its kind, and whether it was cut short.

OpenCV fills the missing part of a truncated JPEG with grey and says nothing, so the markers are walked first
(ITU-T T.81, annex B). That costs some microseconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SIGNATURE = b"\xff\xd8\xff"

_FRAME_STARTS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_END_OF_IMAGE = 0xD9
_START_OF_SCAN = 0xDA
_APP1 = 0xE1
# In a scan, 0xFF is followed by 0x00 (a stuffed byte), a restart number or fill; anything else is a marker.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What the markers of a JPEG say; width and height are those stored, before any EXIF rotation."""

    width: int
    height: int
    components: int
    bits: int
    orientation: int
    scan_at: int  # where the first scan's marker stands, 0 when the given bytes end before it


def read_header(content: bytes) -> JpegHeader | None:
    """Return the header, or None when the bytes end (or stop making sense) before the frame is described."""
    size: tuple[int, int, int, int] | None = None
    orientation = 1
    position = 2
    while (found := _marker(content, position)) is not None:
        code, start = found
        if code in _WITHOUT_LENGTH:
            position = start
            continue
        if code == _END_OF_IMAGE:
            break
        if code == _START_OF_SCAN:
            return None if size is None else JpegHeader(*size, orientation, start - 2)
        length = int.from_bytes(content[start : start + 2], "big")
        if length < 2 or start + 2 > len(content):
            break
        payload = content[start + 2 : start + length]
        if code in _FRAME_STARTS and len(payload) >= 6:
            size = (int.from_bytes(payload[3:5], "big"), int.from_bytes(payload[1:3], "big"), payload[5], payload[0])
        elif code == _APP1 and payload.startswith(b"Exif\x00\x00"):
            orientation = exif_orientation(payload[6:])
        position = start + length
    return None if size is None else JpegHeader(*size, orientation, 0)


def is_complete(content: bytes, scan_at: int) -> bool:
    """Return whether the scans from `scan_at` on run to the end-of-image marker."""
    position = scan_at
    while (found := _marker(content, position)) is not None:
        code, start = found
        if code == _END_OF_IMAGE:
            return True
        if code in _WITHOUT_LENGTH:
            position = start
            continue
        position = start + max(int.from_bytes(content[start : start + 2], "big"), 2)
        if code == _START_OF_SCAN:
            following = _MARKER_IN_SCAN.search(content, position)
            if following is None:
                return False
            position = following.start()
    return False


def exif_orientation(tiff: bytes) -> int:
    """Return the orientation (1 to 8) written in an EXIF block; 1 when none can be read."""
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], "little" if order == "little" else "big")

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), 512)):
        at = directory + 2 + 12 * entry
        if number(at, 2) == 0x0112:
            value = number(at + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def _marker(content: bytes, position: int) -> tuple[int, int] | None:
    """Return the marker at `position` (fill bytes skipped) and where its content starts."""
    if position + 1 >= len(content) or content[position] != 0xFF:
        return None
    while position + 1 < len(content) and content[position + 1] == 0xFF:
        position += 1
    return (content[position + 1], position + 2) if position + 1 < len(content) else None
