from __future__ import annotations

import pytest
import torch

from buffycoat.train.judging import clearly_worse


@pytest.mark.parametrize(
    ("losses", "best", "expected"),
    [
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5], False),  # the same
        ([0.4, 0.5, 0.5], [0.5, 0.5, 0.5], False),  # better
        ([0.9, 0.1, 0.6], [0.5, 0.5, 0.5], False),  # worse on the whole, but the rows disagree
        ([0.6, 0.61, 0.59], [0.5, 0.5, 0.5], True),  # a little worse on every row
        ([0.6], [0.5], True),  # one row has no spread to judge by
    ],
)
def test_worse_means_more_than_one_standard_error(losses: list[float], best: list[float], expected: bool) -> None:
    assert clearly_worse(torch.tensor(losses), torch.tensor(best)) is expected
