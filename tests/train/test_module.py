from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from buffycoat.train import precision
from buffycoat.train.augment import Views
from buffycoat.train.averaging import averaged
from buffycoat.train.module import Classifier, warm_then_cosine
from buffycoat.train.stages import leading_stages
from tests.train.conftest import TINY


def _network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("wanted", "flags", "expected"),
    [
        ("auto", {"avx512_bf16"}, "bf16-mixed"),  # computed in hardware
        ("auto", {"amx_bf16"}, "bf16-mixed"),
        ("auto", {"avx2"}, "32-true"),  # would be emulated, and slow
        ("32", {"avx512_bf16"}, "32-true"),
        ("bf16", {"avx2"}, "bf16-mixed"),  # asked for
    ],
)
def test_precision_follows_the_processor(
    monkeypatch: pytest.MonkeyPatch, wanted: str, flags: set[str], expected: str
) -> None:
    monkeypatch.setattr(precision, "processor_flags", lambda: frozenset(flags))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert precision.choose(wanted) == expected  # type: ignore[arg-type]


def test_weights_and_inputs_are_channels_last() -> None:
    views = Views(0.9, 32, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    classifier = Classifier(_network(), (), views, TINY, 1)
    weight = next(classifier.network.parameters())
    assert weight.is_contiguous(memory_format=torch.channels_last)
    inputs = views.plain(torch.zeros((2, 3, 40, 40), dtype=torch.uint8))
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    rates = [warm_then_cosine(step, 100, 0.1) for step in range(101)]
    assert rates[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert max(rates) == 1.0
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))
    assert rates[100] == pytest.approx(0)
    assert warm_then_cosine(0, 1, 0.15) == 1.0


def test_the_average_follows_weights_and_batch_statistics() -> None:
    network = _network()
    average = averaged(network, 0.9)
    average.update_parameters(network)
    for _ in range(200):
        with torch.no_grad():
            for value in network.parameters():
                value.fill_(1.0)
            network.state_dict()["1.running_mean"].fill_(5.0)
            network.state_dict()["1.num_batches_tracked"].fill_(7)
        average.update_parameters(network)
    assert all(torch.allclose(value, torch.ones_like(value), atol=1e-3) for value in average.module.parameters())
    followed = average.module.state_dict()
    assert torch.allclose(followed["1.running_mean"], torch.full((8,), 5.0), atol=1e-2)
    assert int(followed["1.num_batches_tracked"]) == 7
    assert not any(value.requires_grad for value in average.parameters())


def test_leading_stages_are_the_stem_and_the_first_blocks() -> None:
    import timm

    resnet = timm.create_model("resnet18")
    stages = leading_stages(resnet, 1)
    assert stages == (resnet.conv1, resnet.bn1, resnet.layer1)
    lite = timm.create_model("tf_efficientnet_lite0")
    parts = dict(lite.named_modules())
    assert leading_stages(lite, 2) == tuple(parts[name] for name in ("conv_stem", "bn1", "blocks.0", "blocks.1"))
    assert leading_stages(lite, 0) == ()
