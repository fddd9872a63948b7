"""Images that have to fit into so many bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pictures import exif, facts, jpeg_of, photograph, remade, shades, turned_jpeg, with_segments
from PIL import Image
from test_images import saved

from fastconv.errors import BadImageError
from fastconv.image_options import ImageOptions
from fastconv.remake import Remaker


def noise(height: int, width: int) -> bytes:
    """What JPEG can do least with."""
    pixels = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    return jpeg_of(pixels, quality=100, subsampling=0)


@pytest.mark.parametrize("size", [(600, 800), (800, 3), (3, 900), (1, 5000), (64, 64), (401, 199)])
@pytest.mark.parametrize("quality", [1, 90, 100])
def test_whatever_it_is_it_fits(size: tuple[int, int], quality: int) -> None:
    data = noise(*size)
    for limit in (1024, 1025, 2000, 5000, 20_000):
        for subsampling in ("420", "444"):
            made = remade(data, max_bytes=limit, quality=quality, subsampling=subsampling)
            assert len(made.data) <= limit
            assert made.height <= size[0] and made.width <= size[1]
            assert (made.data == data) == (len(data) <= limit)
            assert bool(made.changes) == (len(data) > limit)


def test_the_smaller_the_limit_the_smaller_the_image() -> None:
    data = jpeg_of(photograph("coffee.png"), quality=95)
    limits = [200_000, 100_000, 50_000, 25_000, 12_000, 6000, 3000, 1500]
    made = [remade(data, max_bytes=limit) for limit in limits]
    sides = [one.height * one.width for one in made]
    assert sides == sorted(sides, reverse=True) and len(set(sides[1:])) == len(sides[1:])
    for one, limit in zip(made, limits, strict=True):
        assert abs(one.width / one.height - 600 / 400) < 0.05
        # Of a photograph it is made no smaller than it must be, by much.
        assert 0.5 * limit < len(one.data) <= limit or one.height == 400


def test_encoding_anew_may_be_enough() -> None:
    data = jpeg_of(photograph("coffee.png"), quality=100, subsampling=0)
    made = remade(data, max_bytes=len(data) - 1, quality=80)
    assert (made.height, made.width, made.changes) == (400, 600, ("encoded anew",))
    exactly = remade(data, max_bytes=len(made.data), quality=80)
    assert exactly.data == made.data
    assert remade(data, max_bytes=len(made.data) - 1, quality=80).changes == ("resized",)


def test_with_other_limits_and_turns() -> None:
    data = turned_jpeg(photograph("coffee.png"), 6, quality=95)
    for options in (
        {"resize": 300},
        {"resize": 300, "resize_mode": "squash"},
        {"max_side": 350},
        {"exif": "apply", "reencode_all": True},
    ):
        free, fitting = remade(data, **options), remade(data, max_bytes=9000, **options)
        assert len(free.data) > 9000 >= len(fitting.data)
        assert fitting.height < free.height and fitting.width < free.width
        assert abs(fitting.height / fitting.width - free.height / free.width) < 0.03
        assert fitting.orientation == free.orientation and fitting.part == free.part
    crop = remade(data, resize=300, resize_mode="crop", max_bytes=9000)
    assert crop.height == crop.width < 300 and len(crop.data) <= 9000
    assert crop.part == (0, 100, 400, 500) and crop.upright == (600, 400)


def test_stripping_may_be_enough() -> None:
    plain = jpeg_of(shades(90, 130))
    data = with_segments(plain, (0xFE, bytes(5000)))
    made = remade(data, exif="strip", max_bytes=len(plain))
    assert (made.data, made.changes) == (plain, ("stripped",))
    smaller = remade(data, exif="strip", max_bytes=len(plain) - 1)
    assert len(smaller.data) < len(plain) and smaller.changes[0] in ("encoded anew", "resized")


def test_what_is_kept_of_the_file_counts_as_well() -> None:
    """Exif data and colour profile go into the same bytes."""
    plain = jpeg_of(photograph("coffee.png"), quality=95)
    data = with_segments(plain, (0xE1, exif(6).ljust(9000, b"\0")))
    for limit in (9700, 10_500, 20_000, 60_000):
        made = remade(data, max_bytes=limit)
        assert len(made.data) <= limit and made.changes == ("resized",)
        assert facts(made.data)[4] == 6
    for limit in (1024, 9000, 9004):
        with pytest.raises(BadImageError, match="fit into --max-bytes") as caught:
            remade(data, max_bytes=limit)
        assert "9004 bytes" in str(caught.value) and "--exif strip" in str(caught.value)
        for option in ("strip", "apply"):
            assert len(remade(data, max_bytes=limit, exif=option).data) <= limit
    with pytest.raises(BadImageError, match="it cannot be made to fit into --max-bytes 9100"):
        remade(data, max_bytes=9100)  # a JPEG of one pixel takes more than what is left


@pytest.mark.parametrize("options", [{}, {"resize": 200}, {"exif": "apply"}])
def test_images_of_other_formats(options: dict[str, Any]) -> None:
    png = saved(Image.fromarray(photograph("coffee.png")), "PNG", exif=exif(6))
    turns = options != {}
    recipe = ImageOptions(max_bytes=20_000, **options).recipe
    made, was = Remaker(recipe).foreign(png)
    assert was == "PNG" and len(made.data) <= 20_000
    assert facts(made.data)[:2] == (made.height, made.width)
    assert (made.height > made.width) == turns
    assert made.orientation == (6 if turns else 1)
    small, _ = Remaker(recipe).foreign(saved(Image.new("RGB", (9, 9)), "PNG"))
    assert (small.height, small.width, small.changes) == (9, 9, ())
