"""The weights a study's networks start from: found once, and the same for all its folds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from buffycoat.errors import TrainingError
from buffycoat.records.base import Document

if TYPE_CHECKING:  # it names PyTorch, and a study's record is read without
    from buffycoat.networks.weights import WeightsReport


class StartWeights(Document):
    """Where a network of a study started from; without a hash, from scratch."""

    source: str
    sha256: str | None = None
    fallback: str | None = None  # why `auto` found no weights, if it did not

    @classmethod
    def of(cls, report: WeightsReport) -> StartWeights:
        """Return what has to be the same in every fold."""
        return cls(source=report.source, sha256=report.sha256, fallback=report.fallback_reason)

    def choice(self, weights: str) -> str:
        """Return what to ask for: what the study asked for, or none where it began without."""
        return weights if self.sha256 else "none"

    def held(self, report: WeightsReport, title: str) -> WeightsReport:
        """Return the report in the words the study began with.

        Raises
        ------
        TrainingError
            Other weights were found than those the study began with, or none.
        """
        if report.sha256 != self.sha256:
            found = report.fallback_reason or f"{report.source}, SHA-256 {str(report.sha256)[:12]}…"
            raise TrainingError(
                f"{title} began with the weights {self.source} (SHA-256 {str(self.sha256)[:12]}…), which are no longer "
                f"found: {found}.",
                hint="Finished folds are kept. Bring these weights back (the network, the cache or the file) and run "
                "the same command again; or begin another study in another --out.",
            )
        return replace(report, source=self.source, fallback_reason=self.fallback)
