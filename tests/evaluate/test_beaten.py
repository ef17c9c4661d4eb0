from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from buffycoat.evaluate import evaluate
from buffycoat.records.documents import Results

CLASSES = ("neutrophil", "eosinophil")


def judged(right: dict[str, list[int]], n: int, baselines: tuple[str, ...]) -> Results:
    """Evaluate models that have the listed cells right, of `n` cells of two classes in turn."""
    labels = [CLASSES[i % 2] for i in range(n)]
    rows = [
        {
            "model": model,
            "repeat": 0,
            "fold": 0,
            "cell_id": f"c{i:03d}",
            "label": labels[i],
            **{f"p_{name}": float((name == labels[i]) == (i in hits)) for name in CLASSES},
        }
        for model, hits in right.items()
        for i in range(n)
    ]
    cells = pl.DataFrame({"cell_id": [f"c{i:03d}" for i in range(n)], "label": labels, "group": [None] * n})
    return evaluate(
        pl.DataFrame(rows),
        cells.with_columns(pl.col("group").cast(pl.String)),
        classes=CLASSES,
        titles={"net": "Net", "measurements": "Measured"},
        synthetic=False,
        seed=0,
        protocol="",
        majority={(0, 0): "neutrophil"},
        replicates=300,
        baselines=baselines,
    )


def about_measured(results: Results) -> list[str]:
    return [remark for remark in results.remarks if "which is no network" in remark]


def test_a_network_that_is_worse_is_said_to_be() -> None:
    found = judged({"net": list(range(60)), "measurements": list(range(80))}, 100, ("measurements",))
    (said,) = about_measured(found)
    assert said.startswith("Net does not beat Measured, which is no network (difference in accuracy −0.200, −0.")
    assert "exact McNemar test" in said and "below 0.001" in said
    assert found.baselines == ("measurements",)


def test_a_lead_that_may_be_chance_is_said_to_be_with_mcnemars_p() -> None:
    found = judged({"net": list(range(4, 86)), "measurements": list(range(80))}, 100, ("measurements",))
    (said,) = about_measured(found)
    assert said.startswith("Net is not shown to beat Measured")
    p = float(stats.binomtest(4, 10, 0.5).pvalue)
    assert f"corrected p {p:.2f}" in said and "difference in accuracy 0.020, −0.0" in said


def test_a_settled_lead_needs_no_remark() -> None:
    assert (
        about_measured(judged({"net": list(range(99)), "measurements": list(range(60))}, 100, ("measurements",))) == []
    )


def test_the_order_of_the_two_does_not_matter() -> None:
    one = judged({"net": list(range(60)), "measurements": list(range(80))}, 100, ("measurements",))
    two = judged({"net": list(range(80)), "measurements": list(range(60))}, 100, ("net",))
    (first,), (second,) = about_measured(one), [r for r in two.remarks if "which is no network" in r]
    assert first.replace("Net", "A").replace("Measured", "B") == second.replace("Measured", "A").replace("Net", "B")


@pytest.mark.parametrize("baselines", [(), ("elsewhere",)])
def test_without_a_baseline_nothing_is_said(baselines: tuple[str, ...]) -> None:
    found = judged({"net": [1], "measurements": list(np.arange(90))}, 100, baselines)
    assert about_measured(found) == [] and found.baselines == ()


def test_beating_the_largest_class_is_held_to_the_corrected_test() -> None:
    """Eight to one against it is 0.039 by itself, and 0.12 where three models are compared."""
    found = judged(majority_like(8, 1), 40, ())
    said = [remark for remark in found.remarks if "largest class" in remark]
    assert len(said) == 2 and all("is not shown to beat always answering the largest class (" in one for one in said)
    assert [(pair.second, pair.settled) for pair in found.against_majority] == [("majority", False)] * 2
    clear = judged(majority_like(15, 0), 40, ())
    assert not [remark for remark in clear.remarks if "largest class" in remark]


def majority_like(ahead: int, behind: int) -> dict[str, list[int]]:
    """Two models that have `ahead` cells right beyond every neutrophil, which stand in even places, less `behind`."""
    hits = sorted([*range(0, 40 - 2 * behind, 2), *range(1, 1 + 2 * ahead, 2)])
    return {"net": hits, "measurements": hits}
