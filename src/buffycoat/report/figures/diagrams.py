"""Drawings of what the networks are built of: our own, made here from boxes and arrows."""

from __future__ import annotations

import re

from buffycoat.records.documents import NetworkCard
from buffycoat.report.svg import Drawing

BOTTLENECK_FROM = 50
"""ResNets with at least so many layers are built of three-layer bottlenecks."""


def diagrams(card: NetworkCard, classes: int) -> list[tuple[Drawing, str]]:
    """Return the drawings of a network's card, each with its caption."""
    if card.family == "resnet":
        return [(residual_block(bottleneck=_depth(card.name) >= BOTTLENECK_FROM), card.block)]
    if card.family == "efficientnet":
        lite = "lite" in card.name
        scaling = (
            "Compound scaling: instead of growing width, depth or resolution alone, one coefficient grows all three."
        )
        return [(inverted_bottleneck(squeeze=not lite), card.block), (compound_scaling(), scaling)]
    if card.family == "alexnet":
        return [(plain_stack(classes), card.block)]
    return [(stages(card.input_px, classes), card.block)]


def residual_block(*, bottleneck: bool = False) -> Drawing:
    """Draw a residual block: layers that learn a correction, and a shortcut that carries the input past them."""
    kinds = ("1×1", "3×3", "1×1") if bottleneck else ("3×3", "3×3")
    step, top = 66, 58
    height = top + step * len(kinds) + 96
    drawing = Drawing(
        330,
        height,
        f"Residual block: the input x goes through {len(kinds)} convolutions that compute F(x), and past them along a "
        "shortcut; both are added and pass a ReLU.",
    )
    middle, right = 130.0, 268.0
    drawing.text(middle + 12, 20, "x", italic=True, size=16)
    drawing.arrow([(middle, 8), (middle, top - 6)])
    for k, kind in enumerate(kinds):
        y = top + step * k - 4
        _box(drawing, middle - 92, y, 184, 36, f"{kind} convolution, norm")
        last = k == len(kinds) - 1
        drawing.arrow([(middle, y + 36), (middle, y + step if not last else y + step - 2)])
        if not last:
            drawing.text(middle + 12, y + 55, "ReLU", size=12, fill="muted")
    y_sum = top + step * len(kinds) + 8
    drawing.text(middle - 16, y_sum - 20, "F(x)", anchor="end", italic=True, size=15)
    drawing.circle(middle, y_sum, 13, "paper", stroke="ink")
    drawing.line(middle - 6, y_sum, middle + 6, y_sum, "ink", width=1.6)
    drawing.line(middle, y_sum - 6, middle, y_sum + 6, "ink", width=1.6)
    drawing.arrow(
        [(middle, 32), (right - 20, 32), (right, 52), (right, y_sum - 20), (right - 20, y_sum), (middle + 14, y_sum)],
        "second",
        width=2.4,
    )
    drawing.text(right + 12, (y_sum + 32) / 2 + 52, "shortcut: x unchanged", turn=-90, fill="second", size=12.5)
    drawing.arrow([(middle, y_sum + 13), (middle, y_sum + 62)])
    drawing.text(middle - 16, y_sum + 36, "F(x) + x", anchor="end", italic=True, size=15)
    drawing.text(middle + 12, y_sum + 36, "ReLU", size=12, fill="muted")
    return drawing


def inverted_bottleneck(*, squeeze: bool) -> Drawing:
    """Draw an MBConv block: narrow, wide, wide, narrow; the width of a box stands for its channels."""
    layers: list[tuple[str, float, str]] = [
        ("1×1 convolution widens", 236, "wash"),
        ("3×3 or 5×5 depthwise", 236, "wash"),
        *([("squeeze-and-excitation", 236, "panel")] if squeeze else []),
        ("1×1 narrows", 112, "wash"),
    ]
    step, top = 56, 76
    y_sum = top + step * len(layers) + 26
    words = "widening 1×1 convolution, depthwise convolution, " + ("squeeze-and-excitation, " if squeeze else "")
    drawing = Drawing(
        350, y_sum + 58, f"Inverted bottleneck: {words}narrowing 1×1 convolution; a shortcut joins input and output."
    )
    middle, right = 136.0, 292.0
    drawing.arrow([(middle, 6), (middle, 26)])
    _box(drawing, middle - 56, 26, 112, 18, "input", size=11.5, fill="panel")
    y = float(top)
    drawing.arrow([(middle, 44), (middle, y)])
    for k, (name, width, fill) in enumerate(layers):
        _box(drawing, middle - width / 2, y, width, 34, name, fill=fill)
        if k < len(layers) - 1:
            drawing.arrow([(middle, y + 34), (middle, y + step)])
        else:
            drawing.arrow([(middle, y + 34), (middle, y_sum - 14)])
        y += step
    drawing.circle(middle, y_sum, 13, "paper", stroke="ink")
    drawing.line(middle - 6, y_sum, middle + 6, y_sum, "ink", width=1.6)
    drawing.line(middle, y_sum - 6, middle, y_sum + 6, "ink", width=1.6)
    drawing.arrow([(middle, y_sum + 13), (middle, y_sum + 50)])
    drawing.arrow(
        [
            (middle + 56, 35),
            (right - 20, 35),
            (right, 55),
            (right, y_sum - 20),
            (right - 20, y_sum),
            (middle + 14, y_sum),
        ],
        "second",
        width=2.4,
    )
    drawing.text(right + 14, y_sum / 2 + 80, "shortcut, where shapes agree", turn=-90, fill="second", size=12.5)
    return drawing


def compound_scaling() -> Drawing:
    """Draw five small networks: the baseline, one grown each way, and one grown all ways at once."""
    drawing = Drawing(
        640,
        292,
        "Five networks as stacks of bars: the baseline; a wider one; a deeper one; one with a larger input; and one "
        "that grew moderately in all three.",
    )
    kinds = (
        ("baseline", 5, 44, 30, "muted"),
        ("wider", 5, 82, 30, "second"),
        ("deeper", 9, 44, 30, "second"),
        ("finer images", 5, 44, 54, "second"),
        ("all three: φ", 8, 66, 44, "first"),
    )
    base = 232.0
    for k, (name, depth, width, picture, tone) in enumerate(kinds):
        x = 64 + k * 128
        drawing.rect(x - picture / 2, base - picture, picture, picture, "panel", stroke=tone, rx=2)
        for third in (1, 2):
            drawing.line(
                x - picture / 2 + picture * third / 3,
                base - picture,
                x - picture / 2 + picture * third / 3,
                base,
                tone,
                width=0.5,
            )
            drawing.line(
                x - picture / 2,
                base - picture * third / 3,
                x + picture / 2,
                base - picture * third / 3,
                tone,
                width=0.5,
            )
        for layer in range(depth):
            y = base - picture - 16 - layer * 15
            narrow = width * (0.66 + 0.34 * layer / (depth - 1))
            drawing.rect(x - narrow / 2, y - 9, narrow, 10, tone, rx=2, opacity=0.85)
        drawing.text(x, base + 24, name, anchor="middle", bold=k == len(kinds) - 1)
    for k, words in enumerate(("", "more channels", "more layers", "more pixels", "some of each")):
        drawing.text(64 + k * 128, base + 42, words, anchor="middle", size=11.5, fill="muted")
    return drawing


def plain_stack(classes: int) -> Drawing:
    """Draw AlexNet: five convolutions that trade resolution for channels, then three fully connected layers."""
    drawing = Drawing(
        590,
        264,
        f"AlexNet: an image, five convolutions with 64, 192, 384, 256 and 256 channels, three with pooling after them, "
        f"then fully connected layers of 4096, 4096 and {classes} units.",
    )
    blocks = (
        ("64", 112, 12, "11×11", True),
        ("192", 78, 20, "5×5", True),
        ("384", 50, 32, "3×3", False),
        ("256", 50, 26, "3×3", False),
        ("256", 50, 26, "3×3", True),
    )
    middle, x = 118.0, 8.0
    drawing.rect(x, middle - 58, 40, 116, "panel", stroke="muted", rx=2)
    drawing.text(x + 20, middle + 4, "RGB", anchor="middle", size=11.5, fill="muted")
    x += 40
    for channels, side, depth, kernel, pooled in blocks:
        drawing.arrow([(x + 4, middle), (x + 24, middle)])
        x += 26
        _slab(drawing, x, middle - side / 2, depth, side)
        drawing.text(x + depth / 2 + 6, middle + 84, channels, anchor="middle", bold=True)
        drawing.text(x + depth / 2 + 6, middle + 101, kernel, anchor="middle", size=11.5, fill="muted")
        if pooled:
            drawing.text(x + depth / 2 + 6, middle + 118, "pool", anchor="middle", size=11.5, fill="second")
        x += depth + 14
    for units, height in (("4096", 176), ("4096", 176), (str(classes), 18 + 6 * min(classes, 8))):
        drawing.arrow([(x + 4, middle), (x + 24, middle)])
        x += 26
        drawing.rect(x, middle - height / 2, 16, height, "blush", stroke="second", rx=3)
        drawing.text(x + 8, middle + 108, units, anchor="middle", bold=True)
        x += 18
    drawing.text(48, 254, "convolution and ReLU", size=11.5, fill="first")
    drawing.text(582, 254, "fully connected, dropout", anchor="end", size=11.5, fill="second")
    return drawing


def stages(input_px: int, classes: int) -> Drawing:
    """Draw what nearly every image network is: stages that trade resolution for channels, pooling, one linear layer."""
    drawing = Drawing(
        640,
        196,
        f"An image of {input_px} px, a stem, four stages of shrinking resolution and growing depth, pooling, and a "
        f"linear layer with {classes} outputs.",
    )
    middle, x = 86.0, 8.0
    drawing.rect(x, middle - 62, 44, 124, "panel", stroke="muted", rx=2)
    drawing.text(x + 22, middle + 4, f"{input_px} px", anchor="middle", size=10.5, fill="muted")
    x += 44
    for name, side, depth in (
        ("stem", 100, 10),
        ("stage 1", 84, 20),
        ("stage 2", 64, 32),
        ("stage 3", 46, 46),
        ("stage 4", 32, 62),
    ):
        drawing.arrow([(x + 4, middle), (x + 22, middle)])
        x += 24
        _slab(drawing, x, middle - side / 2, depth, side)
        drawing.text(x + depth / 2 + 5, middle + 86, name, anchor="middle", size=12)
        x += depth + 13
    for name, width, height in (("pool", 12, 40), (f"{classes} classes", 16, 18 + 6 * min(classes, 12))):
        drawing.arrow([(x + 4, middle), (x + 24, middle)])
        x += 26
        drawing.rect(x, middle - height / 2, width, height, "blush", stroke="second", rx=3)
        drawing.text(x + width / 2, middle + 86, name, anchor="middle", size=12)
        x += width + 4
    return drawing


def finding(side_px: int, width_px: int, stored_px: int) -> Drawing:
    """Draw how a crop is cut: the field, the leukocyte in it, the square round it, the crop."""
    drawing = Drawing(
        520,
        220,
        f"A field {width_px} px wide with a leukocyte; a square of {side_px} px round its nucleus is cut out and "
        f"stored at {stored_px} px.",
    )
    scale = 260 / width_px
    drawing.rect(1, 8, 260, 195, "blush", stroke="rule", rx=3)
    for x, y in (
        (30, 44),
        (66, 92),
        (24, 150),
        (88, 176),
        (226, 34),
        (232, 168),
        (206, 188),
        (118, 30),
        (54, 118),
        (242, 100),
    ):
        drawing.circle(x, y, 14, "paper", stroke="second")
        drawing.circle(x, y, 5, "blush")
    side = side_px * scale
    left, top = 150 - side / 2, 104 - side / 2
    _leukocyte(drawing, 150, 104, 30)
    drawing.rect(left, top, side, side, "first", stroke="first", opacity=0.06)
    drawing.line(left + side, top, 344, 28, "first", width=0.8, dash="3 3")
    drawing.line(left + side, top + side, 344, 180, "first", width=0.8, dash="3 3")
    drawing.rect(344, 28, 152, 152, "blush", stroke="first", rx=2)
    _leukocyte(drawing, 420, 104, 30 * 152 / side)
    drawing.text(131, 218, f"field, {width_px} px wide", anchor="middle", size=12, fill="muted")
    drawing.text(420, 198, f"crop: {side_px} px of the field,", anchor="middle", size=12, fill="muted")
    drawing.text(420, 214, f"stored at {stored_px} px", anchor="middle", size=12, fill="muted")
    return drawing


def _leukocyte(drawing: Drawing, x: float, y: float, radius: float) -> None:
    drawing.circle(x, y, radius, "wash", stroke="first")
    for dx, dy, size in ((-0.34, -0.22, 0.36), (0.3, -0.28, 0.33), (0.06, 0.34, 0.36)):
        drawing.circle(x + dx * radius, y + dy * radius, size * radius, "first")


def _box(
    drawing: Drawing,
    x: float,
    y: float,
    width: float,
    height: float,
    words: str,
    *,
    fill: str = "wash",
    size: float = 13,
) -> None:
    drawing.rect(x, y, width, height, fill, stroke="first", rx=5)
    drawing.text(x + width / 2, y + height / 2 + 4.5, words, anchor="middle", size=size)


def _slab(drawing: Drawing, x: float, y: float, depth: float, side: float) -> None:
    """Draw a block of features from the side: `side` px high, `depth` px long, a little in perspective."""
    lean = 9.0
    drawing.path(
        f"M{x} {y} l{lean} {-lean} h{depth} l{-lean} {lean} Z "
        f"M{x + depth} {y} l{lean} {-lean} v{side} l{-lean} {lean} Z",
        fill="first",
        stroke="first",
        width=1,
        opacity=0.22,
    )
    drawing.rect(x, y, depth, side, "wash", stroke="first")


def _depth(name: str) -> int:
    found = re.search(r"resne\w*?(\d+)", name)
    return int(found[1]) if found else 0
