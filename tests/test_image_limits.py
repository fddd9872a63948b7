"""Images that claim too much, kinds that nobody reads, and what a worker's memory comes to."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import jpeg_of, photograph, shades, warned_of
from PIL import Image
from test_images import png, saved
from test_jpeg import EOI, sof, sos

import fastconv
from fastconv.errors import BadImageError

JOB = """
import json, resource, sys
import fastconv
limit, options = json.loads(sys.argv[1]), json.loads(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
report = fastconv.convert(fastconv.Options(workers=1, on_error="skip", **options))
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss  # of workers: our own began as pytest
skipped = {note.image.rpartition("/")[2]: note.reason for note in report.skipped}
print(json.dumps([report.written, skipped, most >> 10]))
"""


def job(source: Path, out: Path, *, room: int = 3 << 30, **options: Any) -> tuple[int, Any, int]:
    """Records written, images skipped with their reasons, and the most MiB that were resident, of
    a job whose processes may have so many bytes of addresses."""
    words = [json.dumps(room), json.dumps({"source": str(source), "out": str(out), **options})]
    done = subprocess.run([sys.executable, "-c", JOB, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    written, skipped, most = json.loads(done.stdout)
    return written, skipped, most


def claim(height: int, width: int, components: int = 3, frame: int = 0xC0) -> bytes:
    """The markers of a JPEG that has no data behind them."""
    head = sof(frame, components=components, height=height, width=width)
    return b"\xff\xd8" + head + sos(*range(components)) + b"data" + EOI


def png_claim(height: int, width: int) -> bytes:
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return png([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(9000)))])


def with_sides(data: bytes, at: int, form: str, *sides: int) -> bytes:
    new = struct.pack(form, *sides)
    return data[:at] + new + data[at + len(new) :]


PICTURE = Image.fromarray(shades(20, 30))
BOMBS = {
    "baseline.jpg": claim(65_500, 65_500),
    "progressive.jpg": claim(65_500, 65_500, frame=0xC2),
    "gray.jpg": claim(65_535, 65_535, 1),
    "inks.jpg": claim(65_500, 65_500, 4),
    "just.jpg": claim(13_377, 13_379),  # 178,970,883
    "huge.png": png_claim(100_000, 100_000),
    "wide.png": png_claim(1, 178_956_971),
    "huge.gif": with_sides(saved(PICTURE, "GIF"), 6, "<HH", 65_535, 65_535),
    "huge.bmp": with_sides(saved(PICTURE, "BMP"), 18, "<ii", 60_000, 60_000),
}


@pytest.mark.parametrize("options", [{}, {"resize": 50}, {"check": "decode", "exif": "strip"}])
def test_bombs_are_bad_before_memory_is_asked_for(tmp_path: Path, options: dict[str, Any]) -> None:
    folder = tmp_path / "in" / "class"
    folder.mkdir(parents=True)
    for name, data in {**BOMBS, "good.jpg": jpeg_of(shades(20, 30))}.items():
        (folder / name).write_bytes(data)
    written, skipped, most = job(tmp_path / "in", tmp_path / "out", room=2 << 30, **options)
    assert written == 1 and set(skipped) == set(BOMBS)
    for name, reason in skipped.items():
        assert "--max-pixels" in reason and "178956970" in reason, (name, reason)
    assert "65500 x 65500 pixels" in skipped["baseline.jpg"]
    assert most < 120, most


@pytest.mark.parametrize("format", ["JPEG", "PNG", "CMYK"])
def test_the_limit_is_what_an_image_may_have(tmp_path: Path, format: str) -> None:
    pixels = Image.fromarray(shades(30, 40))
    data = {
        "JPEG": jpeg_of(shades(30, 40)),
        "PNG": saved(pixels, "PNG"),
        "CMYK": saved(pixels.convert("CMYK"), "JPEG"),
    }[format]
    folder = tmp_path / "in" / "class"
    folder.mkdir(parents=True)
    (folder / "one.jpg").write_bytes(data)

    def convert(limit: int, **options: Any) -> fastconv.Report:
        out = tmp_path / f"{limit}{len(options)}"
        return fastconv.convert(
            fastconv.Options(source=tmp_path / "in", out=out, max_pixels=limit, **options)
        )

    assert convert(1200).written == convert(1200, resize=20).written == 1
    for options in ({}, {"resize": 20}):
        with pytest.raises(BadImageError, match="40 x 30 pixels are more than the 1199 of"):
            convert(1199, **options)


def patched(precision: int = 8, frame: int = 0xC0) -> bytes:
    data = bytearray(jpeg_of(shades(30, 40)))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = frame, precision
    return bytes(data)


@pytest.mark.parametrize("options", [{}, {"resize": 20}, {"check": "decode"}])
def test_kinds_that_nobody_reads_are_named(tmp_path: Path, options: dict[str, Any]) -> None:
    kinds = {
        "deep.jpg": patched(12),
        "shallow.jpg": patched(2),
        "lossless.jpg": patched(frame=0xC3),
        "hierarchical.jpg": patched(frame=0xC5),
        "arithmetic.jpg": patched(frame=0xCB),
        "inks.jpg": claim(20, 30, 4, frame=0xC3),
    }
    folder = tmp_path / "in" / "class"
    folder.mkdir(parents=True)
    for name, data in kinds.items():
        (folder / name).write_bytes(data)
    asked = fastconv.Options(
        source=tmp_path / "in", out=tmp_path / "out", on_error="skip", **options
    )
    report = fastconv.convert(asked)
    assert (report.written, report.exit_code) == (0, 1)
    for note in report.skipped:
        deep = note.image.endswith(("deep.jpg", "shallow.jpg"))
        assert ("8 bits a sample" if deep else "lossless or hierarchical") in note.reason
    with pytest.raises(BadImageError, match="TensorFlow do not read"):
        fastconv.convert(
            fastconv.Options(source=tmp_path / "in", out=tmp_path / "stops", **options)
        )


def test_undecodable_images_are_skipped_where_all_are_decoded(tmp_path: Path) -> None:
    """The markers of all of them are whole, so that nobody minds without --check decode."""
    whole = jpeg_of(photograph("coffee.png"), quality=90)
    component = bytearray(whole)
    component[component.index(b"\xff\xda") + 5] = 99
    table = bytearray(whole)
    table[table.index(b"\xff\xda") + 6] = 0x33
    bad = {
        "component.jpg": bytes(component),
        "table.jpg": bytes(table),
        "unknown.jpg": whole[:20] + b"\xff\xf0\0\4ab" + whole[20:],
        "second.jpg": whole[:20] + sof(height=400, width=600) + whole[20:],
    }
    good = {
        "stray.jpg": warned_of(whole),
        "half.jpg": whole[: len(whole) // 2] + EOI,
        "tail.jpg": whole + b"more",
        "whole.jpg": whole,
    }
    folder = tmp_path / "in" / "class"
    folder.mkdir(parents=True)
    for name, data in {**bad, **good}.items():
        (folder / name).write_bytes(data)

    def convert(out: str, **options: Any) -> fastconv.Report:
        return fastconv.convert(
            fastconv.Options(source=tmp_path / "in", out=tmp_path / out, on_error="skip", **options)
        )

    assert convert("headers").written == 8
    more: tuple[dict[str, Any], ...] = ({}, {"exif": "strip"}, {"resize": 100})
    for number, options in enumerate(more):
        report = convert(str(number), check="decode", **options)
        assert {Path(note.image).name for note in report.skipped} == set(bad)
        assert all("cannot be decoded" in note.reason for note in report.skipped)
        assert report.written == 4
    assert convert("resized", resize=100).written == 4  # it decodes them as well
    stored = [
        fastconv.parse_example(payload)["image/encoded"][0]
        for payload in fastconv.read_records(tmp_path / "0" / "data_dir" / "train-00000-of-00001")
    ]
    assert sorted(stored) == sorted(good.values())


def mixture(folder: Path, count: int) -> Path:
    """Images of every way that memory is taken, the largest among the first."""
    pixels = photograph("astronaut.png", 700, 900)
    kinds = [
        jpeg_of(pixels),
        jpeg_of(pixels, progressive=True),
        warned_of(jpeg_of(pixels)),
        jpeg_of(np.ascontiguousarray(pixels[..., :1])),
        saved(Image.fromarray(pixels[:300, :300]), "PNG"),
        saved(Image.fromarray(pixels[:300, :300]).convert("CMYK"), "JPEG"),
        jpeg_of(pixels)[:-3000] + EOI,
        jpeg_of(shades(50, 50)),
    ]
    (folder / "class").mkdir(parents=True)
    for number, data in enumerate(kinds):
        (folder / "class" / f"{number:04}.jpg").write_bytes(data)
    for number in range(len(kinds), count):
        kind = folder / "class" / f"{number % len(kinds):04}.jpg"
        os.link(kind, folder / "class" / f"{number:04}.jpg")
    return folder


@pytest.mark.parametrize(
    "options", [{"resize": 200, "exact": True}, {"check": "decode", "exif": "strip"}]
)
def test_a_workers_memory_is_of_its_largest_image(tmp_path: Path, options: dict[str, Any]) -> None:
    """Two hundred more images take no more than thirty-two did; each has 2 MB of pixels."""
    few = job(mixture(tmp_path / "few", 32), tmp_path / "few-out", **options)
    many = job(mixture(tmp_path / "many", 232), tmp_path / "many-out", **options)
    assert few[:2] == (32, {}) and many[:2] == (232, {})
    assert many[2] < few[2] + 12
