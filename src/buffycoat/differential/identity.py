"""Identifiers of messages and resources: what says which count it is, and what says which result, apart.

A slide's preliminary, final and amended results carry one accession, by which a receiver replaces one with the next;
each has content of its own, and so a message identifier of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable

from buffycoat.errors import UsageError
from buffycoat.files import fingerprint
from buffycoat.records.differential import Differential

_OWN = re.compile(r"[0-9A-F]{20}")
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "buffycoat/differential")


def identifier(made: Differential, role: str) -> uuid.UUID:
    """Return the identifier of one part of one result: of its content, so that the same result gives the same one."""
    return uuid.uuid5(_SPACE, f"{fingerprint(made.model_dump(mode='json'))}/{role}")


def lasting_identifier(made: Differential, role: str) -> uuid.UUID:
    """Return the identifier that one part of a count keeps from its preliminary to its amended result."""
    return uuid.uuid5(_SPACE, f"{accession_of(made)}/{role}")


def accession_of(made: Differential) -> str:
    """Return a count's accession; one that was written down without it has that of its first result."""
    return made.accession or accession(made.specimen or "", made.slide, made.created.isoformat())


def given_accession(made: Differential) -> str | None:
    """Return a count's accession where the laboratory gave it; None where this program made it."""
    found = made.accession
    return None if found is None or _OWN.fullmatch(found) else found


def refuse_unsettled(counts: Iterable[Differential]) -> None:
    """Refuse counts that must not go where results replace each other by accession.

    Raises
    ------
    UsageError
        An amendment is under way: what is not signed would replace what was.
    """
    for made in counts:
        if made.review is not None and made.review.state == "amending":
            last = made.review.signatures[-1]
            raise UsageError(
                f"An amendment of {made.slide!r} is under way: as HL7 or FHIR an unsigned result would replace the one "
                f"that {last.name} signed on {last.signed_at:%Y-%m-%d %H:%M %Z}.",
                hint="Sign the reading again first.",
            )


def accession(*parts: str) -> str:
    """Return an accession number made of what stays the same from the first result of a count to the last.

    Returns
    -------
    20 hexadecimal digits in capitals: as long as an HL7 entity identifier may be everywhere.
    """
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:20].upper()
