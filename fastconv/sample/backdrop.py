"""Where the sample's objects stand: a far field above a horizon, and ground below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from fastconv.sample.noise import FIELD_SIDE, U8, coloured, cut, fields

Colour: TypeAlias = tuple[float, float, float]
U16: TypeAlias = npt.NDArray[np.uint16]

ONE = 128  # the light field's fixed point: 128 leaves a colour as it is


@dataclass(frozen=True)
class Place:
    """A kind of background; colours are 0 ... 1 RGB from a texture's darkest to its lightest."""

    far: str
    far_colours: tuple[Colour, ...]
    ground: str
    ground_colours: tuple[Colour, ...]
    # A band of hills, trees or dunes on the horizon; none when empty.
    ridge: str = ""
    ridge_colours: tuple[Colour, ...] = ()
    haze: float = 0.0
    horizon: tuple[float, float] = (0.35, 0.6)  # of the height, from the top


_GREENS = ((0.05, 0.09, 0.03), (0.2, 0.3, 0.1), (0.42, 0.52, 0.22), (0.7, 0.75, 0.4))
_SKY = ((0.2, 0.4, 0.72), (0.42, 0.62, 0.86), (0.78, 0.85, 0.92), (0.98, 0.98, 0.97))
_DUSK = ((0.25, 0.2, 0.38), (0.6, 0.36, 0.4), (0.93, 0.6, 0.36), (1.0, 0.86, 0.6))
_GREY = ((0.12, 0.12, 0.13), (0.33, 0.33, 0.34), (0.55, 0.54, 0.52), (0.8, 0.79, 0.76))
_SAND = ((0.4, 0.28, 0.16), (0.68, 0.52, 0.32), (0.86, 0.72, 0.5), (0.97, 0.89, 0.7))
_SEA = ((0.02, 0.12, 0.18), (0.07, 0.28, 0.36), (0.25, 0.5, 0.56), (0.85, 0.93, 0.92))
_BRICK = ((0.32, 0.28, 0.25), (0.42, 0.17, 0.12), (0.6, 0.28, 0.19), (0.78, 0.5, 0.38))
_WOOD = ((0.16, 0.08, 0.04), (0.4, 0.24, 0.12), (0.6, 0.4, 0.22), (0.8, 0.62, 0.4))
_SNOW = ((0.55, 0.62, 0.75), (0.8, 0.84, 0.9), (0.92, 0.94, 0.97), (1.0, 1.0, 1.0))
_PINE = ((0.02, 0.05, 0.05), (0.08, 0.14, 0.12), (0.18, 0.26, 0.2), (0.5, 0.56, 0.55))
_LEAF = ((0.03, 0.06, 0.02), (0.12, 0.25, 0.06), (0.34, 0.5, 0.12), (0.75, 0.82, 0.4))
_FALL = ((0.14, 0.05, 0.02), (0.45, 0.18, 0.05), (0.74, 0.42, 0.1), (0.94, 0.76, 0.32))
_WALL = ((0.6, 0.56, 0.48), (0.76, 0.72, 0.64), (0.84, 0.81, 0.74), (0.93, 0.91, 0.86))
_TEAL = ((0.01, 0.1, 0.2), (0.03, 0.27, 0.42), (0.12, 0.5, 0.62), (0.6, 0.88, 0.86))
_NIGHT = ((0.01, 0.01, 0.04), (0.05, 0.05, 0.11), (0.13, 0.12, 0.2), (0.4, 0.32, 0.26))
_STONE = ((0.1, 0.08, 0.07), (0.34, 0.29, 0.25), (0.56, 0.5, 0.43), (0.82, 0.77, 0.69))

PLACES: tuple[Place, ...] = (
    Place("clouds", _SKY, "grass", _GREENS, "leaves", _LEAF, 0.3),
    Place("natural", _WALL, "boards", _WOOD, horizon=(0.5, 0.7)),
    Place("clouds", _DUSK, "water", _SEA, "natural", _NIGHT, 0.4),
    Place("bricks", _BRICK, "cobbles", _GREY, horizon=(0.5, 0.68)),
    Place("leaves", _LEAF, "leaves", _FALL, "grass", _GREENS, 0.1, (0.4, 0.65)),
    Place("clouds", _SNOW, "clouds", _SNOW, "grass", _PINE, 0.35),
    Place("caustics", _TEAL, "natural", _SAND, "rock", _TEAL, 0.6, (0.6, 0.8)),
    Place("clouds", _SKY, "water", _SAND, "rock", _BRICK, 0.25),
    Place("boards", _NIGHT, "tiles", _WALL, horizon=(0.4, 0.6)),
    Place("rock", _STONE, "cobbles", _STONE, horizon=(0.35, 0.6)),
    Place("clouds", _SKY, "water", _SEA, "rock", _GREENS, 0.5, (0.25, 0.5)),
)


def ramp(colours: tuple[Colour, ...], gain: npt.NDArray[np.float64], levels: int = 256) -> U8:
    """A colour table: uint8 of shape (levels, 3), straight lines between the colours."""
    at = np.linspace(0, len(colours) - 1, levels)
    table = np.array(colours) * gain
    channels = [np.interp(at, np.arange(len(colours)), table[:, c]) for c in range(3)]
    return np.clip(np.stack(channels, 1) * 255, 0, 255).astype(np.uint8)


def _ground(name: str, rng: np.random.Generator, rows: int, width: int, near: float) -> U8:
    """Field ``name`` as a plane seen aslant: uint8 of shape (rows, width), far at the top."""
    depth = 1.0 / np.linspace(0.22, 1.0, rows)  # 1 at the viewer's feet
    v = ((depth - 1) * rows * 0.8 * near + rng.integers(FIELD_SIDE)).astype(np.int32)
    across = np.arange(width, dtype=np.float32) - width * rng.uniform(0.3, 0.7)
    u = (across[None, :] * (depth * near).astype(np.float32)[:, None]).astype(np.int32)
    u += int(rng.integers(FIELD_SIDE))
    u &= FIELD_SIDE - 1
    u += ((v & (FIELD_SIDE - 1)) * (2 * FIELD_SIDE))[:, None]
    return np.take(fields()[name].reshape(-1), u)


def _light(rng: np.random.Generator, height: int, width: int) -> U16:
    """The light that falls on the place: fixed point of shape (height, width), 128 = as it is."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    tilt_x, tilt_y, vignette = rng.uniform(-22, 22), rng.uniform(-14, 14), rng.uniform(4, 26)
    plane = (x * tilt_x - x * x * vignette) + (y * tilt_y - y * y * vignette + (ONE + 8))
    strength = rng.uniform(0.05, 0.3)
    plane += cut("clouds", rng, height, width) * np.float32(strength) - 128 * strength
    light: U16 = np.clip(plane, 30, 190).astype(np.uint16)
    return light


def backdrop(
    place: Place,
    tint: npt.NDArray[np.float64],
    rng: np.random.Generator,
    height: int,
    width: int,
) -> tuple[U8, int]:
    """One view of ``place``: RGB uint8 of shape (3, height, width), and its horizon's row."""
    gain = tint * rng.uniform(0.8, 1.12)
    horizon = int(height * rng.uniform(*place.horizon))
    image = np.empty((3, height, width), np.uint8)
    far = ramp(place.far_colours, gain)
    image[:, :horizon] = coloured(far, cut(place.far, rng, horizon, width))
    ground = ramp(place.ground_colours, gain)
    near = rng.uniform(0.55, 1.1)
    plane = _ground(place.ground, rng, height - horizon, width, near)
    image[:, horizon:] = coloured(ground, plane)
    if place.ridge:
        tall = int(horizon * rng.uniform(0.25, 0.75)) + 2
        outline = cut("natural", rng, 1, width)[0] * 0.35 + cut("clouds", rng, 1, width)[0] * 0.65
        top = tall - outline.astype(np.int32) * tall // 256
        inside = np.arange(tall)[:, None] >= top[None, :]
        table = ramp(place.ridge_colours, gain)
        band = image[:, horizon - tall : horizon]
        texture = coloured(table, cut(place.ridge, rng, tall, width))
        np.copyto(band, texture, where=inside)
    light = _light(rng, height, width)
    lit = image.astype(np.uint16)
    lit *= light
    lit >>= 7
    if place.haze:
        # Air lightens what is far: most at the horizon, nothing at the viewer's feet.
        depth = int(0.5 * height)
        hazy = lit[:, max(horizon - depth, 0) : horizon + depth]
        rows = np.arange(hazy.shape[1]) - min(horizon, depth)
        reach = np.maximum(np.exp(-np.abs(rows) / (0.16 * height)) - 0.04, 0)
        amount = (reach * place.haze * 256).astype(np.uint16)[:, None]
        np.minimum(hazy, 255, out=hazy)
        hazy *= 256 - amount
        hazy += far[200].astype(np.uint16)[:, None, None] * amount
        hazy >>= 8
    return np.minimum(lit, 255).astype(np.uint8), horizon
