"""The colours of a report, for light and for dark, each with enough contrast against its paper.

A drawing names colours by role (``ink``, ``rule``, ``first`` …); the report defines the roles as CSS variables,
so that one drawing reads well on light paper, on a dark screen and in print. A drawing that stands in a file of its
own gets the light values written in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from buffycoat import taxonomy

LIGHT: dict[str, str] = {
    "paper": "#fdfcfa",
    "panel": "#f5f2ee",
    "ink": "#1d1b22",
    "muted": "#625d69",
    "rule": "#ddd7d3",
    "first": "#5b3a94",  # haematoxylin
    "on-first": "#ffffff",
    "second": "#b8405f",  # eosin
    "wash": "#ece6f4",
    "blush": "#fae9ec",
    "bad": "#b3261e",
    "warn": "#7a4b00",
    "warn-wash": "#fdf0d2",
}
"""Roles on light paper."""

DARK: dict[str, str] = {
    "paper": "#16151a",
    "panel": "#1f1e25",
    "ink": "#e9e6ec",
    "muted": "#a7a1b0",
    "rule": "#3a3743",
    "first": "#b79cf0",
    "on-first": "#1a1424",
    "second": "#f08ba4",
    "wash": "#2b2539",
    "blush": "#3a2229",
    "bad": "#ff8a80",
    "warn": "#f5c66b",
    "warn-wash": "#382c12",
}
"""The same roles on a dark screen."""

_ROLE = re.compile(r"var\(--([a-z0-9-]+)\)")


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two hex colours (WCAG 2.2: 1 to 21; text asks for 4.5, graphics for 3).

    Examples
    --------
    >>> round(contrast("#000000", "#ffffff"), 1)
    21.0
    """
    bright, dim = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def lightened(colour: str, paper: str, least: float) -> str:
    """Return the colour mixed with white until it stands out from a dark paper by the ratio `least`."""
    parts = _parts(colour)
    for step in range(21):
        mixed = "#" + "".join(f"{round(part + (255 - part) * step / 20):02x}" for part in parts)
        if contrast(mixed, paper) >= least:
            return mixed
    return "#ffffff"


def class_roles(classes: Iterable[str]) -> dict[str, str]:
    """Return the role of each class: the name of the CSS variable that holds its colour."""
    return {name: f"k{place}" for place, name in enumerate(classes)}


def palettes(classes: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the roles on light paper and on a dark screen, the classes' colours included."""
    names = tuple(classes)
    light, dark = dict(LIGHT), dict(DARK)
    for name, role in class_roles(names).items():
        light[role] = taxonomy.colour(name, names)
        dark[role] = lightened(light[role], DARK["paper"], 5.0)
    return light, dark


def resolved(markup: str, palette: dict[str, str]) -> str:
    """Return markup with every ``var(--role)`` replaced by the palette's colour."""
    return _ROLE.sub(lambda match: palette.get(match[1], palette["ink"]), markup)


def variables(palette: dict[str, str]) -> str:
    """Return the palette as CSS declarations."""
    return ";".join(f"--{role}:{value}" for role, value in palette.items())


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (value / 255 for value in _parts(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
