"""Which JPEGs can be decoded: no damage gets past with a traceback, or with no pixels."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import Damage
from pictures import jpeg_of, photograph, shades, warned_of
from PIL import Image

from fastconv import _jpeg, verdict
from fastconv.errors import BadImageError
from fastconv.recipe import PIXELS_MAX

SMALL = photograph()[::6, ::6]
GOOD = {
    "baseline": jpeg_of(SMALL),
    "progressive": jpeg_of(SMALL, progressive=True),
    "restarts": jpeg_of(SMALL, restart_marker_rows=1, subsampling=0),
    "grayscale": jpeg_of(shades(61, 83, 1)),
}
OTHER = jpeg_of(shades(50, 70))


def cases(seed: int = 1) -> list[tuple[str, bytes]]:
    return [
        (f"{name}: {what}", data)
        for name, good in GOOD.items()
        for what, data in Damage(good, OTHER, seed)
    ]


def refused(data: bytes) -> str | None:
    """Why a job with --check decode takes a JPEG for a bad image; None where it does not."""
    status, height, width, components, _, _ = _jpeg.look(data)
    if status:
        return _jpeg.REASONS[status]
    if height * width > PIXELS_MAX:
        return "pixels"
    try:
        verdict.check(data, height, width, components)
    except BadImageError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", GOOD)
def test_what_is_whole_is_accepted(name: str) -> None:
    assert refused(GOOD[name]) is None
    assert refused(warned_of(GOOD[name])) is None
    assert refused(GOOD[name] + bytes(100)) is None


@pytest.mark.parametrize("name", GOOD)
def test_what_is_cut_off_is_refused_at_every_length(name: str) -> None:
    good = GOOD[name]
    for size in range(0, len(good) - 2, 7):
        assert refused(good[:size]) is not None


def test_what_is_accepted_has_pixels_and_nothing_else_escapes() -> None:
    accepted = 0
    for what, data in cases():
        if refused(data) is not None:
            continue
        _, height, width, components, sampling, _ = _jpeg.look(data)
        assert sampling >= 0
        if height * width > 1 << 22 or components == 4:
            continue
        space = "GRAY" if components == 1 else "RGB"
        for scale in (1, 2, 8):
            room = bytearray(-(-height // scale) * -(-width // scale) * 3)
            pixels, got = verdict.decode(data, space, (height, width), scale, room)
            assert got in (1, scale), what
            sides = tuple(-(-side // got) for side in (height, width))
            assert pixels.shape == (*sides, 1 if components == 1 else 3), what
            assert pixels.dtype == np.uint8
        accepted += 1
    assert accepted > 100


def test_a_warning_changes_no_pixel() -> None:
    data = GOOD["baseline"]
    height, width = SMALL.shape[:2]
    plain, _ = verdict.decode(data, "RGB", (height, width), 1, bytearray(height * width * 3))
    warned, scale = verdict.decode(
        warned_of(data), "RGB", (height, width), 2, bytearray(height * width * 3)
    )
    assert scale == 1
    assert np.array_equal(plain, warned)


def test_cmyk_with_a_warning_has_the_same_inks() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(SMALL)).convert("CMYK").save(buffer, "JPEG")
    plain = verdict.decode_cmyk(buffer.getvalue())
    assert np.array_equal(plain, verdict.decode_cmyk(warned_of(buffer.getvalue())))


def test_more_samples_than_tensorflow_decodes() -> None:
    with pytest.raises(BadImageError, match="more than TensorFlow decodes"):
        verdict.check(GOOD["baseline"], 20_000, 20_000, 3)


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    """A small file that claims 65,500 x 65,500 pixels, in a process that may not have them."""
    good = GOOD["baseline"]
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
