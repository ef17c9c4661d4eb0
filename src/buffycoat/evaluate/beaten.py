"""Whether each network beats the baselines that are no networks, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from buffycoat.records.documents import Comparison, ModelResult


def beaten(results: Sequence[ModelResult], comparisons: Sequence[Comparison], baselines: Sequence[str]) -> list[str]:
    """Return a sentence for every network that does not beat a baseline, or is not shown to.

    Parameters
    ----------
    results
        Of all models, baselines among them.
    comparisons
        Of every two models; McNemar's test and the interval of the difference decide together.
    baselines
        Names of the models that are no networks.
    """
    titles = {result.model: result.title for result in results}
    return list(_sentences(titles, comparisons, set(baselines)))


def _sentences(titles: dict[str, str], comparisons: Sequence[Comparison], baselines: set[str]) -> Iterator[str]:
    for pair in comparisons:
        if (pair.first in baselines) == (pair.second in baselines):
            continue
        network, other = (pair.second, pair.first) if pair.first in baselines else (pair.first, pair.second)
        lead = (pair.difference.value or 0.0) * (1 if network == pair.first else -1)
        if lead <= 0:
            yield f"{titles[network]} does not beat {titles[other]}, which is no network ({_figures(pair, network)})."
        elif not pair.settled:
            yield (
                f"{titles[network]} is not shown to beat {titles[other]}, which is no network "
                f"({_figures(pair, network)})."
            )


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
    return text


def _shown(p: float) -> str:
    if p < 0.001:
        return "below 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _signed(value: float) -> str:
    shown = f"{value:.3f}"
    return "0.000" if float(shown) == 0 else shown.replace("-", "−")
