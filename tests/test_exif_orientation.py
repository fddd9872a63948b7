"""What a JPEG's Exif data says of its orientation, and its header of its sampling."""

from __future__ import annotations

import io
import random
import struct

import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import ORIENTATIONS, exif, facts, jpeg_of, shades, with_segments
from PIL import Image, JpegImagePlugin
from test_jpeg import EOI, guarded_memory, segment, sof, sos

from fastconv import _jpeg

PLAIN = jpeg_of(shades(24, 40))
BARE = b"\xff\xd8" + sof() + sos(0, 1, 2) + EOI


def ours(*contents: bytes, marker: int = 0xE1) -> int:
    """What is read of a JPEG with these segments, before memory that may not be touched."""
    data = with_segments(BARE, *((marker, content) for content in contents))
    return _jpeg.look(data)[5]


def pillows(*contents: bytes) -> int:
    data = with_segments(PLAIN, *((0xE1, content) for content in contents))
    with Image.open(io.BytesIO(data)) as image:
        found = image.getexif().get(0x0112, 1)
    return found if found in ORIENTATIONS else 1


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", [3, 4])
@pytest.mark.parametrize("orientation", [*ORIENTATIONS, 0, 9, 255, 256, 0x0600, 65_535])
def test_every_orientation_is_pillows(orientation: int, kind: int, big: bool) -> None:
    content = exif(orientation, big=big, kind=kind)
    assert ours(content) == pillows(content)
    assert ours(content) == (orientation if orientation in ORIENTATIONS else 1)


def test_an_orientation_of_many_bytes_is_none() -> None:
    for big in (False, True):
        assert ours(exif(0x0006_0000, big=big, kind=4)) == 1
        assert ours(exif(0x0100_0006, big=big, kind=4)) == 1
        assert ours(exif(6, big=big, kind=1)) == 1  # a BYTE is no orientation


def test_where_it_is_looked_for() -> None:
    six, three = exif(6), exif(3)
    assert ours(six, three) == pillows(six, three) == 6  # of two the first counts
    assert ours(b"http://ns.adobe.com/xap/1.0/\0<x/>", six) == 6
    assert ours(exif(1), six) == 1
    assert ours(b"Exif\0\0", six) == 1
    assert ours(b"Exif\0", six) == 6  # too short to be one
    assert ours(b"exif\0\0" + six[6:]) == ours(b"Exif\0\1" + six[6:]) == 1
    for marker in (0xE0, 0xE2, 0xEF, 0xFE):
        assert ours(six, marker=marker) == 1
    behind = PLAIN[:-2] + segment(0xE1, six) + EOI
    assert _jpeg.look(behind)[5] == 1
    fill = with_segments(BARE, (0xE1, six))
    assert _jpeg.look(fill[:2] + b"\xff\xff" + fill[2:])[5] == 6


@pytest.mark.parametrize(
    "name", ["II", "MM", "II+\0", "MM\0+", "IM*\0", "\0\0*\0", "II\0*", "MM*\0"]
)
def test_other_byte_orders_are_none(name: str) -> None:
    for big in (False, True):
        content = exif(6, big=big)
        changed = content[:6] + name.encode() + content[6 + len(name) :]
        expected = 6 if changed == content else 1
        assert ours(changed) == expected


@pytest.mark.parametrize("big", [False, True])
def test_a_directory_anywhere(big: bool) -> None:
    """Its offset can lead backwards, forwards, to the last byte, and beyond the end."""
    content = exif(6, big=big)
    order = ">" if big else "<"
    directory = content[14:]
    for offset in (8, 9, 100, 5000):
        moved = content[:10] + struct.pack(f"{order}I", offset) + bytes(offset - 8) + directory
        assert ours(moved) == 6
    size = len(content) - 6
    for offset in (0, 4, size - 3, size - 2, size - 1, size, size + 1, 1 << 31, 0xFFFF_FFFF):
        assert ours(content[:10] + struct.pack(f"{order}I", offset) + content[14:]) == 1
    for count, found in ((0, 1), (1, 1), (2, 6), (3, 6), (65_535, 6)):
        claimed = content[:14] + struct.pack(f"{order}H", count) + content[16:]
        assert ours(claimed) == found
        nothing = claimed.replace(struct.pack(f"{order}H", 0x0112), b"\1\1")
        assert ours(nothing) == 1


@pytest.mark.parametrize("big", [False, True])
def test_cut_at_every_byte_and_read_no_further(big: bool) -> None:
    """The Exif segment is the file's last, and stands right before memory that crashes."""
    content = exif(6, big=big)
    entry_ends = 6 + 8 + 2 + 12 + 12
    with guarded_memory() as memory:
        for size in range(len(content) + 1):
            data = b"\xff\xd8" + segment(0xE1, content[:size])
            place = memory[len(memory) - len(data) :]
            place[:] = data
            assert _jpeg.look(place)[5] == (6 if size >= entry_ends else 1)
            assert ours(content[:size]) == (6 if size >= entry_ends else 1)


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=40), st.booleans(), st.integers(0, 2**32))
def test_damage_is_read_within_its_segment(noise: bytes, big: bool, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(exif(chance.randrange(10), big=big) + noise)
    for _ in range(chance.randrange(6)):
        content[chance.randrange(6, len(content))] = chance.choice(
            (0, 1, 255, chance.randrange(256))
        )
    with guarded_memory() as memory:
        data = b"\xff\xd8" + segment(0xE1, bytes(content))
        place = memory[len(memory) - len(data) :]
        place[:] = data
        assert _jpeg.look(place)[5] in ORIENTATIONS


# ---- sampling ---------------------------------------------------------------------------------

SAMPLINGS = {"444": 0x11, "422": 0x21, "420": 0x22, "440": 0x12, "411": 0x41}


@pytest.mark.parametrize("name", SAMPLINGS)
def test_samplings_are_simplejpegs(name: str) -> None:
    data = simplejpeg.encode_jpeg(shades(33, 35), colorsubsampling=name)
    assert facts(data) == (33, 35, 3, SAMPLINGS[name], 1)
    assert simplejpeg.decode_jpeg_header(data)[3] == name


@pytest.mark.parametrize("number", [0, 1, 2])
def test_samplings_are_pillows(number: int) -> None:
    for progressive in (False, True):
        data = jpeg_of(shades(33, 35), subsampling=number, progressive=progressive)
        with Image.open(io.BytesIO(data)) as image:
            assert JpegImagePlugin.get_sampling(image) == number
        assert facts(data)[3] == (0x11, 0x21, 0x22)[number]


def test_other_samplings_have_no_name() -> None:
    """A grayscale image's own factors say nothing; chroma of more samples than one is odd."""
    assert facts(jpeg_of(shades(8, 8, 1)))[2:4] == (1, 0x11)
    at = len(b"\xff\xd8") + 2 + 2 + 6 + 1
    for first in (0x11, 0x14, 0x24, 0x42, 0x44, 0x31):
        data = bytearray(BARE)
        data[at] = first
        assert _jpeg.look(data)[4] == first
        for other in (at + 3, at + 6):
            odd = bytearray(data)
            odd[other] = 0x21
            assert _jpeg.look(odd)[4] == 0


# ---- kinds that are not read ------------------------------------------------------------------


def test_kinds_that_no_decoder_reads() -> None:
    read = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
    for marker in set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}:
        data = b"\xff\xd8" + sof(marker) + sos(0, 1, 2) + EOI
        status, height, width, *_ = _jpeg.look(data)
        assert (height, width) == (7, 9)
        assert (status == 0) == (marker in read)
        assert "lossless" in _jpeg.REASONS[status] or marker in read
        for bits in (0, 2, 7, 9, 12, 16, 255):
            deep = data.replace(b"\x08\x00\x07\x00\x09", bytes([bits]) + b"\x00\x07\x00\x09")
            assert "8 bits a sample" in _jpeg.REASONS[_jpeg.look(deep)[0]]
