"""Whether a network's weights can be had, without fetching anything: for ``buffycoat doctor``."""

from __future__ import annotations

from dataclasses import dataclass

from buffycoat.networks import hub
from buffycoat.networks.names import NetworkSpec
from buffycoat.networks.packaged import packaged_weights


@dataclass(frozen=True, slots=True)
class AtHand:
    """Whether ``auto`` would find weights on this machine, and in words where, or what it would do."""

    here: bool
    words: str


def weights_at_hand(spec: NetworkSpec) -> AtHand:
    """Return where ``--weights auto`` would take a network's weights from; nothing is opened or downloaded."""
    packaged = packaged_weights(spec.architecture) if spec.phi is None else None
    if packaged is not None:
        return AtHand(True, f"in the installed package {packaged[1]}")
    source = hub.published(spec.architecture) if spec.phi is None else None
    if source is None:
        return AtHand(False, "nobody publishes any: trains from scratch")
    if hub.cached(source) is not None:
        return AtHand(True, f"{source.title}, in a cache on this machine")
    return AtHand(False, f"{source.title}, to be downloaded at first use; without a network it trains from scratch")
