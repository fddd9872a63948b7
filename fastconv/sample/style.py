"""What the pictures of one class have in common."""

from __future__ import annotations

import colorsys
import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fastconv.sample.backdrop import PLACES, Colour, ramp
from fastconv.sample.noise import U8
from fastconv.sample.objects import FAMILIES

PATTERNS = ("plain", "stripes", "spots", "rings", "checks", "marble", "patches", "bands")


@dataclass(frozen=True)
class Style:
    """What all pictures of a class share."""

    family: int
    place: int
    pattern: str
    frequency: float
    coat: str  # the fine texture of the coat
    shape: tuple[float, ...]
    table: U8  # (256, 3): four bands of 64 colours
    tint: npt.NDArray[np.float64]


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


def _shades(colour: Colour) -> tuple[Colour, ...]:
    red, green, blue = colour
    return (red * 0.7, green * 0.7, blue * 0.7), colour, (red * 1.2, green * 1.2, blue * 1.2)


@functools.lru_cache(maxsize=1024)
def style_of(seed: int, rank: int) -> Style:
    """The style of the sample's class number ``rank``, counted from 0.

    Families, places and patterns turn at coprime paces, so that neighbours differ in all.
    """
    turn = np.random.default_rng((seed, 7)).integers(0, 10_000, 3)
    rng = np.random.default_rng((seed, 8, rank))
    hue = float(turn[0]) / 10_000 + rank * 0.618034
    second = hue + float(rng.choice((0.08, 0.33, 0.5, -0.12)))
    # Few things outdoors are as vivid as paint.
    vivid, dark = rng.uniform(0.3, 0.7), rng.uniform(0.5, 0.85)
    pale = _hsv(second, rng.uniform(0.05, 0.4), rng.uniform(0.75, 0.95))
    coat = (_hsv(hue, vivid, dark * 0.6), _hsv(hue, vivid, dark), pale, pale)
    accent = _hsv(second, rng.uniform(0.25, 0.6), rng.uniform(0.45, 0.85))
    limb = _hsv(hue + 0.04, vivid * 0.8, dark * 0.55)
    bands = [coat, *(_shades(c) for c in (accent, limb, (0.1, 0.09, 0.1)))]
    table = np.concatenate([ramp(band, np.ones(3), 64) for band in bands])
    return Style(
        family=(rank + int(turn[1])) % len(FAMILIES),
        place=(rank * 4 + rank // 12 + int(turn[2])) % len(PLACES),
        pattern=PATTERNS[(rank * 3 + rank // 8) % len(PATTERNS)],
        frequency=float(rng.uniform(5, 13)),
        coat=("fur", "natural", "fine", "leaves")[int(rng.integers(4))],
        shape=tuple(float(v) for v in rng.random(4)),
        table=table,
        tint=1 + rng.uniform(-0.12, 0.12, 3),
    )
