"""Large images are decoded at a fraction: when, and how little that differs from all of it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import simplejpeg
from pictures import (
    ORIENTATIONS,
    Pixels,
    facts,
    jpeg_of,
    photograph,
    pixels_of,
    remade,
    turned_jpeg,
    warned_of,
)
from test_remake import expected

from fastconv import verdict

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")


class Seen(list[int]):
    """The factors that images were decoded by."""


@pytest.fixture
def factors(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen, decode = Seen(), verdict.decode

    def watched(
        data: bytes, colorspace: str, sides: tuple[int, int], scale: int, buffer: Any
    ) -> tuple[Any, int]:
        pixels, scale = decode(data, colorspace, sides, scale, buffer)
        assert pixels.shape[:2] == tuple(-(-side // scale) for side in sides)
        seen.append(scale)
        return pixels, scale

    monkeypatch.setattr(verdict, "decode", watched)
    return seen


@functools.cache
def large(name: str, height: int, width: int, subsampling: str, orientation: int = 1) -> bytes:
    pixels = photograph(name, height, width)
    if subsampling == "Gray":
        return turned_jpeg(np.ascontiguousarray(pixels[..., 1:2]), orientation, quality=92)
    number = {"444": 0, "422": 1, "420": 2}[subsampling]
    return turned_jpeg(pixels, orientation, quality=92, subsampling=number)


def decibels(one: Pixels, other: Pixels) -> float:
    error = np.square(one.astype(np.float64) - other).mean()
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


def difference(data: bytes, **options: Any) -> float:
    """In dB, of what is made against what a full decode comes to."""
    made = remade(data, quality=100, subsampling="444", **options)
    exact = remade(data, quality=100, subsampling="444", exact=True, **options)
    return decibels(pixels_of(made.data), pixels_of(exact.data))


@pytest.mark.parametrize("subsampling", ["420", "444", "422", "Gray"])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_just_at_and_below_each_boundary(scale: int, subsampling: str, factors: Seen) -> None:
    ratio = 3.0 if subsampling == "422" and scale > 2 else 2.0
    side = int(40 * ratio * scale)
    below = {2: 1, 4: 2, 8: 4}[scale]
    cases = [(side, side + 1, scale), (side, side * 2, scale), (side - 1, side * 2, below)]
    for height, width, due in cases:
        data = large("coffee.png", height, width, subsampling)
        factors.clear()
        assert difference(data, resize=40) > 34
        assert factors == [due, 1]
        # The other way round, and by the long side, where the rounded short side may decide.
        factors.clear()
        remade(large("coffee.png", width, height, subsampling), resize=40)
        assert factors == [due]


def test_when_all_of_an_image_is_decoded(factors: Seen) -> None:
    data = large("coffee.png", 400, 600, "420")
    remade(data, resize=40, filter="box")
    remade(data, resize=40, exact=True)
    remade(data, resize=300)
    remade(data, reencode_all=True)
    for odd in ("440", "411"):
        remade(simplejpeg.encode_jpeg(photograph("coffee.png"), colorsubsampling=odd), resize=40)
    assert factors == [1] * 6
    remade(warned_of(data), resize=40)
    assert factors[-1] == 1  # Pillow's
    remade(data, max_side=60)
    assert factors[-1] == 4
    # A narrow side that shrinks little keeps all of it, however much the other one does.
    remade(large("coffee.png", 400, 50, "420"), resize=40, resize_mode="squash")
    assert factors[-1] == 1


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos"])
def test_photographs_stay_what_they_are(name: str, factors: Seen) -> None:
    """At each factor, near the ratio from which on it is used."""
    found = []
    for photo in NAMES:
        for scale in (2, 4, 8):
            for subsampling in ("420", "444", "422"):
                ratio = 3.0 if subsampling == "422" and scale > 2 else 2.0
                data = large(photo, 401, 599, subsampling)
                factors.clear()
                found.append(difference(data, resize=int(392 / ratio / scale), filter=name))
                assert factors == [scale, 1]
    assert min(found) >= 34, found
    assert np.mean(found) >= 40, found


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("mode", ["short", "crop", "squash"])
def test_turned_and_cut_and_at_a_fraction(mode: str, orientation: int, factors: Seen) -> None:
    """Odd sides, so that the last row and column of a fraction stand for less than a whole pixel,
    and are on another side once they are turned. A shift of half a pixel falls below the limit."""
    for height, width in ((401, 507), (507, 401), (403, 405)):
        data = large("chelsea.png", height, width, "420", orientation)
        for resize, scale in ((98, 2), (46, 4), (24, 8)):
            factors.clear()
            assert difference(data, resize=resize, resize_mode=mode) >= 36
            assert factors == [scale, 1]


def test_large_odd_sides(factors: Seen) -> None:
    for height, width in ((1001, 1003), (1003, 1001)):
        data = large("astronaut.png", height, width, "420", 6)
        for resize, scale in ((250, 2), (125, 4), (62, 8)):
            factors.clear()
            options: dict[str, Any] = {"resize": resize, "resize_mode": "crop"}
            made = remade(data, quality=100, subsampling="444", **options)
            assert factors == [scale]
            assert (made.height, made.width) == (resize, resize)
            pixels, _ = expected(data, **options)
            assert decibels(pixels_of(made.data), pixels) >= 36


def test_a_fraction_of_an_image_that_fits_no_whole_one(factors: Seen) -> None:
    """Every remainder of a side by eight, at the right and lower edge, whose colour is its own."""
    for extra in range(8):
        height, width = 320 + extra, 328 - extra
        pixels = photograph("coffee.png", height, width).copy()
        pixels[:, -16:] = 0
        pixels[-16:] = 255
        data = jpeg_of(pixels, quality=95)
        factors.clear()
        assert difference(data, resize=20, resize_mode="squash") >= 34
        assert factors == [8, 1]


def test_sides_of_what_is_decoded_are_those_of_the_image() -> None:
    """The rule of simplejpeg's that verdict.decode relies on: exactly a half, not 5/8."""
    for height, width in ((1, 1), (7, 9), (16, 17), (63, 65), (100, 333), (15, 700)):
        data = jpeg_of(photograph("coffee.png", height, width))
        assert facts(data)[:2] == (height, width)
        for scale in (1, 2, 4, 8):
            room = bytearray(3 * -(-height // scale) * -(-width // scale))
            pixels, used = verdict.decode(data, "RGB", (height, width), scale, memoryview(room))
            assert used == scale
            assert pixels.shape == (-(-height // scale), -(-width // scale), 3)
            assert bytes(room) == pixels.tobytes()
