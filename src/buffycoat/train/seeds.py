"""Seeds for every part of a study, derived from the study's one seed."""

from __future__ import annotations

import hashlib


def derive(seed: int, *path: object) -> int:
    """Return a seed (63 bits) that depends on `seed` and on every step of `path`, and on nothing else.

    Because it does not depend on what ran before, a fold trained after an interruption, alone or in another
    order gets the random numbers it would have had anyway.

    Examples
    --------
    >>> derive(7, "resnet18", 0, 3) == derive(7, "resnet18", 0, 3)
    True
    """
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
