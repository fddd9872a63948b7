"""Images turned upright, against Pillow's ImageOps.exif_transpose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from test_jpeg import guarded_memory
from test_resample import gray, guarded, noise

from fastconv import _resample

Pixels = npt.NDArray[np.uint8]
ORIENTATION = 0x0112  # EXIF's tag
every_way = pytest.mark.parametrize("orientation", range(1, 9))


def pillow(pixels: Pixels, orientation: int) -> Pixels:
    image = Image.fromarray(pixels)
    image.getexif()[ORIENTATION] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def ours(pixels: Pixels, orientation: int) -> Pixels:
    height, width = pixels.shape[:2]
    size = (width, height) if orientation >= 5 else (height, width)
    out = np.full((*size, *pixels.shape[2:]), 77, np.uint8)
    _resample.orient(pixels, out, orientation)
    return out


@every_way
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 100), st.integers(1, 100), st.sampled_from([1, 3]))
def test_every_orientation_is_pillows(orientation: int, h: int, w: int, channels: int) -> None:
    pixels = noise(h, w, channels)
    assert np.array_equal(ours(pixels, orientation), pillow(pixels, orientation))


@every_way
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (63, 65), (64, 128), (65, 63)])
def test_edges_of_a_tile(orientation: int, size: tuple[int, int]) -> None:
    for channels in (1, 3):
        pixels = noise(*size, channels)
        assert np.array_equal(ours(pixels, orientation), pillow(pixels, orientation))


def test_an_axis_of_one_channel_is_an_image_too() -> None:
    pixels = noise(5, 9, 1)
    assert np.array_equal(ours(pixels[:, :, None], 6)[:, :, 0], ours(pixels, 6))


@pytest.mark.parametrize("last", [True, False])
@every_way
def test_touches_no_byte_beyond_the_ends(orientation: int, last: bool) -> None:
    with guarded_memory(before=not last) as memory, guarded_memory(before=not last) as other:
        for h, w, channels in [(1, 1, 3), (33, 65, 3), (65, 129, 1), (64, 64, 3)]:
            pixels = noise(h, w, channels)
            expected = pillow(pixels, orientation)
            source = guarded(memory, pixels, last=last)
            out = guarded(other, np.zeros_like(expected), last=last)
            _resample.orient(source, out, orientation)
            assert np.array_equal(out, expected)
        del source, out


@pytest.mark.parametrize("orientation", [-1, 0, 9, 1 << 20])
def test_other_orientations_are_errors(orientation: int) -> None:
    with pytest.raises(ValueError, match="EXIF orientation"):
        _resample.orient(gray(2, 3), gray(2, 3), orientation)


@pytest.mark.parametrize(
    ("out", "orientation"),
    [(gray(2, 3), 6), (gray(3, 2), 3), (gray(3, 2, 1), 6), (gray(2, 3, 3), 1), (gray(2, 4), 1)],
)
def test_an_output_of_another_size_is_an_error(out: Pixels, orientation: int) -> None:
    with pytest.raises(ValueError, match="out: it must be"):
        _resample.orient(gray(2, 3), out, orientation)


def test_memory_may_not_be_shared() -> None:
    pixels = gray(4, 4)
    with pytest.raises(ValueError, match="share"):
        _resample.orient(pixels, pixels, 3)
    with pytest.raises(ValueError, match="read-only"):
        frozen = gray(4, 4)
        frozen.flags.writeable = False
        _resample.orient(pixels, frozen, 3)
