"""A gray image resized, one pixel at a time: Pillow's arithmetic, read beside its description.

Each output pixel is a weighted mean of the source pixels that its filter reaches. A filter is
stretched when it shrinks an image, so that each source pixel counts. Weights are whole multiples of
2**-22, and there are whole levels between the two directions.
"""

from __future__ import annotations

from math import ceil, floor, pi, sin

import numpy as np

ONE = 1 << 22
REACH = {"box": 0.5, "bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}


def _filter(name: str, x: float) -> float:
    far = abs(x)
    if name == "box":
        return float(-0.5 < x <= 0.5)
    if far >= REACH[name]:
        return 0.0
    if name == "bilinear":
        return 1 - far
    if name == "bicubic":  # Keys (1981), a = -1/2
        if far < 1:
            return 1.5 * far**3 - 2.5 * far**2 + 1
        return -0.5 * far**3 + 2.5 * far**2 - 4 * far + 2
    return 1.0 if far == 0 else 3 * sin(pi * far) * sin(pi * far / 3) / (pi * far) ** 2


def _line(line: list[int], size: int, name: str, low: float, high: float) -> list[int]:
    low, high = float(np.float32(low)), float(np.float32(high))
    if low == int(low) and high - low == size:
        return line[int(low) : int(high)]
    scale = float(np.float32(high - low)) / size
    stretch = max(scale, 1.0)
    made = []
    for place in range(size):
        middle = low + (place + 0.5) * scale
        first = max(0, floor(middle - REACH[name] * stretch + 0.5))
        end = min(len(line), floor(middle + REACH[name] * stretch + 0.5))
        weights = [_filter(name, (n - middle + 0.5) * (1 / stretch)) for n in range(first, end)]
        fixed = [weight / sum(weights) * ONE for weight in weights]
        whole = [floor(w + 0.5) if w >= 0 else ceil(w - 0.5) for w in fixed]
        total = sum(w * level for w, level in zip(whole, line[first:end], strict=True))
        made.append(min(255, max(0, (total + ONE // 2) >> 22)))
    return made


def _across(
    rows: list[list[int]], size: int, name: str, low: float, high: float
) -> list[list[int]]:
    return [_line(row, size, name, low, high) for row in rows]


def _turned(rows: list[list[int]]) -> list[list[int]]:
    return [list(column) for column in zip(*rows, strict=True)]


def resized(
    rows: list[list[int]],
    height: int,
    width: int,
    name: str,
    box: tuple[float, float, float, float] | None = None,
) -> list[list[int]]:
    """`rows` of levels, or what of them is in (left, top, right, bottom), in another size."""
    left, top, right, bottom = box or (0, 0, len(rows[0]), len(rows))
    lower, narrower = len(rows) - height, len(rows[0]) - width
    if lower > 0 and lower > 2 * narrower:
        rows = _turned(_across(_turned(rows), height, name, top, bottom))
        return _across(rows, width, name, left, right)
    rows = _across(rows, width, name, left, right)
    return _turned(_across(_turned(rows), height, name, top, bottom))
