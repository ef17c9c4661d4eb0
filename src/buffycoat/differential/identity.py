"""Identifiers of messages and resources: made from the content, so that the same count gives the same ones."""

from __future__ import annotations

import uuid

from buffycoat.files import fingerprint
from buffycoat.records.differential import Differential

_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "buffycoat/differential")


def identifier(made: Differential, role: str) -> uuid.UUID:
    """Return the identifier of one part of a count's output; `role` tells the parts of one count apart."""
    return uuid.uuid5(_SPACE, f"{fingerprint(made.model_dump(mode='json'))}/{role}")
