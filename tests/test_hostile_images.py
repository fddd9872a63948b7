"""Images that nobody means well with (the scan of markers alone: test_jpeg.py; damage of every
kind to JPEGs that are decoded: test_verdict.py)."""

from __future__ import annotations

import gzip
import io
import pickle
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hostile import Command, refused, stored
from layouts import JPEG
from PIL import Image, ImageFile
from pictures import exif, jpeg_of, shades, warned_of, with_segments
from test_images import png

from fastconv import _jpeg, images, metadata, verdict
from fastconv.errors import BadImageError
from fastconv.image_options import ImageOptions
from fastconv.recipe import FILE_BYTES_MAX, PIXELS_MAX
from fastconv.remake import Remaker

__all__ = ["refused", "stored"]
ROOT = Path(__file__).resolve().parent.parent
SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF = JPEG.index(b"\xff\xc0")
SOS = JPEG.index(b"\xff\xda")
DHT = JPEG.index(b"\xff\xc4")


def put(at: int, *values: int, data: bytes = JPEG) -> bytes:
    return data[:at] + bytes(values) + data[at + len(values) :]


def scan_header(*spectrum: int) -> bytes:
    return b"\xff\xda\0\x08\1\1\0" + bytes(spectrum)


def many_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG of side × side gray pixels, each scan of which is a run of empty blocks,
    15 bits for up to 16,384 of them: a byte of file for some ten thousand pixels to go through."""
    whole = jpeg_of(shades(16, 16, 1), progressive=True)
    frame = whole.index(b"\xff\xc2")
    head = put(frame + 5, *struct.pack(">HH", side, side), data=whole)[: whole.index(b"\xff\xda")]
    blocks = (-(-side // 8)) ** 2
    one_code = b"\xff\xc4\0\x14%c" + b"\1" + bytes(15)
    head += one_code % 0x10 + b"\xe0" + one_code % 0 + b"\0"
    run = scan_header(1, 63, 0) + bytes((blocks // (1 << 14) + 1) * 15 // 8 + 1)
    return head + scan_header(0, 0, 0) + bytes(-(-blocks // 8)) + run * scans + EOI


def gif(width: int, height: int, before: bytes = b"", frame: tuple[int, int] = (1, 1)) -> bytes:
    head = b"GIF89a" + struct.pack("<HH3x", width, height) + before
    return head + b"," + struct.pack("<4HB", 0, 0, *frame, 0) + b"\2\2\x44\1\0;"


def tiff(*entries: tuple[int, int, int, int], then: int = 0, pixels: int = 64) -> bytes:
    """A TIFF of 8 × 8 gray pixels with more (tag, type, count, value) in its directory, and what
    that says of the next."""
    standard = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 8, 279: pixels}
    rows = {tag: (tag, 4, 1, value) for tag, value in standard.items()}
    rows |= {entry[0]: entry for entry in entries}
    body = b"".join(struct.pack("<HHLL", *rows[tag]) for tag in sorted(rows))
    head = struct.pack("<2sHL", b"II", 42, 8 + pixels) + bytes(pixels)
    return head + struct.pack("<H", len(rows)) + body + struct.pack("<L", then)


def png_of(width: int, height: int, idat: bytes, *more: tuple[bytes, bytes]) -> bytes:
    head = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return png([(b"IHDR", head), *more, (b"IDAT", idat), (b"IEND", b"")])


ICO_PNG = png_of(20_000, 20_000, zlib.compress(bytes(1 << 16)))
EXIF_LOOP = b"Exif\0\0II*\0\x08\0\0\0\2\0" + struct.pack(
    "<HHLLHHLLL", 0x8769, 4, 1, 8, 0x0112, 3, 1, 6, 8
)

# What is looked at, as it is kept: by markers.
BY_MARKERS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "a byte": (b"\xff", "is no image that"),
    "SOI": (SOI, "cut off before its frame header"),
    "SOI and EOI": (SOI + EOI, "cut off before its frame header"),
    "segment of length 0": (put(DHT + 2, 0, 0), "cut off before its f"),
    "segment of length 1": (put(DHT + 2, 0, 1), "cut off before its f"),
    "segment of length 65535": (put(DHT + 2, 255, 255), "cut off before its f"),
    "frame without components": (put(SOF + 9, 0), "gives no size, or a number of components"),
    "2 components": (put(SOF + 9, 2), "a number of components that no image has"),
    "5 components": (put(SOF + 9, 5), "cut off before its frame header"),
    "255 components": (put(SOF + 9, 255), "cut off before its frame header"),
    "0 high": (put(SOF + 5, 0, 0), "gives no size"),
    "0 wide": (put(SOF + 7, 0, 0), "gives no size"),
    "65535 x 65535": (put(SOF + 5, 255, 255, 255, 255), "65535 x 65535 pixels are more than the"),
    "no end": (JPEG[:-2], "no EOI marker"),
    "HTML": (b"<!doctype html><html><body>404</body></html>", "is no image that fastconv or"),
    "SVG": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "is no image that"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "is no image"),
    "Photoshop EPS": (b"\xc5\xd0\xd3\xc6" + struct.pack("<6L", 32, 9, 0, 0, 0, 0), "is no image"),
    "FITS of gzip": (b"SIMPLE  =                    T".ljust(2880) + gzip.compress(bytes(1 << 20)),
                     "is no image"),
    "zeros": (bytes(4096), "is no image"),
    "gzip": (gzip.compress(bytes(9999)), "is no image"),
    "a GIF of 4 gigapixels": (gif(65_535, 65_535), "65535 x 65535 pixels are more than"),
    "a GIF whose frame is": (gif(1, 1, frame=(65_535, 65_535)), "65535 x 65535 pixels are more"),
    "a GIF that is cut": (gif(9, 9)[:-9], "is "),
    "a PNG of 4 gigapixels": (png_of(65_535, 65_535, b""), "65535 x 65535 pixels are more than"),
    "a PNG of no data": (png_of(99, 99, b""), "is damaged"),
    "a PNG of too few": (png_of(9999, 9999, zlib.compress(bytes(9999))), "is damaged"),
    "a PNG of text that explodes": (
        png_of(8, 8, b"", (b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20)))), "is damaged: "),
    "a PNG of a profile that explodes": (
        png_of(8, 8, b"", (b"iCCP", b"a\0\0" + zlib.compress(bytes(80 << 20)))), "is damaged: "),
    "a TIFF of 4 gigapixels": (
        tiff((256, 4, 1, 65_535), (257, 4, 1, 65_535)), "65535 x 65535 pixels are more than"),
    "a TIFF without a directory": (b"II*\0\xff\xff\xff\x7f", "is "),
    "a TIFF of a million samples a pixel": (tiff((277, 4, 1, 1 << 20)), "is "),
    "an ICO with more in it than it says": (
        struct.pack("<3H4B2H2L", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(ICO_PNG), 22) + ICO_PNG,
        "is damaged"),
}  # fmt: skip


def judged(data: bytes, **options: Any) -> str:
    """Why an image is bad, in the order that rows of a shard are written in; "" where it is not."""
    remaker = Remaker(ImageOptions(**options).recipe)
    status, height, width, *rest = _jpeg.look(data)
    try:
        if data[:2] == SOI or not data:
            images.refuse_bomb(height, width, PIXELS_MAX)
            if status:
                return _jpeg.REASONS[status]
            if rest[0] == 4:
                remaker.foreign(data)
            else:
                remaker.jpeg(data, (height, width, *rest))
        else:
            remaker.foreign(data)
    except BadImageError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", BY_MARKERS)
def test_bad(case: str) -> None:
    data, message = BY_MARKERS[case]
    for options in ({}, {"check": "decode"}, {"resize": 8, "exif": "apply"}):
        assert message in judged(data, **options), options


@pytest.mark.parametrize("workers", [1, 2])
def test_bad_ones_are_all_left_out(workers: int, tmp_path: Path, stored: Any) -> None:
    folder = tmp_path / "in" / "c"
    folder.mkdir(parents=True)
    for number, (data, _) in enumerate(BY_MARKERS.values()):
        (folder / f"{number}.jpg").write_bytes(data)
    (folder / "good.jpg").write_bytes(JPEG)
    manifest = stored(tmp_path / "in", "--on-error", "skip", code=1, workers=workers)
    assert manifest["records"] == 1
    expected = {str(folder / f"{n}.jpg"): case[1] for n, case in enumerate(BY_MARKERS.values())}
    assert len(manifest["skipped"]) == len(expected)
    for note in manifest["skipped"]:
        assert expected[note["image"]] in note["reason"]


def test_cut_at_every_byte() -> None:
    for size in range(len(JPEG)):
        assert judged(JPEG[:size]), size


GOOD: dict[str, bytes] = {
    "a thousand notes": with_segments(JPEG, *[(0xE0 + n % 16, b"note") for n in range(1000)]),
    "a profile of 12 MB": with_segments(
        JPEG, *[(0xE2, b"ICC_PROFILE\0" + bytes([n, 200]) + bytes(60_000)) for n in range(200)]
    ),
    "Exif data that lead to themselves": with_segments(JPEG, (0xE1, EXIF_LOOP)),
    "garbage between segments": warned_of(JPEG),
    "a second frame header": JPEG[:SOS] + JPEG[SOF : SOF + 19] + JPEG[SOS:],
    "restart markers that nobody announced": put(SOS + 200, 0xFF, 0xD3),
    "tables that are not used": JPEG[:DHT] + JPEG[DHT:SOS] * 40 + JPEG[DHT:],
    "a megabyte of fill bytes": JPEG[:SOF] + b"\xff" * (1 << 20) + JPEG[SOF:],
    "a megabyte of fill bytes that lead to nothing": (
        JPEG[:SOF] + b"\xff" * (1 << 20) + b"\0" + JPEG[SOF:]
    ),
}


@pytest.mark.parametrize("case", GOOD)
def test_odd_ones_are_kept(case: str) -> None:
    data = GOOD[case]
    assert judged(data) == ""
    assert metadata.stripped(data)[:2] == SOI
    metadata.notes(data)
    # Decoded, some are bad, by the verdict of libjpeg; but none is more than that.
    for options in ({"check": "decode"}, {"resize": 8}, {"exif": "strip"}):
        reason = judged(data, **options)
        assert reason == "" or reason.startswith("it cannot be decoded"), reason


def test_tables_of_nonsense() -> None:
    """Each byte of the tables, at its ends: bad, or not, but decided."""
    told = set()
    for at in range(JPEG.index(b"\xff\xdb"), SOS):
        for value in (0, 1, 0x7F, 0xFF):
            reason = judged(put(at, value), check="decode")
            told.add(reason.partition(":")[0])
    assert "" in told and "it cannot be decoded" in told


# ---- bombs --------------------------------------------------------------------------------


def test_a_jpeg_of_many_scans() -> None:
    """One scan below the limit it is decoded, with one more it is bad where it would be decoded;
    kept, nothing is wrong with it."""
    side = 8192
    most = verdict.SCANNED_PIXELS_MAX // side**2
    assert most == 256 > verdict.SCANS_USUAL
    fits, bomb = many_scans(side, most - 1), many_scans(side, most)
    assert fits.count(b"\xff\xda") == most
    verdict.refuse_scans(fits, side, side)
    assert judged(bomb) == ""
    for options in ({"check": "decode"}, {"resize": 64}, {"resize": 64, "exact": True}):
        assert "8192 x 8192 pixels are in 257 scans" in judged(bomb, **options)
    small = many_scans(64, 3000)
    assert judged(small, check="decode") == ""
    assert len(bomb) < 200_000
    cmyk = io.BytesIO()
    Image.new("CMYK", (64, 64)).save(cmyk, "JPEG")
    data = cmyk.getvalue()
    at = data.index(b"\xff\xc0") + 5
    data = put(at, *struct.pack(">HH", 13_000, 13_000), data=data)
    data = data[:-2] + b"\xff\xda" * 200 + EOI
    assert "scans" in judged(data)


def test_the_usual_number_of_scans_is_never_too_many() -> None:
    data = b"\xff\xda" * verdict.SCANS_USUAL
    verdict.refuse_scans(data, 60_000, 60_000)
    with pytest.raises(BadImageError, match="hours"):
        verdict.refuse_scans(data + b"\xff\xda", 60_000, 60_000)


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("GIF", gif(1, 1, (b"!\xfe\xff" + b"A" * 255 + b"\0") * 20_000)),
        ("PNG", png_of(8, 8, zlib.compress(bytes(200 + (300 << 20)), 9))),
        ("TIFF", tiff(*[(2000 + n, 1, 60, 8) for n in range(3000)])),
        ("TIFF", tiff(then=8 + 64)),  # the next directory is the first one again
        ("PNG", png_of(8, 8, zlib.compress(bytes(200)), (b"eXIf", EXIF_LOOP[6:]))),
    ],
    ids=["GIF comments", "PNG data that explode", "TIFF tags", "TIFF loop", "Exif loop in a PNG"],
)
def test_bombs_that_are_images_all_the_same(what: str, data: bytes) -> None:
    assert images.decode(data, PIXELS_MAX).was == what
    assert judged(data, resize=4) == ""


def test_a_tiff_of_many_pages() -> None:
    buffer = io.BytesIO()
    page = Image.new("L", (8, 8))
    page.save(buffer, "TIFF", save_all=True, append_images=[page] * 150)
    assert images.decode(buffer.getvalue(), PIXELS_MAX).pixels.shape == (8, 8, 3)


def test_memory_stays_what_an_image_of_its_size_takes() -> None:
    """Of all that is refused here, nothing asks for more than its bytes and Pillow's tables."""
    code = (
        "import pickle, sys, resource\n"
        "from fastconv import images\n"
        "from fastconv.errors import BadImageError\n"
        "import numpy, PIL.Image; PIL.Image.init()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "for data in pickle.load(sys.stdin.buffer):\n"
        "    try: images.decode(data, 178_956_970)\n"
        "    except BadImageError: pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    bombs = [data for data, _ in BY_MARKERS.values() if data[:2] != SOI and len(data) < 1 << 20]
    bombs.remove(BY_MARKERS["a PNG of too few"][0])  # a hundred megapixels are within the limit
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(bombs), capture_output=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 150_000


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_of_more_than_a_gibibyte_is_not_read(
    workers: int, tmp_path: Path, refused: Command, stored: Any
) -> None:
    folder = tmp_path / "in" / "c"
    folder.mkdir(parents=True)
    (folder / "good.jpg").write_bytes(JPEG)
    with (folder / "huge.jpg").open("wb") as file:
        file.write(JPEG)
        file.truncate(FILE_BYTES_MAX + 1)
    said = refused(tmp_path / "in", workers=workers)
    assert said.startswith(f"{folder}/huge.jpg: bad image: its file has over 1 GiB")
    manifest = stored(tmp_path / "in", "--on-error", "skip", code=1, workers=workers)
    assert manifest["records"] == 1 and len(manifest["splits"]) >= 1
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    assert before < 1 << 20


def test_a_lack_of_memory_is_not_the_images_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """It must not be left out as a bad one: another machine would store it."""
    bitmap, damaged = jpeg_of(shades(8, 8)), warned_of(JPEG)
    buffer = io.BytesIO()
    Image.open(io.BytesIO(bitmap)).save(buffer, "BMP")

    def without_memory(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load", without_memory)
    with pytest.raises(MemoryError):
        images.decode(buffer.getvalue(), PIXELS_MAX)
    with pytest.raises(MemoryError):
        verdict.check(damaged, 10, 20, 3)


def test_a_lack_of_memory_ends_the_job(tmp_path: Path) -> None:
    """Even where bad images are left out; the image is named."""
    folder = tmp_path / "in" / "c"
    folder.mkdir(parents=True)
    (folder / "large.png").write_bytes(png_of(13_000, 13_000, zlib.compress(bytes(1 << 16))))
    words = [sys.executable, "-m", "fastconv", "shards", str(tmp_path / "in"), "--quiet"]
    words += ["--out", str(tmp_path / "out"), "--on-error", "skip", "--workers", "2"]

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (700 << 20, 700 << 20))

    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, preexec_fn=limit)
    assert done.returncode == 3, done.stderr
    assert done.stderr.startswith(
        f"fastconv: {folder}/large.png: there is not enough memory for it"
    )
    assert done.stderr.count("\n") == 1


def test_pillows_own_limit_is_left_as_it_was() -> None:
    for data in (gif(1, 1), BY_MARKERS["an ICO with more in it than it says"][0]):
        judged(data)
        assert Image.MAX_IMAGE_PIXELS is None


def test_orientation_of_exif_data_that_lead_to_themselves() -> None:
    assert _jpeg.look(with_segments(JPEG, (0xE1, EXIF_LOOP)))[5] == 6
    assert exif(6)[:6] == EXIF_LOOP[:6]
