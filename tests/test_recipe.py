"""What sides an image comes to, against the twin's fractions; and which images are kept."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from typing import Any

import pytest
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import exif
from test_jpeg import EOI, segment, sof, sos

from fastconv import _shard
from fastconv._tfrecord import RecordFile
from fastconv.errors import UsageError
from fastconv.image_options import SIDE_MAX, ImageOptions
from fastconv.recipe import MODES, Recipe

# Small sides meet halves and limits often; large ones, what a whole number can hold.
side = st.one_of(st.integers(1, 12), st.integers(1, 700), st.integers(1, SIDE_MAX))


def sides(height: int, width: int, options: dict[str, Any]) -> tuple[int, int]:
    """The recipe's sides, after a look whether they and the part are the twin's."""
    target = ImageOptions(**options).recipe.target(height, width)
    expected = twin.sides(
        height,
        width,
        resize=options.get("resize"),
        mode=options.get("resize_mode", "short"),
        max_side=options.get("max_side"),
    )
    assert (target.height, target.width, target.part) == expected
    return target.height, target.width


@settings(deadline=None, max_examples=500)
@given(side, side, side, st.sampled_from(MODES), st.one_of(st.none(), side))
def test_sides_are_the_twins(
    height: int, width: int, resize: int, mode: str, max_side: int | None
) -> None:
    exact = mode in ("squash", "crop")
    if exact and max_side and max_side < resize:
        max_side = None
    made = sides(
        height,
        width,
        {"resize": resize, "resize_mode": mode, **({"max_side": max_side} if max_side else {})},
    )
    assert min(made) >= 1
    if exact:
        assert made == (resize, resize)
    else:
        assert made[0] <= height and made[1] <= width  # never enlarged
        measured = min if mode == "short" else max
        assert measured(made) <= resize
        assert max(made) <= (max_side or SIDE_MAX)


@settings(deadline=None, max_examples=200)
@given(side, side, side)
def test_a_limit_alone(height: int, width: int, max_side: int) -> None:
    made = sides(height, width, {"max_side": max_side})
    assert max(made) == min(max_side, max(height, width))
    assert made == sides(height, width, {"resize": max_side, "resize_mode": "long"})


@pytest.mark.parametrize(
    ("height", "width", "options", "expected"),
    [
        (500, 375, {"resize": 256}, (341, 256)),
        (375, 500, {"resize": 256}, (256, 341)),
        (4, 10, {"resize": 1}, (1, 3)),  # 2.5 is rounded upwards
        (10, 14, {"resize": 5}, (5, 7)),
        (256, 9000, {"resize": 256}, (256, 9000)),
        (255, 300, {"resize": 256}, (255, 300)),
        (1, 5000, {"resize": 10, "resize_mode": "long"}, (1, 10)),
        (3000, 2000, {"resize": 500, "max_side": 600}, (600, 400)),
        (9, 9, {"resize": 20, "resize_mode": "squash"}, (20, 20)),
        (9, 30, {"resize": 9, "resize_mode": "crop"}, (9, 9)),
    ],
)
def test_known_sides(
    height: int, width: int, options: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert sides(height, width, options) == expected


def test_the_part_of_a_crop_lies_in_the_middle() -> None:
    recipe = ImageOptions(resize=4, resize_mode="crop").recipe
    assert recipe.target(10, 10).part == (0, 0, 10, 10)
    assert recipe.target(10, 13).part == (1, 0, 11, 10)
    assert recipe.target(14, 11).part == (0, 1, 11, 12)


# ---- what the native loop hands over, and what it keeps ---------------------------------------


def claim(height: int, width: int, components: int, orientation: int, stuffing: int) -> bytes:
    """Markers of a whole JPEG, which is all that the loop looks at."""
    notes = segment(0xE1, exif(orientation)) if orientation > 1 else b""
    notes += segment(0xFE, bytes(stuffing))
    frame = sof(components=components, height=height, width=width)
    return b"\xff\xd8" + notes + frame + sos(*range(components)) + b"data" + EOI


def handed_over(folder: Path, images: list[bytes], recipe: Recipe) -> list[bool]:
    """Of each image, whether the loop left it to Python."""
    rows, source = len(images), folder / "images"
    source.write_bytes(b"".join(images))
    path = os.fsencode(source)
    columns: dict[str, Any] = {
        "container": array("i", [0] * rows),
        "offset": array("q", [sum(map(len, images[:row])) for row in range(rows)]),
        "size": array("q", map(len, images)),
        "klass": array("i", [0] * rows),
        "name_start": array("q", range(rows + 1)),
        "name": bytes(rows),
        "box_start": array("q", [0] * (rows + 1)),
        "box": array("f"),
        "container_file": array("i", [0]),
        "container_is_folder": b"\0",
        "path_start": array("q", [0, len(path)]),
        "path": path,
        "label": array("q", [1]),
        "block_start": array("q", [0, 0, 0]),
        "block": b"\0",
    }
    board = memoryview(array("q", [0] * _shard.BOARD_SLOTS))
    out = os.open(folder / "shard", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        file = RecordFile(out, 1 << 16)
        views = {name: memoryview(values) for name, values in columns.items()}
        loop = _shard.ShardLoop(views, (b"x",) * 9, file, board, recipe.limits(), 1)
        left, row = [False] * rows, 0
        while True:
            row, why = loop.run(row, rows)
            if why == _shard.DONE:
                return left
            assert why == _shard.LIMIT
            left[row] = True
            row += 1
    finally:
        os.close(out)


small = st.integers(1, 9)
an_image = st.tuples(
    st.integers(1, 10), st.integers(1, 10), st.sampled_from([1, 3]),
    st.sampled_from([1, 1, 2, 5, 8]), st.sampled_from([0, 900, 2000]),
)  # fmt: skip
some_options = st.fixed_dictionaries(
    {},
    optional={
        "resize": small,
        "resize_mode": st.sampled_from(MODES),
        "max_side": small,
        "max_bytes": st.sampled_from([1024, 1500]),
        "exif": st.sampled_from(["keep", "strip", "apply"]),
        "check": st.sampled_from(["headers", "decode"]),
        "grayscale": st.sampled_from(["keep", "rgb"]),
        "reencode_all": st.booleans(),
    },
)


@settings(deadline=None, max_examples=300)
@given(st.lists(an_image, min_size=1, max_size=25), some_options)
def test_no_image_is_handed_over_or_kept_without_cause(
    tmp_path_factory: pytest.TempPathFactory,
    images: list[tuple[int, int, int, int, int]],
    options: dict[str, Any],
) -> None:
    try:
        asked = ImageOptions(**options)
    except UsageError:
        return
    turns = options.get("exif", "apply" if options.get("resize") else "keep") == "apply"
    always = options.get("reencode_all") or options.get("check") == "decode"
    always = always or options.get("exif") == "strip"
    files, expected = [], []
    for height, width, components, orientation, stuffing in images:
        data = claim(height, width, components, orientation, stuffing)
        upright = (width, height) if turns and orientation > 4 else (height, width)
        due = (
            always
            or sides(*upright, options) != upright
            or (turns and orientation > 1)
            or (components == 1 and options.get("grayscale") == "rgb")
            or len(data) > options.get("max_bytes", len(data))
        )
        files.append(data)
        expected.append(bool(due))
    folder = tmp_path_factory.getbasetemp()
    assert handed_over(folder, files, asked.recipe) == expected


def test_limits_of_bytes_and_sides_are_what_may_be(tmp_path: Path) -> None:
    """At a limit an image is kept, and one beyond it is not."""
    at = claim(30, 40, 3, 1, 2000)
    cases: list[tuple[dict[str, Any], bool]] = [
        ({"max_bytes": len(at)}, False),
        ({"max_bytes": len(at) - 1}, True),
        ({"max_side": 40}, False),
        ({"max_side": 39}, True),
        ({"resize": 30}, False),
        ({"resize": 29}, True),
        ({"resize": 40, "resize_mode": "long"}, False),
        ({"resize": 39, "resize_mode": "long"}, True),
        ({"resize": 30, "resize_mode": "crop"}, True),
        ({}, False),
    ]
    for options, expected in cases:
        assert handed_over(tmp_path, [at], ImageOptions(**options).recipe) == [expected], options
    square = claim(30, 30, 3, 1, 0)
    for mode in ("crop", "squash"):
        for resize in (29, 30, 31):
            recipe = ImageOptions(resize=resize, resize_mode=mode).recipe
            assert handed_over(tmp_path, [square], recipe) == [resize != 30]
