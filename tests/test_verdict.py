"""Damaged JPEGs: each is refused with a reason, or gives pixels whatever is done with it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import EOI, cases, put, segments
from pictures import Pixels, exif, jpeg_of, shades, warned_of, with_segments
from PIL import Image
from test_images import saved, ycck

from fastconv import _jpeg, images, metadata, verdict
from fastconv.errors import BadImageError
from fastconv.image_options import ImageOptions
from fastconv.recipe import PIXELS_MAX
from fastconv.remake import Remaker

PICTURE = shades(40, 56)
CMYK = saved(Image.fromarray(PICTURE).convert("CMYK"), "JPEG")
OTHER = jpeg_of(shades(33, 21), subsampling=0)
NOTED = with_segments(jpeg_of(PICTURE, icc_profile=bytes(500)), (0xE1, exif(6)))
BASES = {
    "baseline": jpeg_of(PICTURE),
    "progressive": jpeg_of(PICTURE, progressive=True),
    "gray": jpeg_of(PICTURE[..., :1]),
    "gray progressive": jpeg_of(PICTURE[..., :1], progressive=True),
    "restarts": jpeg_of(PICTURE, restart_marker_blocks=2),
    "progressive restarts": jpeg_of(PICTURE, progressive=True, restart_marker_rows=1),
    "4:4:4 with notes": with_segments(jpeg_of(PICTURE, subsampling=0), (0xFE, b"words")),
    "4:2:2": jpeg_of(PICTURE, subsampling=1, optimize=True),
    "RGB": jpeg_of(PICTURE, keep_rgb=True),
    "noted": NOTED,
    "one block": jpeg_of(shades(7, 5)),
    "CMYK": CMYK,
    "YCCK": ycck(CMYK),
}


def refused(data: bytes) -> str | None:
    """Why an image is bad under --check decode; None where it is none."""
    status, height, width, components, *_ = _jpeg.look(data)
    if status:
        return _jpeg.REASONS[status]
    try:
        images.refuse_bomb(height, width, PIXELS_MAX)
        if components == 4:  # these are decoded in any case, to be stored as RGB
            images.decode(data, PIXELS_MAX)
        else:
            verdict.check(data, height, width, components)
    except BadImageError as error:
        return str(error)
    return None


def damaged(name: str, seed: int = 0, n: int = 4) -> list[tuple[str, bytes]]:
    """All damage to one of BASES but to sizes that take a second and a gigabyte to decode."""
    found = cases(BASES[name], OTHER, seed, n)
    return [(what, data) for what, data in found if what != "size/20000 20000"]


def pixels(data: bytes, scale: int = 1) -> Pixels:
    _, height, width, components, *_ = _jpeg.look(data)
    colours = 1 if components == 1 else 3
    sides = -(-height // scale), -(-width // scale)
    room = memoryview(bytearray(sides[0] * sides[1] * colours))
    space = "GRAY" if components == 1 else "RGB"
    made, used = verdict.decode(data, space, (height, width), scale, room)
    assert made.dtype == np.uint8
    if used != scale:
        assert used == 1
        assert made.shape == (height, width, colours)
    else:
        assert made.shape == (*sides, colours)
    return np.array(made)


RESIZED = Remaker(ImageOptions(resize=9, exif="apply", check="decode").recipe)


@pytest.mark.parametrize("name", BASES)
def test_what_is_accepted_gives_pixels(name: str) -> None:
    verdicts = set()
    for what, data in damaged(name):
        reason = refused(data)
        verdicts.add(reason is None)
        assert reason is None or reason, what
        status, height, width, components, sampling, orientation = _jpeg.look(data)
        if status or components == 4 or height * width > 10_000_000:
            continue
        facts = (height, width, components, sampling, orientation)
        if reason is None:
            whole = pixels(data)
            pixels(data, 8)
            made = RESIZED.jpeg(data, facts)
            assert _jpeg.look(made.data)[:3] == (0, made.height, made.width), what
            left = metadata.stripped(data)
            assert refused(left) is None, what
            assert np.array_equal(pixels(left), whole), what
        elif "cannot be decoded" in reason:
            for scale in (1, 2, 8):  # the same verdict, at whatever size it is asked for
                with pytest.raises(BadImageError):
                    pixels(data, scale)
    assert verdicts == {True, False}


@functools.cache
def all_verdicts(name: str) -> dict[str, set[bool]]:
    """Of each kind of damage, whether some was accepted and some refused."""
    verdicts: dict[str, set[bool]] = {}
    for what, data in damaged(name, n=1):
        verdicts.setdefault(what.partition("/")[0], set()).add(refused(data) is None)
    return verdicts


def test_kinds_of_damage_that_are_known() -> None:
    for name in ("baseline", "progressive", "gray"):
        verdicts = all_verdicts(name)
        for refused in ("cut scan", "cut scan, FF", "cut scan, zeros", "cut between scans"):
            assert verdicts[refused] == {False}, (name, refused)
        for passed in ("whole", "block repeated", "tail", "newlines"):
            assert True in verdicts[passed], (name, passed)
        assert verdicts["precision"] == {False} and verdicts["whole"] == {True}


def test_data_that_ends_too_soon_behind_a_warning() -> None:
    """The markers are whole, but a segment's length leads past the end, and a decoder with it."""
    data = BASES["baseline"]
    assert refused(data) is None and refused(warned_of(data)) is None
    scan = segments(data)[-1]
    middle = (scan.stop + scan.last) // 2
    for marker in (b"\xff\xfe", b"\xff\xe0", b"\xff\xdc"):
        assert refused(put(data, middle, marker + b"\xff\xff", 0)) is not None
        assert refused(warned_of(put(data, middle, marker + b"\xff\xff", 0))) is not None
    assert refused(data[:middle] + EOI) is None  # the rest is gray, as TensorFlow has it
    assert refused(warned_of(data)[: middle + 1]) is not None


def test_reasons_are_for_people() -> None:
    data = bytearray(BASES["baseline"])
    data[data.index(b"\xff\xda") + 5] = 99
    reason = refused(bytes(data))
    assert reason is not None and reason.startswith("it cannot be decoded: ")
    assert "\n" not in reason and "<" not in reason


def test_more_samples_than_tensorflow_takes() -> None:
    """It counts components as well, and says so before anything is decoded."""
    data = BASES["baseline"]
    with pytest.raises(BadImageError, match="13400 x 13400 pixels are more than TensorFlow"):
        verdict.check(data, 13_400, 13_400, 3)
    verdict.check(data, 40, 56, 3)
    at = data.index(b"\xff\xc0") + 5
    bomb = put(data, at, b"\xff\xdc\xff\xdc")
    assert refused(bomb) is not None


@pytest.mark.parametrize("name", BASES)
def test_what_is_cut_off_is_refused_at_every_length(name: str) -> None:
    good = BASES[name]
    for size in range(0, len(good) - 2, 7):
        assert refused(good[:size]) is not None


def test_a_warning_changes_no_pixel() -> None:
    for name in ("baseline", "progressive", "gray", "4:2:2", "RGB"):
        data = BASES[name]
        assert np.array_equal(pixels(data), pixels(warned_of(data))), name
        assert np.array_equal(pixels(data), pixels(warned_of(data), 2)), name
    for name in ("CMYK", "YCCK"):
        plain = verdict.decode_cmyk(BASES[name])
        assert np.array_equal(plain, verdict.decode_cmyk(warned_of(BASES[name]))), name


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """A small file that claims 65,500 x 65,500 pixels, in a process that may not have them."""
    good = BASES["baseline"]
    frame = good.index(b"\xff\xc0")
    bomb = good[: frame + 5] + (65_500).to_bytes(2, "big") * 2 + good[frame + 9 :]
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "bomb.jpg").write_bytes(bomb)
    (tmp_path / "in" / "a" / "good.jpg").write_bytes(good)
    command = [sys.executable, "-m", "fastconv", "shards", str(tmp_path / "in")]
    limited = ["sh", "-c", 'ulimit -v 3000000; exec "$@"', "sh", *command]
    said = subprocess.run(
        [*limited, "--out", str(tmp_path / "out"), "--resize", "32", "--check", "decode"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        check=False,
    )
    assert said.returncode == 3
    assert "bomb.jpg: bad image: its 65500 x 65500 pixels are more than the 178956970" in (
        said.stderr
    )
    assert "Traceback" not in said.stderr
