"""What the sample's objects are made of: families of shapes, each a list of rounded parts.

An object lives in its own frame: x to the right, y down, both about -1 to 1, its feet at y = 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# Bands of an object's colour table: its coat (where the pattern shows), then three plain ones.
COAT, SECOND, LIMB, DARK = 0, 1, 2, 3


@dataclass(frozen=True)
class Part:
    """A superellipse: centre, half axes, turn in degrees; a higher ``power`` has squarer corners.

    ``taper`` narrows it towards its top; ``petals`` scallops its rim that many times.
    """

    x: float
    y: float
    rx: float
    ry: float
    turn: float = 0.0
    power: int = 2
    band: int = COAT
    taper: float = 0.0
    petals: int = 0


Shape = tuple[float, ...]  # a class's own proportions, each 0 ... 1
Recipe = Callable[[Shape, np.random.Generator], list[Part]]


def _quadruped(s: Shape, rng: np.random.Generator) -> list[Part]:
    leg, belly, head, ear = 0.25 + 0.3 * s[0], 0.24 + 0.16 * s[1], 0.17 + 0.1 * s[2], s[3]
    body_y = 1 - 2 * leg - belly * 0.15
    head_x, head_y = 0.72 + rng.uniform(-0.06, 0.06), body_y - 0.3 + rng.uniform(-0.12, 0.25)
    parts = [
        Part(x + rng.uniform(-0.06, 0.06), 1 - leg, 0.08, leg, rng.uniform(-9, 9), 4, LIMB, -0.25)
        for x in (-0.3, 0.27, -0.43, 0.4)
    ]
    return [
        Part(-0.74, body_y - 0.08, 0.3, 0.05 + 0.07 * s[3], rng.uniform(-50, 40), band=SECOND),
        *parts,
        Part(0, body_y, 0.66, belly, rng.uniform(-5, 5)),
        Part(0.52, (body_y + head_y) / 2, 0.18, 0.3, 30),
        Part(head_x - 0.1, head_y - head * 0.9, 0.07, 0.08 + 0.16 * ear, -25, band=LIMB),
        Part(head_x, head_y, head * 1.15, head),
        Part(head_x + head * 0.9, head_y + head * 0.3, head * 0.65, head * 0.5, 10, band=SECOND),
        Part(head_x + head * 1.4, head_y + head * 0.2, head * 0.15, head * 0.13, band=DARK),
        Part(head_x + head * 0.3, head_y - head * 0.3, 0.03, 0.03, band=DARK),
    ]


def _bird(s: Shape, rng: np.random.Generator) -> list[Part]:
    lean = rng.uniform(-25, 5)
    return [
        Part(-0.75, 0.2, 0.4, 0.1 + 0.1 * s[0], lean - 15, 2, LIMB),
        Part(-0.05, 0.75, 0.03, 0.27, rng.uniform(-8, 8), 4, DARK),
        Part(0.12, 0.75, 0.03, 0.27, rng.uniform(-8, 8), 4, DARK),
        Part(0, 0.1, 0.52, 0.3 + 0.16 * s[1], lean),
        Part(-0.15, 0.08, 0.42, 0.17, lean - 12 + rng.uniform(-9, 9), band=LIMB),
        Part(0.82, -0.5, 0.12 + 0.22 * s[2], 0.05, 12, 2, SECOND),
        Part(0.4, -0.2, 0.2, 0.35, 32),
        Part(0.56, -0.5, 0.24, 0.22, band=SECOND if s[3] > 0.5 else COAT),
        Part(0.62, -0.55, 0.04, 0.04, band=DARK),
    ]


def _fish(s: Shape, rng: np.random.Generator) -> list[Part]:
    tall, bend = 0.28 + 0.3 * s[0], rng.uniform(-14, 14)
    return [
        Part(-0.84, -0.2, 0.26, 0.11, 48 + bend, band=SECOND),
        Part(-0.84, 0.2, 0.26, 0.11, -48 + bend, band=SECOND),
        Part(-0.05, -tall, 0.38, 0.12 + 0.16 * s[1], -8, band=LIMB),
        Part(0.05, tall, 0.22, 0.14, 20, band=LIMB),
        Part(0.05, 0, 0.82, tall, bend / 3),
        Part(0.2, 0.1, 0.2, 0.08, 25 + bend, band=SECOND),
        Part(0.6, -0.08, 0.07, 0.07, band=SECOND),
        Part(0.61, -0.08, 0.04, 0.04, band=DARK),
    ]


def _flower(s: Shape, rng: np.random.Generator) -> list[Part]:
    petals, sway = 5 + int(s[0] * 7), rng.uniform(-8, 8)
    return [
        Part(0, 0.55, 0.04, 0.5, sway, 4, LIMB),
        Part(0.25, 0.65, 0.28, 0.09, -30 + sway, band=LIMB),
        Part(-0.25, 0.75, 0.28, 0.09, 30 + sway, band=LIMB),
        Part(0, -0.3, 0.68, 0.66, rng.uniform(0, 90), petals=petals),
        Part(0, -0.3, 0.42, 0.4, rng.uniform(0, 90), band=SECOND, petals=petals),
        Part(0, -0.3, 0.1 + 0.1 * s[1], 0.1 + 0.1 * s[1], band=DARK),
    ]


def _fruit(s: Shape, rng: np.random.Generator) -> list[Part]:
    wide = 0.6 + 0.3 * s[0]
    return [
        Part(0.05, -0.8, 0.035, 0.2, rng.uniform(-20, 20), 4, DARK),
        Part(0.3, -0.78, 0.26, 0.1, rng.uniform(-30, 5), band=LIMB),
        Part(0, 0.15, wide, 0.82, rng.uniform(-15, 15), taper=0.5 * s[1] - 0.25),
    ]


def _car(s: Shape, rng: np.random.Generator) -> list[Part]:
    roof = 0.25 + 0.2 * s[0]
    return [
        Part(-0.1 + 0.2 * s[1], 0.1, 0.55, roof + 0.1, 0, 4, COAT, 0.35),
        Part(-0.1 + 0.2 * s[1] - 0.22, 0.02, 0.19, roof * 0.55, 0, 8, DARK, 0.2),
        Part(-0.1 + 0.2 * s[1] + 0.22, 0.02, 0.19, roof * 0.55, 0, 8, DARK, 0.2),
        Part(0, 0.5, 1.0, 0.28, 0, 8),
        Part(0, 0.68, 1.0, 0.05, 0, 8, LIMB),
        Part(-0.58, 0.74, 0.15, 0.26, band=DARK),
        Part(0.58, 0.74, 0.15, 0.26, band=DARK),
        Part(-0.58, 0.74, 0.08, 0.14, band=SECOND),
        Part(0.58, 0.74, 0.08, 0.14, band=SECOND),
        Part(0.93, 0.45, 0.06, 0.07, band=SECOND),
    ]


def _bottle(s: Shape, rng: np.random.Generator) -> list[Part]:
    wide, neck = 0.35 + 0.3 * s[0], 0.12 + 0.12 * s[1]
    return [
        Part(0, -0.92, neck * 1.15, 0.08, 0, 8, DARK),
        Part(0, -0.6, neck, 0.36, 0, 4, LIMB),
        Part(0, 0.3, wide, 0.7, 0, 4, COAT, 0.25 * s[2]),
        Part(0, 0.4, wide * 0.98, 0.25, rng.uniform(-2, 2), 8, SECOND),
    ]


def _mushroom(s: Shape, rng: np.random.Generator) -> list[Part]:
    return [
        Part(0, 0.4, 0.16 + 0.14 * s[0], 0.6, rng.uniform(-7, 7), 4, SECOND, 0.25),
        Part(0, -0.12, 0.88, 0.16, rng.uniform(-3, 3), band=LIMB),
        Part(0, -0.35, 0.9, 0.36 + 0.24 * s[1], rng.uniform(-5, 5), 2, COAT, 0.3),
    ]


def _butterfly(s: Shape, rng: np.random.Generator) -> list[Part]:
    fold, low = rng.uniform(0.75, 1.0), 0.3 + 0.2 * s[0]
    wings = []
    for side in (-1, 1):
        wings += [
            Part(side * 0.42 * fold, 0.42, 0.36 * fold, low, side * -25, band=SECOND),
            Part(side * 0.52 * fold, -0.32, 0.5 * fold, 0.36 + 0.1 * s[1], side * -35),
            Part(side * 0.62 * fold, -0.42, 0.12, 0.12, band=LIMB),
            Part(side * 0.12, -0.78, 0.015, 0.22, side * 25, 4, DARK),
        ]
    return [*wings, Part(0, 0, 0.07, 0.6, band=DARK)]


def _cabinet(s: Shape, rng: np.random.Generator) -> list[Part]:
    rows, wide = 2 + int(3 * s[0]), 0.55 + 0.35 * s[1]
    step = 1.6 / rows
    parts = [
        Part(-wide * 0.8, 0.85, 0.06, 0.15, 0, 8, DARK),
        Part(wide * 0.8, 0.85, 0.06, 0.15, 0, 8, DARK),
        Part(0, -0.06, wide, 0.88, 0, 8),
        Part(0, -0.94, wide * 1.08, 0.06, 0, 8, LIMB),
    ]
    for row in range(rows):
        y = -0.82 + step * (row + 0.5)
        parts.append(Part(0, y, wide * 0.86, step * 0.42, 0, 8, SECOND if row % 2 else LIMB))
        parts.append(Part(rng.uniform(-0.02, 0.02), y, 0.05, 0.04, band=DARK))
    return parts


def _clock(s: Shape, rng: np.random.Generator) -> list[Part]:
    hour = rng.uniform(0, 360)
    hands = [
        Part(0.22 * np.sin(a), -0.1 - 0.22 * np.cos(a), 0.03, size, float(np.rad2deg(a)), 4, DARK)
        for a, size in ((np.deg2rad(hour), 0.22), (np.deg2rad(hour * 12), 0.3))
    ]
    return [
        Part(0, 0.9, 0.6, 0.1, 0, 8, LIMB),
        Part(0, -0.1, 0.86, 0.88, 0, 2 if s[0] < 0.6 else 4, LIMB, petals=12 if s[1] > 0.6 else 0),
        Part(0, -0.1, 0.72, 0.74),
        Part(0, -0.1, 0.34, 0.34, band=SECOND),
        *hands,
    ]


def _boat(s: Shape, rng: np.random.Generator) -> list[Part]:
    sail = 0.26 + 0.2 * s[0]
    return [
        Part(0.05, -0.15, 0.025, 0.85, rng.uniform(-3, 3), 8, DARK),
        Part(0.05 + sail, -0.2, sail, 0.68, rng.uniform(-5, 5), 2, COAT, 0.75),
        Part(-0.3, -0.05, 0.25, 0.5, rng.uniform(0, 12), 2, SECOND, 0.75),
        Part(0, 0.78, 0.95, 0.22, rng.uniform(-3, 3), 4, LIMB, -0.35),
        Part(0, 0.68, 0.95, 0.05, rng.uniform(-2, 2), 8, SECOND),
    ]


# Each family: how much wider than tall it stands, and its recipe.
FAMILIES: tuple[tuple[float, Recipe], ...] = (
    (1.35, _quadruped),
    (0.7, _bottle),
    (1.5, _fish),
    (0.9, _flower),
    (1.8, _car),
    (1.15, _bird),
    (0.85, _cabinet),
    (1.0, _fruit),
    (1.15, _butterfly),
    (1.0, _mushroom),
    (0.95, _clock),
    (1.0, _boat),
)
