"""An object of a class, drawn into a picture: rounded parts, lit from one side, and its shadow."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from fastconv.sample.backdrop import ONE
from fastconv.sample.noise import F32, U8, coloured, cut
from fastconv.sample.objects import COAT, FAMILIES, Part
from fastconv.sample.style import Style

Box: TypeAlias = tuple[int, int, int, int]  # xmin, ymin, xmax, ymax in pixels
Point: TypeAlias = tuple[float, float]  # x, y in pixels


def _pattern(style: Style, x: F32, y: F32, rng: np.random.Generator) -> F32:
    """How much of the second colour the coat shows, 0 ... 1, of the shape of ``x``."""
    height, width = x.shape
    f = style.frequency
    if style.pattern == "plain":
        return np.zeros_like(x)
    if style.pattern in ("spots", "patches", "marble"):
        field = {"spots": "spots", "patches": "clouds", "marble": "natural"}[style.pattern]
        steep = 0.012 if style.pattern == "marble" else 0.08
        wave = (cut(field, rng, height, width).astype(np.float32) - 140) * np.float32(steep)
    else:
        warp = (cut("clouds", rng, height, width).astype(np.float32) - 128) * np.float32(0.008)
        phase = np.float32(rng.uniform(0, 6.28))
        if style.pattern == "stripes":
            wave = np.sin((x + warp * 0.25) * f + phase) * 3
        elif style.pattern == "bands":
            wave = np.sin((y + warp * 0.15) * f + phase) * 3
        elif style.pattern == "rings":
            wave = np.sin(np.sqrt(x * x + y * y) * (f * 1.5) + warp + phase) * 3
        else:
            wave = np.sin(x * f + warp) * np.sin(y * f + warp) * 6
    shown: F32 = np.clip(wave + np.float32(0.5), 0, 1).astype(np.float32)
    return shown


def _part(part: Part, x: F32, y: F32, pixels: float, light: F32) -> tuple[F32, F32]:
    """A part's cover (0 ... 1) and its shading (1 = fully lit) over the points (x, y)."""
    turn = np.deg2rad(part.turn)
    cos, sin = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    dx, dy = x - np.float32(part.x), y - np.float32(part.y)
    u = (dx * cos + dy * sin) / np.float32(part.rx)
    v = (dy * cos - dx * sin) / np.float32(part.ry)
    if part.taper:
        u = u / np.maximum(1 + np.float32(part.taper) * v, np.float32(0.1))
    a, b = u * u, v * v
    power = part.power
    while power > 2:
        a, b, power = a * a, b * b, power // 2
    inside = a + b
    if part.petals:
        inside = inside * (1.25 + 0.55 * np.cos(np.arctan2(v, u) * np.float32(part.petals)))
    edge = np.float32(max((part.rx * part.ry) ** 0.5 * pixels * 1.3 / part.power, 1.2))
    cover: F32 = np.clip((1 - inside) * edge + np.float32(0.5), 0, 1)
    # A rounded body: its normal leans outwards with the distance from the middle.
    nz = np.sqrt(np.maximum(1 - inside, 0))
    nx, ny = u * cos - v * sin, u * sin + v * cos
    facing = np.maximum(nx * light[0] + ny * light[1] + nz * light[2], 0)
    shade: F32 = facing * np.float32(0.85) + np.float32(0.35)
    return cover, shade


def _span(middle: float, reach: float) -> slice:
    return slice(max(int(middle - reach), 0), max(int(middle + reach) + 1, 0))


def paint(
    image: U8,
    style: Style,
    rng: np.random.Generator,
    middle: Point,
    radii: Point,
    light: F32,
) -> Box | None:
    """Draw one object of the class into ``image`` and give its box, or None if none of it shows.

    ``image`` is RGB, uint8 of shape (3, height, width); ``middle`` and ``radii`` are (x, y) in
    pixels; ``light`` is the unit vector towards the light.
    """
    height, width = image.shape[1:]
    (cx, cy), (rx, ry) = middle, radii
    x0, x1 = max(int(cx - rx * 1.3), 0), min(int(cx + rx * 1.3) + 1, width)
    y0, y1 = max(int(cy - ry * 1.2), 0), min(int(cy + ry * 1.2) + 1, height)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return None
    mirror = 1 if rng.random() < 0.5 else -1
    xs = ((np.arange(x0, x1, dtype=np.float32) - cx) / (rx * mirror)).astype(np.float32)
    ys = ((np.arange(y0, y1, dtype=np.float32) - cy) / ry).astype(np.float32)
    lamp = light * np.array((mirror, 1, 1), np.float32)
    shape = (y1 - y0, x1 - x0)
    x, y = np.broadcast_to(xs, shape), np.broadcast_to(ys[:, None], shape)
    grain = cut(style.coat, rng, *shape)
    coat = (_pattern(style, x, y, rng) * 28 + 17) + (grain.astype(np.float32) - 128) * 0.14
    rough = (grain >> 3).astype(np.uint8) + np.uint8(16)
    index = np.zeros(shape, np.uint8)
    cover, shade = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    coat_index = np.clip(coat, 0, 63).astype(np.uint8)
    for part in FAMILIES[style.family][1](style.shape, rng):
        reach = max(part.rx, part.ry) * (1.5 if part.petals or part.taper else 1.05) + 0.03
        window = (
            _span(cy - y0 + part.y * ry, reach * ry),
            _span(cx - x0 + part.x * rx * mirror, reach * rx),
        )
        if not x[window].size:
            continue
        part_cover, part_shade = _part(part, x[window], y[window], min(rx, ry), lamp)
        # Its soft rim shows over the background, but not over the parts behind it.
        mine = part_cover > np.minimum(cover[window], np.float32(0.5))
        source = coat_index if part.band == COAT else rough + np.uint8(64 * part.band)
        np.copyto(index[window], source[window], where=mine)
        np.copyto(shade[window], part_shade, where=mine)
        np.maximum(cover[window], part_cover, out=cover[window])
    solid = cover > 0.5
    columns, rows = np.flatnonzero(solid.any(0)), np.flatnonzero(solid.any(1))
    if len(columns) < 4 or len(rows) < 4:
        return None
    colour = coloured(style.table, index).astype(np.uint16)
    colour *= (shade * ONE).astype(np.uint16)
    colour >>= 7
    np.minimum(colour, 255, out=colour)
    alpha = (cover * 256).astype(np.uint16)
    colour *= alpha
    behind = image[:, y0:y1, x0:x1]
    colour += behind * (256 - alpha)
    colour >>= 8
    behind[:] = colour
    return (
        x0 + int(columns[0]),
        y0 + int(rows[0]),
        x0 + int(columns[-1]) + 1,
        y0 + int(rows[-1]) + 1,
    )


def cast_shadow(image: U8, middle: Point, radii: Point) -> None:
    """Darken the ground of ``image``, uint8 of shape (3, height, width), in a soft ellipse."""
    (cx, cy), (rx, ry) = middle, radii
    x0, x1 = max(int(cx - 1.6 * rx), 0), min(int(cx + 1.6 * rx), image.shape[2])
    y0, y1 = max(int(cy - 1.6 * ry), 0), min(int(cy + 1.6 * ry), image.shape[1])
    if x1 <= x0 or y1 <= y0:
        return
    x = (np.arange(x0, x1, dtype=np.float32) - cx) / rx
    y = (np.arange(y0, y1, dtype=np.float32) - cy) / ry
    dark = 256 - 150 * np.exp(-2 * (x * x)[None, :] - 2 * (y * y)[:, None])
    ground = image[:, y0:y1, x0:x1]
    ground[:] = (ground * dark.astype(np.uint16)) >> 8
