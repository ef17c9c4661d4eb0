"""A card in a dozen lines, for the terminal."""

from __future__ import annotations

from buffycoat.bundle.words import NOT_FOR_DIAGNOSIS, figure, leaking, megabytes, percent, rate
from buffycoat.records.card import BundleCard


def summary(card: BundleCard) -> str:
    """Return what matters most about a bundle, in a dozen lines."""
    lines = [
        *([leaking(card.results.leaked)] if card.results.leaked is not None else []),
        card.title,
        f"  {card.precision}, {megabytes(card.model_bytes)}, {card.input_px} px, classes {', '.join(card.classes)}",
    ]
    for views, point in sorted(card.operating.items()):
        cells = point.accuracy.denominator
        lines += [
            f"  {views} view{'s' if views != '1' else ''}: accuracy {figure(point.accuracy)}, balanced "
            f"{figure(point.balanced_accuracy)}, on {cells} held-out cells",
            f"    calibration error {point.ece:.3f}, before {point.ece_before:.3f}, chance {point.ece_by_chance:.3f}",
            f"    unidentified {percent(point.expected.unidentified)}, "
            f"wrong among the answered {percent(point.expected.error_rate)}; stated: {rate(point.error_rate)}",
        ]
    cost = card.quantisation
    if cost is not None:
        lines.append(
            f"  8 bits: balanced accuracy {figure(cost.before_balanced)} before, {figure(cost.after_balanced)} after; "
            f"the same answer for {100 * cost.agreement:.1f} % of {cost.cells} cells"
        )
    return "\n".join([*lines, f"  {card.network.trained_on_words}", f"  {NOT_FOR_DIAGNOSIS}"])
