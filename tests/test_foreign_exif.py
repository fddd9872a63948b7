"""Images of other formats that are turned, and Exif data that nobody can read."""

from __future__ import annotations

import random
import struct
from typing import Any

import numpy as np
import pytest
from pictures import (
    ORIENTATIONS,
    exif,
    facts,
    jpeg_of,
    pixels_of,
    shades,
    turned_jpeg,
    with_segments,
)
from PIL import Image
from test_images import saved
from test_orient import pillow as upright_by_pillow

from fastconv import images, verdict
from fastconv.errors import BadImageError
from fastconv.image_options import ImageOptions
from fastconv.recipe import PIXELS_MAX
from fastconv.remake import Made, Remaker

PICTURE = shades(30, 46)
FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
}


def made_of(data: bytes, **options: Any) -> Made:
    return Remaker(ImageOptions(**options).recipe).foreign(data)[0]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_turned_once_or_not_at_all(format: str, orientation: int) -> None:
    """Pillow turns a TIFF on its own account when it is loaded."""
    note = Image.Exif()
    note[0x0112] = orientation
    data = saved(Image.fromarray(PICTURE), format, exif=note.tobytes(), **FORMATS[format])
    pixels, was, found, _ = images.decode(data, PIXELS_MAX)
    assert (was, found) == (format, orientation)
    assert np.array_equal(pixels, PICTURE)
    upright = upright_by_pillow(PICTURE, orientation)
    for options, expected in (
        ({}, PICTURE), ({"exif": "strip"}, PICTURE), ({"exif": "apply"}, upright),
        ({"exif": "apply", "reencode_all": True, "quality": 100}, upright),
    ):  # fmt: skip
        made = made_of(data, **options)
        assert (made.height, made.width) == expected.shape[:2] == facts(made.data)[:2]
        difference = np.abs(pixels_of(made.data).astype(int) - expected)
        assert difference.mean() < 4
        assert made.orientation == (orientation if "apply" in options.values() else 1)


@pytest.mark.parametrize("format", [*FORMATS, "CMYK"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_kept_data_come_along(format: str, orientation: int) -> None:
    """An image that is neither turned nor said to need it would be lost for good."""
    note = Image.Exif()
    note[0x0112] = orientation
    note[0x010E] = "a description"
    image = Image.fromarray(PICTURE)
    if format == "CMYK":
        data = with_segments(saved(image.convert("CMYK"), "JPEG"), (0xE1, note.tobytes()))
    else:
        data = saved(image, format, exif=note.tobytes(), **FORMATS[format])
    for options in ({"max_side": 20}, {"resize": 20, "exif": "keep"}, {"max_side": 200}):
        made = made_of(data, **options)
        assert facts(made.data)[4] == orientation
        assert (b"a description" in made.data) == (format != "TIFF")
    for options in ({"resize": 20}, {"max_side": 20, "exif": "strip"}):
        assert b"Exif" not in made_of(data, **options).data
    assert b"Exif" not in made_of(data).data  # what slim repairs has none


def test_exif_data_that_no_segment_holds() -> None:
    note = b"Exif\0\0MM\0*\0\0\0\x08\0\0" + bytes(70_000)
    made = made_of(saved(Image.fromarray(PICTURE), "PNG", exif=note), max_side=20)
    assert b"Exif" not in made.data


@pytest.mark.parametrize("inks", [False, True])
def test_cmyk_is_turned_as_well(inks: bool) -> None:
    pixels = np.dstack([255 - PICTURE, np.zeros(PICTURE.shape[:2], np.uint8)])
    data = with_segments(saved(Image.fromarray(pixels, "CMYK") if inks else
                               Image.fromarray(PICTURE).convert("CMYK"), "JPEG", quality=98),
                         (0xE1, exif(8)))  # fmt: skip
    made = made_of(data, exif="apply", quality=100, reencode_all=True)
    upright = upright_by_pillow(PICTURE, 8)
    assert np.abs(pixels_of(made.data).astype(int) - upright).mean() < 4
    assert made.changes == ("turned",)


BROKEN = {
    "no header": b"Exif\0\0words and words",
    "nothing": b"Exif\0\0",
    "cut header": b"Exif\0\0II*\0\1",
    "offset beyond the end": b"Exif\0\0II*\0\xff\xff\xff\xff",
    "count huge": b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(30),
    "value beyond the end": b"Exif\0\0MM\0*\0\0\0\x08\0\1"
    + struct.pack(">HHII", 0x0112, 3, 0xFFFF, 1 << 30),
    "text for a number": b"Exif\0\0MM\0*\0\0\0\x08\0\1"
    + struct.pack(">HHI4s", 0x0112, 2, 3, b"6\0"),
    "a fraction": b"Exif\0\0MM\0*\0\0\0\x08\0\1" + struct.pack(">HHII", 0x0112, 5, 1, 8) + bytes(9),
}


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_exif_data_makes_no_bad_image(name: str, format: str) -> None:
    """Whatever Pillow raises of it. The pixels are there, and stay as they are."""
    data = saved(Image.fromarray(PICTURE), format, exif=BROKEN[name], **FORMATS[format])
    for options in ({}, {"exif": "apply"}, {"resize": 20}):
        made = made_of(data, **options)
        assert made.orientation == 1 and made.width > made.height


@pytest.mark.parametrize("format", [*FORMATS, "JPEG"])
def test_random_damage_to_exif_data(format: str) -> None:
    chance = random.Random(format)
    recipe = ImageOptions(exif="apply", reencode_all=True).recipe
    remaker = Remaker(recipe)
    for _ in range(150):
        note = bytearray(exif(6, big=chance.random() < 0.5) + chance.randbytes(20))
        for _ in range(chance.choice((1, 2, 5))):
            note[chance.randrange(6, len(note))] = chance.choice(
                (0, 1, 6, 255, chance.randrange(256))
            )
        if format == "JPEG":  # one that Pillow decodes, for libjpeg warns of it
            whole = with_segments(jpeg_of(PICTURE), (0xE1, bytes(note)))
            data = whole[:-2] + b"\0" + whole[-2:]
            data = data.replace(b"\xff\xdb", b"\0\xff\xdb", 1)
            assert remaker.jpeg(data, facts(data)).orientation in ORIENTATIONS
        elif format == "TIFF":
            tiff = bytearray(saved(Image.fromarray(PICTURE), format, exif=exif(6)[6:]))
            at = struct.unpack_from("<I", tiff, 4)[0] + 2
            for _ in range(3):
                tiff[chance.randrange(at, len(tiff))] = chance.randrange(256)
            try:
                remaker.foreign(bytes(tiff))
            except BadImageError:
                continue
        else:
            data = saved(Image.fromarray(PICTURE), format, exif=bytes(note), **FORMATS[format])
            assert remaker.foreign(data)[0].orientation in ORIENTATIONS


def test_pillows_own_limit_of_pixels_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would warn of large images, and refuse those twice as large with an error of its own."""
    cmyk = saved(Image.fromarray(PICTURE).convert("CMYK"), "JPEG")
    for limit in (PICTURE.size // 3 - 1, 100):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert verdict.decode_cmyk(cmyk).shape == (30, 46, 4)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert images.decode(cmyk, PIXELS_MAX)[1] == "CMYK or YCCK JPEG"
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert images.decode(saved(Image.fromarray(PICTURE), "PNG"), PIXELS_MAX)[1] == "PNG"
    monkeypatch.undo()
    for data in (cmyk, saved(Image.fromarray(PICTURE), "PNG"), turned_jpeg(PICTURE, 3)):
        if data.startswith(b"\x89PNG") or data is cmyk:
            with pytest.raises(BadImageError, match="46 x 30 pixels are more than the 1379 of"):
                images.decode(data, 30 * 46 - 1)
            assert images.decode(data, 30 * 46)[0].shape == (30, 46, 3)
