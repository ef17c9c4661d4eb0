"""The codes that laboratory systems know these figures by.

LOINC: method not stated, since neither an analyser's nor an eye count's code would be true. The panel is 69738-3;
24318-8 (manual differential) is discouraged by its keepers. Absolute counts: the "[#/volume] in Blood" terms.
"""

from __future__ import annotations

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"

PANEL = ("69738-3", "Differential panel, method unspecified - Blood")
LEUKOCYTES = ("26464-8", "Leukocytes [#/volume] in Blood")

ABSOLUTE: dict[str, tuple[str, str]] = {
    "neutrophil": ("26499-4", "Neutrophils [#/volume] in Blood"),
    "eosinophil": ("26449-9", "Eosinophils [#/volume] in Blood"),
    "basophil": ("26444-0", "Basophils [#/volume] in Blood"),
    "lymphocyte": ("26474-7", "Lymphocytes [#/volume] in Blood"),
    "monocyte": ("26484-6", "Monocytes [#/volume] in Blood"),
}
"""By type: LOINC code and name of the absolute count."""
