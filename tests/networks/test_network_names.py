"""A name, as people type it, leads to the network they mean."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buffycoat.errors import UsageError
from buffycoat.networks.names import compound_scaling, resolve


@pytest.mark.parametrize(
    ("typed", "name", "title", "family"),
    [
        ("resnet", "resnet18", "ResNet-18", "resnet"),  # the family's default
        ("ResNet-50", "resnet50", "ResNet-50", "resnet"),  # as papers write it
        (" resnet152 ", "resnet152", "ResNet-152", "resnet"),  # blanks from a configuration file
        ("efficientnet", "tf_efficientnet_lite0", "EfficientNet-Lite0", "efficientnet"),  # the family's default
        ("efficientnet-lite2", "tf_efficientnet_lite2", "EfficientNet-Lite2", "efficientnet"),
        ("EfficientNet-B0", "efficientnet_b0", "EfficientNet-B0", "efficientnet"),
        ("efficientnet-b5", "efficientnet_b5", "EfficientNet-B5", "efficientnet"),
        ("efficientnet-b6", "tf_efficientnet_b6", "EfficientNet-B6", "efficientnet"),  # only the port has weights
        ("efficientnet-b7", "tf_efficientnet_b7", "EfficientNet-B7", "efficientnet"),
        ("efficientnet-phi1.5", "efficientnet-phi1.5", "EfficientNet φ=1.5", "efficientnet"),
        ("efficientnet:phi=1.5", "efficientnet-phi1.5", "EfficientNet φ=1.5", "efficientnet"),
        ("efficientnet:phi=2.0", "efficientnet-phi2", "EfficientNet φ=2", "efficientnet"),  # one name per network
        ("AlexNet", "alexnet", "AlexNet", "alexnet"),
        ("convnext_atto", "convnext_atto", "convnext_atto", "other"),  # any timm name
        ("resnet18.tv_in1k", "resnet18.tv_in1k", "ResNet-18 (tv_in1k)", "resnet"),  # timm's name of certain weights
        ("seresnet50", "seresnet50", "seresnet50", "other"),  # a relative, but not what the card describes
    ],
)
def test_names_people_type(typed: str, name: str, title: str, family: str) -> None:
    spec = resolve(typed)
    assert (spec.name, spec.title, spec.family) == (name, title, family)
    assert resolve(spec.name) == spec, "the name in files must lead to the same network"
    assert "/" not in spec.name
    assert ":" not in spec.name


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("resnt18", "resnet18"),
        ("resnet19", "resnet18"),  # no such depth
        ("efficentnet-b0", "efficientnet-b0"),
        ("efficientnet-b9", "efficientnet-b"),
        ("alexnt", "alexnet"),
        ("hf-hub:somebody/something", "timm.list_models"),  # only names, no addresses
        ("../resnet18", "resnet18"),
        ("", "timm.list_models"),
    ],
)
def test_unknown_names_offer_close_ones(typed: str, offered: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(typed)
    assert offered in str(caught.value)


@pytest.mark.parametrize("typed", ["efficientnet-phi9", "efficientnet:phi=-4"])
def test_absurd_coefficients_are_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="outside"):
        resolve(typed)


def test_compound_scaling_follows_the_paper() -> None:
    assert compound_scaling(0) == (1.0, 1.0, 224)
    width, depth, side = compound_scaling(1)
    assert (width, depth) == (1.1, 1.2)
    assert side == 256  # 224 × 1.15 = 257.6, to a multiple of 8; the authors' B2 takes 260


@given(st.floats(-3, 7))
def test_each_step_about_doubles_the_work(phi: float) -> None:
    def work(at: float) -> float:
        width, depth, side = compound_scaling(at)
        return depth * width**2 * side**2

    assert 1.7 < work(phi + 1) / work(phi) < 2.2


def test_normalisation_is_that_of_the_published_weights() -> None:
    assert resolve("efficientnet").mean == (0.5, 0.5, 0.5)
    assert resolve("resnet").mean == (0.485, 0.456, 0.406)
    assert resolve("alexnet").std == (0.229, 0.224, 0.225)


def test_importing_names_loads_neither_torch_nor_timm() -> None:
    code = "import sys, buffycoat.networks.names; assert not {'torch', 'timm'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
