"""One picture of one class: a place, one to three objects of the class in it, and their boxes."""

from __future__ import annotations

import numpy as np

from fastconv.sample.backdrop import PLACES, backdrop
from fastconv.sample.noise import U8, cut
from fastconv.sample.objects import FAMILIES
from fastconv.sample.paint import Box, cast_shadow, paint
from fastconv.sample.style import Style


def draw(style: Style, rng: np.random.Generator, height: int, width: int) -> tuple[U8, list[Box]]:
    """A picture, RGB uint8 of shape (height, width, 3), and the boxes of its 1 to 3 objects.

    Sides are at most 1,024 pixels.
    """
    image, horizon = backdrop(PLACES[style.place], style.tint, rng, height, width)
    count = int(rng.choice((1, 2, 3), p=(0.7, 0.2, 0.1)))
    aspect = FAMILIES[style.family][0]
    lean = rng.uniform(-0.8, 0.8)
    light = np.array((lean, -0.55, 0.65), np.float32)
    light /= np.linalg.norm(light)
    boxes = []
    slot = width / count
    for i in rng.permutation(count):
        room = min(height / 2, slot / 2 / aspect * 1.25)
        ry = room * rng.uniform(0.5, 0.95)
        rx = ry * aspect * rng.uniform(0.9, 1.1)
        cx = slot * (i + 0.5) + rng.uniform(-0.2, 0.2) * slot
        low = max(horizon + 0.25 * (height - horizon), 1.7 * ry)
        feet = min(rng.uniform(low, height * 1.02), height * 1.04)
        feet = max(feet, low)
        cast_shadow(image, (cx - lean * 0.3 * rx, feet - 0.04 * ry), (rx, ry * 0.16))
        box = paint(image, style, rng, (cx, feet - ry), (rx, ry), light)
        if box is not None:
            boxes.append(box)
    noise = int(rng.integers(5, 16))
    grain = cut("grain", rng, height, width).astype(np.int16)
    grain -= 128
    grain *= noise
    grain >>= 6
    noisy = image + grain
    np.clip(noisy, 0, 255, out=noisy)
    picture = np.empty((height, width, 3), np.uint8)
    picture.transpose(2, 0, 1)[:] = noisy
    return picture, boxes
