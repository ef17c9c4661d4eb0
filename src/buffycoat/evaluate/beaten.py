"""Whether each network beats the baselines that are no networks, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

from buffycoat.records.documents import Comparison

MAJORITY = "majority"
"""Name of the baseline that always answers the largest class."""


def beaten(titles: Mapping[str, str], comparisons: Sequence[Comparison], baselines: Set[str]) -> list[str]:
    """Return a sentence for every network that does not beat a baseline, or is not shown to.

    Parameters
    ----------
    titles
        Of all models by name, baselines among them.
    comparisons
        Of every two models.
    baselines
        Names of the models that are no networks. The largest class is one; what is no network either has to beat it.
    """
    return list(_sentences(titles, comparisons, baselines))


def _sentences(titles: Mapping[str, str], comparisons: Sequence[Comparison], baselines: Set[str]) -> Iterator[str]:
    for pair in comparisons:
        if pair.first in baselines and pair.second in baselines and pair.second != MAJORITY:
            continue
        if pair.first not in baselines and pair.second not in baselines:
            continue
        network, other = (pair.second, pair.first) if pair.second not in baselines else (pair.first, pair.second)
        than = "always answering the largest class" if other == MAJORITY else f"{titles[other]}, which is no network"
        lead = (pair.difference.value or 0.0) * (1 if network == pair.first else -1)
        if lead <= 0:
            yield f"{titles[network]} does not beat {than} ({_figures(pair, network)})."
        elif not pair.settled:
            yield f"{titles[network]} is not shown to beat {than} ({_figures(pair, network)})."


def _figures(pair: Comparison, network: str) -> str:
    sign = 1 if network == pair.first else -1
    value, ends = pair.difference.value or 0.0, (pair.difference.interval.low, pair.difference.interval.high)
    text = f"difference in accuracy {_signed(sign * value)}"
    if ends[0] is not None and ends[1] is not None:
        low, high = sorted((sign * ends[0], sign * ends[1]))
        text += f", {_signed(low)} to {_signed(high)}"
    test = pair.method.split(" test", maxsplit=1)[0]
    text += f"; {test} test, corrected p {_shown(pair.p_adjusted)}"
    if pair.resampled is not None and pair.resampled.decides:
        text += f"; corrected resampled t-test, corrected p {_shown(pair.resampled.p_adjusted)}"
    if pair.with_training is not None:
        text += f"; with the chance of training counted, corrected p {_shown(pair.with_training.p_adjusted)}"
    return text


def _shown(p: float) -> str:
    if p < 0.001:
        return "below 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _signed(value: float) -> str:
    shown = f"{value:.3f}"
    return "0.000" if float(shown) == 0 else shown.replace("-", "−")
