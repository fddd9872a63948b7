"""Boxes of images that are turned and cut, against rectangles of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import ORIENTATIONS, Pixels
from test_orient import pillow

from fastconv.geometry import BoxArray, cut, turned

Edges = tuple[int, int, int, int]


def relative(edges: Edges, height: int, width: int) -> BoxArray:
    return np.divide([edges], [[width, height] * 2], dtype=np.float32)


def marked(mask: Pixels) -> Edges:
    """The edges of what is not 0: left, top, right, bottom."""
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@st.composite
def rectangles(draw: st.DrawFn) -> tuple[int, int, Edges]:
    """An image's height and width, and a rectangle in it."""
    height, width = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    right, bottom = draw(st.integers(left + 1, width)), draw(st.integers(top + 1, height))
    return height, width, (left, top, right, bottom)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@settings(deadline=None, max_examples=60)
@given(rectangles())
def test_boxes_follow_their_pixels(orientation: int, case: tuple[int, int, Edges]) -> None:
    height, width, (left, top, right, bottom) = case
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 255
    upright = pillow(mask, orientation)
    expected = marked(upright)
    boxes = turned(relative((left, top, right, bottom), height, width), orientation)
    assert boxes.dtype == np.float32 and boxes.shape == (1, 4) and boxes.flags.c_contiguous
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert np.allclose(boxes, relative(expected, *upright.shape), atol=1e-6)
    in_pixels = np.array([[left, top, right, bottom]], np.float64)
    sides = (upright.shape[1], upright.shape[0])
    assert turned(in_pixels, orientation, *sides).tolist() == [list(expected)]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_whole_images_and_none(orientation: int) -> None:
    whole = np.array([[0, 0, 1, 1]] * 3, np.float32)
    assert np.array_equal(turned(whole, orientation), whole)
    assert turned(np.empty((0, 4), np.float32), orientation).shape == (0, 4)
    # Turned back by what undoes it, and in the order that they had.
    boxes = np.random.default_rng(1).integers(0, 1025, (50, 4)).astype(np.float32) / 1024
    back = {6: 8, 8: 6}.get(orientation, orientation)
    assert np.array_equal(turned(turned(boxes, orientation), back), boxes)


@settings(deadline=None, max_examples=300)
@given(rectangles(), st.data())
def test_what_is_cut_is_what_is_left_of_the_pixels(
    case: tuple[int, int, Edges], data: st.DataObject
) -> None:
    height, width, (left, top, right, bottom) = case
    part = (
        x := data.draw(st.integers(0, width - 1)),
        y := data.draw(st.integers(0, height - 1)),
        data.draw(st.integers(x + 1, width)),
        data.draw(st.integers(y + 1, height)),
    )
    mask = np.zeros((height, width), np.uint8)
    mask[top:bottom, left:right] = 255
    shown = mask[part[1] : part[3], part[0] : part[2]]
    boxes = cut(relative((left, top, right, bottom), height, width), height, width, part)
    assert boxes.dtype == np.float32 and boxes.shape[1:] == (4,) and boxes.flags.c_contiguous
    if not shown.any():
        assert len(boxes) == 0  # not even the sliver that a float32 beside an edge would be
        return
    assert len(boxes) == 1 and ((boxes >= 0) & (boxes <= 1)).all()
    assert np.allclose(boxes, relative(marked(shown), *shown.shape), atol=1e-4)


def test_what_is_left_out_and_what_stays() -> None:
    boxes = np.array(
        [
            [0.0, 0.0, 0.25, 1.0],  # ends where the part begins
            [0.75, 0.0, 1.0, 1.0],  # begins where it ends
            [0.0, 0.0, 1.0, 1.0],
            [0.2, 0.1, 0.3, 0.2],
            [0.5, 0.5, 0.5, 0.9],  # nothing from the beginning
            [0.4, 0.4, 0.6, 0.6],
        ],
        np.float32,
    )
    left = cut(boxes, 100, 200, (50, 0, 150, 100))
    assert np.allclose(left, [[0.0, 0, 1, 1], [0, 0.1, 0.1, 0.2], [0.3, 0.4, 0.7, 0.6]], atol=1e-6)
    assert cut(np.empty((0, 4), np.float32), 10, 10, (0, 0, 5, 5)).shape == (0, 4)
    beyond = np.array([[-0.5, -1, 1.5, 2]], np.float32)  # as slim's own CSV may have them
    assert cut(beyond, 10, 20, (5, 0, 15, 10)).tolist() == [[0, 0, 1, 1]]
