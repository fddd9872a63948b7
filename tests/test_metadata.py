"""A JPEG's metadata: taken out without a change to the pixels, or carried over."""

from __future__ import annotations

import io
import random
import re
import warnings

import numpy as np
import pytest
import simplejpeg
from pictures import Pixels, exif, jpeg_of, pixels_of, shades, turned_jpeg, warned_of, with_segments
from PIL import Image, UnidentifiedImageError
from test_jpeg import EOI, marker_places, segment

from fastconv import _jpeg, metadata

SECRET = b"place and time"
XMP = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + SECRET
ICC = b"ICC_PROFILE\0\1\1" + SECRET
MPF = b"MPF\0II*\0\x08\0\0\0" + SECRET
LIKE_AN_END = b"\xff\xd9\xff\xd8\xff\xda" + SECRET
NOTES = (
    (0xE1, exif(6) + SECRET), (0xE1, XMP), (0xE2, ICC), (0xE2, MPF), (0xFE, SECRET),
    (0xED, b"Photoshop 3.0\0" + SECRET), (0xE0, b"JFXX\0\x10" + SECRET), (0xEE, b"Adobf" + SECRET),
    (0xEF, LIKE_AN_END), (0xFE, LIKE_AN_END * 20), (0xE5, b""), (0xE1, SECRET * 4000),
)  # fmt: skip
PICTURE = shades(43, 59)


def adobe_rgb() -> bytes:
    """Three components that are RGB as they are, which Adobe's segment alone says."""
    data = jpeg_of(PICTURE, keep_rgb=True)
    assert data[data.index(b"Adobe") + 11] == 0
    return data


def scans_apart() -> bytes:
    """Progressive, with tables between its scans."""
    data = jpeg_of(PICTURE, progressive=True)
    first = data.index(b"\xff\xda")
    assert data.count(b"\xff\xc4", first) > 3 and data.count(b"\xff\xda", first) > 3
    return data


WHOLE: dict[str, bytes] = {
    "baseline": jpeg_of(PICTURE),
    "progressive": scans_apart(),
    "gray": jpeg_of(PICTURE[..., :1]),
    "gray progressive": jpeg_of(PICTURE[..., :1], progressive=True),
    "restart markers": jpeg_of(PICTURE, restart_marker_blocks=2),
    "progressive with restarts": jpeg_of(PICTURE, progressive=True, restart_marker_rows=1),
    "Adobe RGB": adobe_rgb(),
    "4:4:4": jpeg_of(PICTURE, subsampling=0, quality=100),
}


def decoded(data: bytes) -> tuple[Pixels, Pixels]:
    """simplejpeg's pixels and Pillow's; none where one does not tolerate what libjpeg warns of."""
    none = np.empty((0, 0, 3), np.uint8)
    try:
        first = pixels_of(data)
    except ValueError:
        first = none
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a multi-picture format that is none
        try:
            with Image.open(io.BytesIO(data)) as image:
                second = np.asarray(image.convert("RGB"))
        except UnidentifiedImageError:
            second = none
    return first, second


def stripped(data: bytes) -> bytes:
    """The same without its metadata, after a look at the pixels and at what is left."""
    left = metadata.stripped(data)
    assert SECRET not in left and len(left) <= len(data)
    assert metadata.stripped(left) == left
    for one, other in zip(decoded(data), decoded(left), strict=True):
        assert np.array_equal(one, other) or not one.size  # a stray byte less is a warning less
    assert _jpeg.scan(left) == _jpeg.scan(data)
    assert _jpeg.look(left)[5] == 1
    return left


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_is_left_of_any_note(name: str) -> None:
    data = WHOLE[name]
    plain = stripped(data)
    for note in NOTES:
        for at in marker_places(data):
            assert stripped(data[:at] + segment(*note) + data[at:]) == plain
    assert stripped(with_segments(data, *NOTES)) == plain
    assert stripped(data[:-2] + segment(0xFE, SECRET) + EOI) == plain[:-2] + b"\xff\xfe\0\2" + EOI


@pytest.mark.parametrize("name", WHOLE)
def test_what_follows_the_end(name: str) -> None:
    data = WHOLE[name]
    for tail in (SECRET, b"\0" * 999, data, with_segments(data, *NOTES), EOI + SECRET, b"\xff"):
        assert stripped(data + tail) == stripped(data)
    assert stripped(data) == data  # what Pillow writes has a JFIF head, and no more


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("between", [b"\xff", b"\xff" * 50, b"\0", b"stray bytes\0", b"\xff\0"])
def test_fill_bytes_and_garbage(name: str, between: bytes) -> None:
    data = WHOLE[name]
    for at in marker_places(data):
        stripped(data[:at] + between + segment(0xE1, SECRET) + data[at:])
        stripped(data[:at] + segment(0xE1, SECRET) + between + data[at:])
    stripped(data[:-2] + between + EOI + SECRET)


@pytest.mark.parametrize("between", [b"\0", b"stray", b"\xff\xff"])
def test_an_image_that_tensorflow_knows_stays_one(between: bytes) -> None:
    """It asks for FF behind the first marker, and finds a stray byte where a note stood before."""
    noted = with_segments(WHOLE["baseline"], (0xFE, SECRET))
    at = noted.index(b"\xff\xe0")
    assert metadata.stripped(noted[:at] + between + noted[at:])[:3] == b"\xff\xd8\xff"
    foreign = b"\xff\xd8\0" + noted[2:]  # it did not know this one before
    assert metadata.stripped(foreign)[:3] == b"\xff\xd8\0"


def test_notes_between_scans() -> None:
    """None of their bytes is left; an empty comment stays, where image data may be cut short."""
    data = WHOLE["progressive"]
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"][1:]
    for at in scans:
        noted = data[:at] + segment(0xE1, exif(6) + SECRET) + segment(0xFE, SECRET) + data[at:]
        assert len(stripped(noted)) == len(data) + 8


def test_notes_in_the_middle_of_image_data() -> None:
    """Damage, which decoders look past: they see image data end there, and must see it so again."""
    chance = random.Random(4)
    for name, data in WHOLE.items():
        start = data.index(b"\xff\xda") + 14
        end = re.compile(rb"\xff[^\x00\xd0-\xd7]").search(data, start)
        assert end is not None
        for _ in range(12):
            at = chance.randrange(start, end.start())
            if data[at - 1] == 0xFF:
                continue
            marker = chance.choice((0xE1, 0xEF, 0xFE))
            noted = data[:at] + segment(marker, SECRET) + data[at:]
            left = metadata.stripped(noted)
            assert SECRET not in left, name
            assert np.array_equal(decoded(noted)[1], decoded(left)[1]), (name, at)


def test_colours_are_the_same_without_notes() -> None:
    """JFIF's head and Adobe's decide how components are turned into colours: they stay."""
    for transform in (0, 1):
        adobe = b"Adobe\0\x64\0\0\0\0" + bytes([transform])
        data = with_segments(WHOLE["baseline"], (0xEE, adobe), (0xE1, SECRET))
        assert adobe in stripped(data)
        headless = data[:2] + data[data.index(b"\xff\xdb") :]  # neither of the two
        stripped(headless)
        no_jfif = headless[:2] + segment(0xEE, adobe) + segment(0xFE, SECRET) + headless[2:]
        assert adobe in stripped(no_jfif)
    assert b"JFIF" in stripped(WHOLE["baseline"])


def test_the_thumbnail_in_jfifs_head() -> None:
    data = WHOLE["baseline"]
    head = data[6:20]
    assert head.startswith(b"JFIF\0")
    with_thumbnail = data[:2] + segment(0xE0, head[:12] + b"\x0e\1" + SECRET * 3) + data[20:]
    assert stripped(with_thumbnail) == data


def test_lengths_that_no_segment_has() -> None:
    """Of what it passes over, libjpeg takes a length below 2 for 2."""
    data = WHOLE["baseline"]
    for length in (b"\0\0", b"\0\1", b"\0\2"):
        for marker in (b"\xff\xe1", b"\xff\xfe"):
            assert stripped(data[:2] + marker + length + data[2:]) == data


def test_random_damage_is_left_to_be_judged() -> None:
    """Nothing is raised, and the verdict of the markers stays what it was."""
    chance = random.Random(1)
    data = with_segments(WHOLE["progressive"], *NOTES[:6])
    for _ in range(500):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 2, 8))):
            changed[chance.randrange(2, len(changed))] = chance.choice((0, 0xFF, 0xE1, 0xD9, 3))
        cut = bytes(changed[: chance.choice((len(changed), chance.randrange(3, len(changed))))])
        left = metadata.stripped(cut)
        assert metadata.stripped(left) == left
        if _jpeg.scan(cut)[0] == 0:
            assert _jpeg.scan(left)[0] == 0


# ---- carried over -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHOLE)
def test_exif_and_colour_profile_are_carried_over(name: str) -> None:
    source = with_segments(WHOLE[name], (0xE1, exif(6)), (0xFE, SECRET), (0xE1, XMP),
                           (0xE2, ICC.replace(b"\1\1", b"\1\2")), (0xE2, MPF),
                           (0xE2, ICC.replace(b"\1\1", b"\2\2")))  # fmt: skip
    for made in (simplejpeg.encode_jpeg(shades(9, 11)), jpeg_of(shades(9, 11, 1)), adobe_rgb()):
        data = metadata.with_notes(made, metadata.notes(source))
        assert np.array_equal(pixels_of(data), pixels_of(made))
        assert data.count(SECRET) == 2 and data.count(b"ICC_PROFILE") == 2
        assert data.startswith(b"\xff\xd8\xff\xe0" if made[3] == 0xE0 else b"\xff\xd8\xff\xe1")
        assert _jpeg.look(data)[5] == 6
        assert metadata.stripped(data) == made
    assert metadata.notes(WHOLE[name]) == b""


def test_real_profiles_are_carried_over() -> None:
    profile = random.Random(3).randbytes(150_000)  # in three segments
    source = jpeg_of(PICTURE, icc_profile=profile, exif=exif(3))
    made = metadata.with_notes(jpeg_of(shades(9, 11)), metadata.notes(warned_of(source)))
    with Image.open(io.BytesIO(made)) as image:
        assert image.info["icc_profile"] == profile
        assert image.getexif()[0x0112] == 3


def test_notes_are_those_before_the_image_data() -> None:
    data = turned_jpeg(PICTURE, 5)
    assert metadata.notes(data) == segment(0xE1, exif(5))
    assert metadata.notes(data[:2] + b"\xff\xff" + data[2:]) == segment(0xE1, exif(5))
    assert metadata.notes(WHOLE["baseline"][:-2] + segment(0xE1, exif(5)) + EOI) == b""
