"""Counting the pages of a TIFF by its directories (TIFF 6.0, section 2; BigTIFF), without decoding any."""

from __future__ import annotations

import struct

_REDUCED = 0b101  # NewSubfileType: a smaller copy of another page, or a mask
_OLD_REDUCED = 2
_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _WIDTH, _HEIGHT = 254, 255, 256, 257
_WANTED = frozenset({_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _WIDTH, _HEIGHT})
_MOST_ENTRIES = 1 << 20  # of all directories together, some fifty thousand pages; a forged chain may hold far more


def full_size_pages(content: bytes) -> int:
    """Return how many pages of a TIFF are photographs of their own; at least 1.

    Smaller copies of the first page (the levels of a pyramid, thumbnails) and masks do not count: pages that say so, or
    that are at most half as wide and half as high. Where the chain of pages is damaged, what is beyond does not count.
    """
    pages = _pages(content)
    if not pages:
        return 1
    width, height = pages[0].get(_WIDTH, 0), pages[0].get(_HEIGHT, 0)
    return 1 + sum(
        not page.get(_NEW_SUBFILE_TYPE, 0) & _REDUCED
        and page.get(_SUBFILE_TYPE, 0) != _OLD_REDUCED
        and (2 * page.get(_WIDTH, 0) > width + 1 or 2 * page.get(_HEIGHT, 0) > height + 1)
        for page in pages[1:]
    )


def _pages(content: bytes) -> list[dict[int, int]]:
    order = {b"II": "<", b"MM": ">"}.get(content[:2])
    if order is None:
        return []
    pages: list[dict[int, int]] = []
    try:
        big = struct.unpack_from(f"{order}H", content, 2)[0] == 43
        offset, count = ("Q", "Q") if big else ("I", "H")
        entry = struct.Struct(f"{order}HH{offset}")
        step, head = (20, 8) if big else (12, 2)
        (at,) = struct.unpack_from(order + offset, content, 8 if big else 4)
        seen: set[int] = set()
        met = 0
        while at and at not in seen:
            seen.add(at)
            (entries,) = struct.unpack_from(order + count, content, at)
            met += entries + 1
            if met > _MOST_ENTRIES:
                break
            end = at + head + step * entries
            (following,) = struct.unpack_from(order + offset, content, end)
            page: dict[int, int] = {}
            for place in range(at + head, end, step):
                tag, kind, _ = entry.unpack_from(content, place)
                if tag in _WANTED:
                    page[tag] = _number(content, place + step - (8 if big else 4), kind, order)
            pages.append(page)
            at = following
    except struct.error:
        pass  # the chain leads out of the file
    return pages


def _number(content: bytes, at: int, kind: int, order: str) -> int:
    code = {3: "H", 4: "I", 16: "Q"}.get(kind)
    return 0 if code is None else int(struct.unpack_from(order + code, content, at)[0])
