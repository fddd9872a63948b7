"""The JPEG scan against the twin's walk of the markers, and libjpeg's reading of the header."""

from __future__ import annotations

import ctypes
import io
import mmap
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import simplejpeg
import twin
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fastconv import _jpeg

OK, EMPTY, FOREIGN, NO_FRAME, BAD_FRAME, NO_SCAN, NO_END = range(7)
STATUS = {
    "ok": OK,
    "empty": EMPTY,
    "png": FOREIGN,
    "not-an-image": FOREIGN,
    "no-sof": NO_FRAME,
    "bad-sof": BAD_FRAME,
    "no-scan": NO_SCAN,
    "no-eoi": NO_END,
}
WIDTH, HEIGHT = 41, 33
EOI = b"\xff\xd9"


@contextmanager
def guarded_memory(*, before: bool = False) -> Iterator[memoryview]:
    """Writable pages behind (or before) which comes one that crashes whoever looks at it."""
    size, libc = 4 * mmap.PAGESIZE, ctypes.CDLL(None, use_errno=True)
    pages = mmap.mmap(-1, size + mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
    guard = ctypes.c_void_p(address if before else address + size)
    assert libc.mprotect(guard, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    yield memoryview(pages)[mmap.PAGESIZE :] if before else memoryview(pages)[:size]
    libc.mprotect(guard, ctypes.c_size_t(mmap.PAGESIZE), mmap.PROT_READ | mmap.PROT_WRITE)


def jpeg(mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    noise = Image.frombytes("L", (WIDTH, HEIGHT), random.Random(5).randbytes(WIDTH * HEIGHT))
    noise.convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def sof(marker: int = 0xC0, components: int = 3, height: int = 7, width: int = 9) -> bytes:
    head = b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes((components,))
    return segment(marker, head + b"".join(bytes((n, 0x11, 0)) for n in range(components)))


def sos(*components: int) -> bytes:
    chosen = b"".join(bytes((n, 0)) for n in components)
    return segment(0xDA, bytes((len(components),)) + chosen + b"\x00\x3f\x00")


def with_thumbnail() -> bytes:
    thumbnail = Image.new("RGB", (8, 8), "red")
    small = io.BytesIO()
    thumbnail.save(small, "JPEG")
    whole = jpeg()
    return whole[:2] + segment(0xE1, b"Exif\0\0" + small.getvalue()) + whole[2:]


def scans_apart() -> bytes:
    """Baseline, a scan for each component, with an EOI's look-alike in a table between them."""
    return b"".join((
        b"\xff\xd8", sof(), segment(0xC4, b"table"),
        sos(0), b"data\xff\x00more\xff\xd0again",
        segment(0xC4, b"\x00" + EOI * 3), segment(0xFE, EOI), segment(0xDD, EOI),
        sos(1), b"data", segment(0xE5, b"\xff\xd8" + EOI), sos(2), b"data", EOI,
    ))  # fmt: skip


FILES = {
    "baseline": jpeg(),
    "progressive": jpeg(progressive=True),
    "optimized": jpeg(optimize=True),
    "gray": jpeg("L"),
    "gray progressive": jpeg("L", progressive=True),
    "cmyk": jpeg("CMYK"),
    "cmyk progressive": jpeg("CMYK", progressive=True),
    "restarts": jpeg(restart_marker_blocks=2),
    "restart rows": jpeg(progressive=True, restart_marker_rows=1),
    "4:4:4": jpeg(subsampling="4:4:4", quality=100),
    "thumbnail": with_thumbnail(),
    "comment": jpeg(comment=b"\xff\xd8\xff\xda" + EOI * 9),
    "icc": jpeg(icc_profile=EOI * 500),
}
MADE_BY_HAND = {"scans apart": scans_apart()}
ALL = {**FILES, **MADE_BY_HAND}


def scan(data: bytes) -> int:
    """The scan's status, after a look whether it and the facts are the twin's.

    The two may differ in two ways, on damaged files alone. An SOF that is too short for its own
    components counts as cut off here and as bad there. Of a file with a single scan the end is
    looked at first here, and an EOI there ends it whatever stands before.
    """
    status, height, width, components, _, _ = _jpeg.scan(data)
    facts = twin.jpeg_facts(data)
    if status == NO_FRAME:
        assert facts.verdict in ("no-sof", "bad-sof")
    elif status == OK and data.endswith(EOI):
        assert facts.verdict in ("ok", "no-eoi")
    else:
        assert status == STATUS[facts.verdict]
    if status in (OK, NO_SCAN, NO_END):
        assert (height, width, components) == (facts.height, facts.width, facts.components)
    return status


@pytest.mark.parametrize("name", FILES)
def test_whole_files(name: str) -> None:
    data = FILES[name]
    assert scan(data) == OK
    peers_height, peers_width, space, _ = simplejpeg.decode_jpeg_header(data)
    _, height, width, components, precision, frame = _jpeg.scan(data)
    assert (height, width) == (peers_height, peers_width) == (HEIGHT, WIDTH)
    assert components == {"Gray": 1, "YCbCr": 3}.get(space, 4)
    assert precision == 8
    assert frame == (0xC2 if "progressive" in name or name == "restart rows" else 0xC0)


@pytest.mark.parametrize("name", ALL)
def test_cut_at_every_byte(name: str) -> None:
    data = ALL[name]
    statuses = []
    for size in range(len(data)):
        status = scan(data[:size])
        assert status == _strict(data[:size])
        statuses.append(status)
    assert statuses[:3] == [EMPTY, FOREIGN, NO_FRAME]
    if name in FILES:
        assert statuses[2:] == sorted(statuses[2:])  # the longer, the further it comes
        assert {NO_FRAME, NO_SCAN, NO_END} == set(statuses[2:])
    assert scan(data) == OK


def _strict(data: bytes) -> int:
    return STATUS[twin.jpeg_facts(data).verdict]


@pytest.mark.parametrize("name", ALL)
def test_reads_no_byte_beyond_the_end(name: str) -> None:
    """Each cut stands right before memory that may not be touched."""
    data = ALL[name]
    with guarded_memory() as memory:
        for size in range(1, len(data), 1 if len(data) < 1500 else 7):
            place = memory[len(memory) - size :]
            place[:] = data[:size]
            assert _jpeg.scan(place) == _jpeg.scan(data[:size])


def marker_places(data: bytes) -> list[int]:
    """Offsets of the FFs that begin the segments up to the first scan's."""
    places, at = [], 2
    while data[at + 1] != 0xDA:
        places.append(at)
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return [*places, at]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "between", [b"\xff", b"\xff" * 300, b"\0", b"garbage\0", b"\xff\0", b"\xff\x01"]
)
def test_padding_and_garbage_between_segments(name: str, between: bytes) -> None:
    data = ALL[name]
    for at in marker_places(data):
        changed = data[:at] + between + data[at:]
        assert scan(changed) == OK
        assert _jpeg.scan(changed) == _jpeg.scan(data)
        if name in FILES and between in (b"\xff", b"\xff" * 300, b"\xff\x01"):
            assert simplejpeg.decode_jpeg_header(changed) == simplejpeg.decode_jpeg_header(data)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "behind", [b"\0", b"\0" * 5000, b"\xff", b"text\xff\xda\0", EOI, b"\xff\xd8\xff"]
)
def test_bytes_behind_the_end(name: str, behind: bytes) -> None:
    assert scan(ALL[name] + behind) == OK
    cut = ALL[name][:-2]
    if EOI not in behind and not behind.startswith(b"\xff"):
        assert scan(cut + behind) == NO_END


@pytest.mark.parametrize("name", ALL)
def test_fill_bytes_before_the_end(name: str) -> None:
    cut = ALL[name][:-2]
    assert scan(cut + b"\xff\xff\xff\xd9") == OK
    assert scan(cut + b"\xff\xff\xff\x00\xd9") == NO_END
    assert scan(cut + b"\xff") == NO_END
    assert scan(cut + b"\xff\xff") == NO_END


def test_an_ends_look_alike_in_a_table_does_not_end_a_file() -> None:
    data = scans_apart()
    last = data.rindex(EOI)
    assert data.count(EOI) == 7
    assert scan(data[:last]) == NO_END
    assert scan(data[:last] + b"\xff") == NO_END
    # Cuts inside the tables are left out: a segment that goes beyond the end is taken for damaged
    # image data, and searched. No Huffman table can hold FF D9, so that this meets no real file.
    after_tables = data.index(sos(1))
    for size in [*range(after_tables, data.index(b"\xff\xe5")), *range(data.index(sos(2)), last)]:
        assert scan(data[:size]) == NO_END


def test_a_progressive_file_whose_last_bytes_only_look_like_an_end() -> None:
    """Only of a file with a single scan may the last two bytes be believed unread."""
    start = b"\xff\xd8" + sof(0xC2) + sos(0, 1, 2) + b"data"
    whole = start + segment(0xC4, b"\x00" + EOI + b"more") + sos(0) + b"data" + EOI
    assert scan(whole) == OK
    for marker in (0xC2, 0xC6, 0xCA, 0xCE):
        data = start.replace(b"\xff\xc2", bytes((0xFF, marker)))
        assert _jpeg.scan(data + segment(0xFE, b"words" + EOI))[0] == NO_END
        assert _jpeg.scan(data + segment(0xFE, b"words") + EOI)[0] == OK


def test_damage_between_scans_is_looked_past() -> None:
    """A segment's length that leads beyond the file hides no end (decoders only warn of it)."""
    start = b"\xff\xd8" + sof(0xC2) + sos(0, 1, 2) + b"data"
    assert scan(start + b"\xff\xc4\xff\xfe" + b"data" + EOI) == OK
    assert scan(start + b"\xff\xc4\x00\x01" + b"data" + EOI) == OK
    assert scan(start + b"\xff\x80\x00\x08" + b"data" + EOI) == OK
    assert scan(start + b"\xff\xc0\x00\x08" + EOI) == OK


def test_every_frame_marker() -> None:
    for marker in range(0xC0, 0xD0):
        data = b"\xff\xd8" + sof(marker) + sos(0, 1, 2) + EOI
        if marker in (0xC4, 0xC8, 0xCC):
            assert scan(data) == NO_FRAME
        else:
            assert scan(data) == OK
            assert _jpeg.scan(data) == (OK, 7, 9, 3, 8, marker)


@pytest.mark.parametrize("components", range(256))
def test_every_number_of_components(components: int) -> None:
    data = b"\xff\xd8" + sof(components=components) + sos(0) + EOI
    assert scan(data) == (OK if components in (1, 3, 4) else BAD_FRAME)


@pytest.mark.parametrize("side", [0, 1, 255, 256, 65_535])
def test_sides(side: int) -> None:
    for height, width in ((side, 5), (5, side), (side, side)):
        data = b"\xff\xd8" + sof(height=height, width=width) + sos(0, 1, 2) + EOI
        status, *size = _jpeg.scan(data)[:3]
        assert status == (OK if side else BAD_FRAME) == scan(data)
        assert size == [height, width]


def test_a_frame_header_too_short_for_its_components() -> None:
    whole = sof()
    for length in range(2, len(whole) - 2):
        short = whole[:2] + length.to_bytes(2, "big") + whole[4 : 2 + length]
        assert scan(b"\xff\xd8" + short + sos(0, 1, 2) + EOI) in (NO_FRAME, BAD_FRAME)


def test_only_the_first_frame_header_counts() -> None:
    data = b"\xff\xd8" + sof(height=5) + sof(0xC2, height=6) + sos(0, 1, 2) + EOI
    assert _jpeg.scan(data) == (OK, 5, 9, 3, 8, 0xC0)
    assert scan(data) == OK


def test_a_scan_before_the_frame() -> None:
    assert scan(b"\xff\xd8" + sos(0) + b"data" + sof() + sos(0, 1, 2) + EOI) == NO_FRAME


def test_an_end_before_the_scan() -> None:
    assert scan(b"\xff\xd8" + EOI) == NO_FRAME
    assert scan(b"\xff\xd8" + EOI + sof() + sos(0, 1, 2) + EOI) == NO_FRAME
    assert scan(b"\xff\xd8" + sof() + EOI + sos(0, 1, 2) + EOI) == NO_SCAN


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(9),
        b"GIF89a",
        b"\xff",
        b"\xff\xd9",
        b"\xd8\xff",
        b" \xff\xd8\xff",
    ],
)
def test_what_begins_otherwise(data: bytes) -> None:
    assert scan(data) == FOREIGN
    assert _jpeg.scan(data)[1:] == (0, 0, 0, 0, 0)


def test_a_reason_for_each_status() -> None:
    assert len(_jpeg.REASONS) == 11
    assert len(set(_jpeg.REASONS)) == 11
    assert _jpeg.REASONS[OK] == ""


@pytest.mark.parametrize("name", ALL)
def test_mutations(name: str) -> None:
    chance = random.Random(name)
    data = ALL[name]
    if len(data) > 3000:  # the ICC profile makes one longer; mutate where markers are
        data = data[:100] + data[-2500:]
    found = set()
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(changed))
            match chance.randrange(5):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    changed[at] = 0xFF
                case 2:
                    del changed[at : at + chance.randrange(1, 40)]
                case 3:
                    changed[at:at] = chance.choice((EOI, b"\xff\xda", b"\xff\xc4\0\4", b"\xff\xd8"))
                case 4:
                    del changed[chance.randrange(len(changed) // 2, len(changed)) :]
        found.add(scan(bytes(changed)))
    assert found >= {OK, NO_FRAME, NO_END} or name == "icc"


PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [EOI, b"\xff", b"\xff\0", b"\xff\xd8", b"\xff\xd3", b"\xff\x01", b"\xff\x02\0"]
    ),
    st.sampled_from([sof(), sof(0xC2), sof(components=1), sof(components=2), sos(0), sos(0, 1, 2)]),
    st.tuples(st.integers(0, 255), st.binary(max_size=8)).map(lambda p: segment(*p)),
    st.tuples(st.integers(0xC0, 0xFE), st.integers(0, 20)).map(
        lambda p: bytes((0xFF, p[0], 0, p[1]))
    ),
)


@settings(deadline=None, max_examples=600)
@given(st.lists(PIECES, max_size=12))
def test_any_order_of_markers(pieces: list[bytes]) -> None:
    scan(b"\xff\xd8" + b"".join(pieces))
    scan(b"\xff\xd8" + sof(0xC2) + b"".join(pieces))
    scan(b"\xff\xd8" + sof() + sos(0) + b"".join(pieces))
