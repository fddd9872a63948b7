"""What sides an image comes to, in fractions: docs/images.md, "Smaller: `--resize N`"."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import NamedTuple


class Sides(NamedTuple):
    """Of the stored image, and the part of the source that it shows: left, top, right, bottom."""

    height: int
    width: int
    part: tuple[int, int, int, int]


def _times(side: int, factor: Fraction) -> int:
    """Rounded, a half upwards; no image has a side of 0."""
    return max(1, floor(side * factor + Fraction(1, 2)))


def _at_most(height: int, width: int, measured: int, limit: int) -> tuple[int, int]:
    """Both sides by the factor that brings the measured one to the limit, if it is longer."""
    factor = Fraction(limit, measured)
    return (height, width) if factor >= 1 else (_times(height, factor), _times(width, factor))


def sides(height: int, width: int, *, resize: int | None, mode: str, max_side: int | None) -> Sides:
    """Of an upright image. `max_side` comes after `resize`, and sees whole pixels."""
    part = (0, 0, width, height)
    if resize and mode == "crop":
        square = min(height, width)
        left, top = floor(Fraction(width - square, 2)), floor(Fraction(height - square, 2))
        part = (left, top, left + square, top + square)
    if resize and mode in ("crop", "squash"):
        height, width = resize, resize
    elif resize:
        measured = min(height, width) if mode == "short" else max(height, width)
        height, width = _at_most(height, width, measured, resize)
    if max_side:
        height, width = _at_most(height, width, max(height, width), max_side)
    return Sides(height, width, part)
