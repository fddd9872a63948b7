"""Boxes, when their image is turned or cut.

Boxes are float32 (n, 4): xmin, ymin, xmax, ymax, relative to the image's sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

BoxArray = npt.NDArray[np.float32]

# For each Exif orientation (Exif 2.3, 4.6.4): are x and y exchanged; then, is x mirrored; is y?
TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, True, False),
    7: (True, True, True),
    8: (True, False, True),
}


def turned(boxes: npt.NDArray[Any], orientation: int, width: float = 1, height: float = 1) -> Any:
    """Boxes of an image as it is stored, after it is made upright: of the same shape and dtype.
    `width` and `height` are those of the upright image, in the boxes' unit."""
    exchanged, mirrored_x, mirrored_y = TURNS[orientation]
    x0, y0, x1, y1 = np.asarray(boxes, np.float64).T
    if exchanged:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if mirrored_x:
        x0, x1 = width - x1, width - x0
    if mirrored_y:
        y0, y1 = height - y1, height - y0
    return np.ascontiguousarray(np.stack([x0, y0, x1, y1], axis=1).astype(boxes.dtype))


def cut(boxes: BoxArray, height: int, width: int, part: tuple[int, int, int, int]) -> BoxArray:
    """Boxes of an image of these sides, in the part of it (left, top, right, bottom in pixels) that
    is left: clamped to it, with the four decimals that boxes have; those of which nothing is left
    are dropped."""
    left, top, right, bottom = part
    sides = np.array([width, height, width, height], np.float64)
    origin = np.array([left, top, left, top], np.float64)
    span = np.array([right - left, bottom - top] * 2, np.float64)
    inside = np.clip((boxes * sides - origin) / span, 0.0, 1.0).round(4).astype(np.float32)
    some = (inside[:, 0] < inside[:, 2]) & (inside[:, 1] < inside[:, 3])
    return np.ascontiguousarray(inside[some])
