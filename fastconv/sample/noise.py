"""The raw stuff of the sample's textures: tileable noise fields, made once a process."""

from __future__ import annotations

import functools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

U8: TypeAlias = npt.NDArray[np.uint8]
F32: TypeAlias = npt.NDArray[np.float32]

FIELD_SIDE = 1024
# The fields are the same for every sample; what the seed decides is where they are cut.
_FIELDS_SEED = 20120622


def _to_u8(field: F32, spread: float = 50.0) -> U8:
    scaled = (field - field.mean()) * (spread / max(float(field.std()), 1e-6)) + 128.0
    levels: U8 = np.clip(scaled, 0, 255).astype(np.uint8)
    return levels


def _spectral(
    rng: np.random.Generator,
    slope: float,
    stretch_x: float = 1.0,
    stretch_y: float = 1.0,
    band: tuple[float, float] | None = None,
) -> F32:
    """Noise whose amplitude falls as frequency**-slope, or lies in one ``band`` of cycles a field.

    A stretch above 1 draws the texture out along that axis.
    """
    side = FIELD_SIDE
    spectrum = np.fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    fy = np.fft.fftfreq(side, 1 / side)[:, None] * stretch_y
    fx = np.fft.rfftfreq(side, 1 / side)[None, :] * stretch_x
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = 1.0
    if band is None:
        weight = frequency**-slope
    else:
        centre, width = band
        weight = np.exp(-(((frequency - centre) / width) ** 2))
    weight[0, 0] = 0.0
    return np.fft.irfft2(spectrum * weight, s=(side, side)).astype(np.float32)


def _cells(rng: np.random.Generator, cells: int) -> tuple[F32, F32]:
    """Voronoi cells: the distance to the nearest border, and a tone for each cell."""
    side = FIELD_SIDE // 2
    step = side / cells
    points = rng.random((cells, cells, 2)).astype(np.float32)
    tones = rng.random((cells, cells)).astype(np.float32)
    at = (np.arange(side, dtype=np.float32) + 0.5) / step
    home = at.astype(np.int64)
    y, x = at[:, None], at[None, :]
    first = np.full((side, side), 9.0, np.float32)
    second = first.copy()
    tone = np.zeros((side, side), np.float32)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            rows, cols = (home + dy) % cells, (home + dx) % cells
            point = points[rows[:, None], cols[None, :]]
            far = np.hypot(
                (home + dy)[:, None] + point[..., 1] - y, (home + dx)[None, :] + point[..., 0] - x
            ).astype(np.float32)
            nearer = far < first
            second = np.where(nearer, first, np.minimum(second, far))
            tone = np.where(nearer, tones[rows[:, None], cols[None, :]], tone)
            first = np.where(nearer, far, first)
    return np.tile(second - first, (2, 2)), np.tile(tone, (2, 2))


def _masonry(rng: np.random.Generator, width: int, height: int, joint: int, shift: bool) -> F32:
    """Courses of bricks, boards or tiles, each with its own tone, with dark joints. In pixels."""
    y, x = np.mgrid[0:FIELD_SIDE, 0:FIELD_SIDE]
    course = y // height
    x = (x + course * (width // 2 if shift else 0)) % FIELD_SIDE
    tones = rng.random((FIELD_SIDE // height + 1, FIELD_SIDE // width + 1))
    tone = tones[course, x // width] * 1.6
    in_joint = (y % height < joint) | (x % width < joint)
    return np.where(in_joint, -2.2, tone).astype(np.float32)


def _unit(field: F32) -> F32:
    return (field / max(float(field.std()), 1e-6)).astype(np.float32)


@functools.cache
def fields() -> dict[str, U8]:
    """All fields by name: uint8 arrays of shape (2048, 2048), mean near 128.

    Each is a 1024 x 1024 tile repeated twice both ways, so that a cut may begin anywhere.
    """
    rng = np.random.default_rng(_FIELDS_SEED)
    natural = _unit(_spectral(rng, 1.1))
    fine = _unit(_spectral(rng, 0.55))
    clouds = _unit(_spectral(rng, 1.8))
    wood = _unit(_spectral(rng, 1.0, 9.0, 1.0))
    blades = _unit(_spectral(rng, 0.8, 1.0, 3.5))
    edges, tone = _cells(rng, 20)
    leaves, leaf_tone = _cells(rng, 56)
    made = {
        "natural": natural,
        "fine": fine + 0.6 * natural,
        "clouds": clouds + 0.05 * fine,
        "grass": blades + 0.5 * fine + 0.5 * clouds,
        "water": _unit(_spectral(rng, 1.05, 4.0, 1.0)) + 0.25 * fine,
        "fur": _unit(_spectral(rng, 0.7, 3.0, 1.0)) + 0.3 * natural,
        "rock": -np.abs(natural) * 1.4 - np.abs(clouds) + 0.4 * fine,
        "caustics": -np.sqrt(np.abs(_unit(_spectral(rng, 2.2)))) * 2 + 0.2 * natural,
        "cobbles": np.minimum(edges * 4, 1.2) * 1.3 + tone * 0.9 + 0.35 * fine,
        "leaves": np.minimum(leaves * 2.5, 0.9) + leaf_tone * 1.6 + 0.6 * clouds + 0.4 * fine,
        "bricks": _masonry(rng, 64, 32, 4, True) + 0.45 * fine + 0.3 * natural,
        "boards": _masonry(rng, 512, 64, 2, True) * 0.7 + 0.9 * wood + 0.15 * fine,
        "tiles": _masonry(rng, 128, 128, 4, False) * 0.6 + 0.8 * natural + 0.3 * fine,
        "spots": _unit(_spectral(rng, 0, band=(22.0, 6.0))) + 0.1 * fine,
    }
    out = {name: np.tile(_to_u8(field.astype(np.float32)), (2, 2)) for name, field in made.items()}
    grain = rng.standard_normal((FIELD_SIDE, FIELD_SIDE), dtype=np.float32)
    # A sensor's noise is a little smooth after demosaicing.
    grain = grain + 0.5 * (np.roll(grain, 1, 0) + np.roll(grain, 1, 1))
    out["grain"] = np.tile(_to_u8(grain, 32.0), (2, 2))
    return out


def coloured(table: U8, index: U8) -> U8:
    """The colours (256, 3) of ``table`` at ``index``: uint8 of shape (3, *index.shape).

    Pictures are drawn as three planes, which NumPy works through several times faster than
    through interleaved RGB when one factor goes for all three.
    """
    wide = index.astype(np.intp)  # or each of the three look-ups would widen it anew
    out = np.empty((3, *index.shape), np.uint8)
    for channel in range(3):
        np.take(np.ascontiguousarray(table[:, channel]), wide, out=out[channel], mode="clip")
    return out


def cut(name: str, rng: np.random.Generator, height: int, width: int) -> U8:
    """A seeded cut of field ``name``: a uint8 view of shape (height, width), each at most 1024."""
    y, x, flip = (int(v) for v in rng.integers(0, (FIELD_SIDE, FIELD_SIDE, 2)))
    view = fields()[name][y : y + height, x : x + width]
    return view[:, ::-1] if flip else view
