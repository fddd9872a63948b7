"""JPEGs, pixels and Exif data for the tests of what is done to images."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image
from test_jpeg import segment
from test_photographs import shipped

from fastconv import _jpeg
from fastconv.image_options import ImageOptions
from fastconv.remake import Made, Remaker

Pixels = npt.NDArray[np.uint8]
ORIENTATIONS = range(1, 9)


@functools.cache
def photograph(name: str = "astronaut.png", height: int = 0, width: int = 0) -> Pixels:
    """RGB pixels of a photograph, in a size of choice: up to there it is tiled, mirrored."""
    with Image.open(shipped() / name) as image:
        pixels = np.asarray(image.convert("RGB"))
    if height:
        row = np.concatenate([pixels, pixels[:, ::-1]], axis=1)
        whole = np.concatenate([row, row[::-1]])
        times = -(-height // whole.shape[0]), -(-width // whole.shape[1]), 1
        pixels = np.ascontiguousarray(np.tile(whole, times)[:height, :width])
    pixels.flags.writeable = False
    return pixels


def shades(height: int, width: int, channels: int = 3) -> Pixels:
    """Slopes with a little noise: no two corners are alike, and JPEG keeps them well."""
    y, x = np.mgrid[:height, :width]
    planes = np.stack([255 * x / width, 255 * y / height, 90 + 60 * x / width], axis=-1)
    planes += np.random.default_rng(1).integers(0, 12, planes.shape)
    made: Pixels = np.ascontiguousarray(planes.clip(0, 255).astype(np.uint8)[..., :channels])
    return made


def jpeg_of(pixels: Pixels, **options: Any) -> bytes:
    """As Pillow saves it; of one channel, a grayscale one."""
    buffer = io.BytesIO()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def exif(orientation: int, *, big: bool = False, kind: int = 3) -> bytes:
    """The content of an Exif segment with two tags, the second one the orientation's."""

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, "big" if big else "little")

    def entry(tag: int, kind: int, value: int) -> bytes:
        size = {1: 1, 3: 2, 4: 4}[kind]
        return number(tag, 2) + number(kind, 2) + number(1, 4) + number(value, size).ljust(4, b"\0")

    head = (b"MM" if big else b"II") + number(42, 2) + number(8, 4)
    entries = entry(0x0100, 4, 1234) + entry(0x0112, kind, orientation)
    return b"Exif\0\0" + head + number(2, 2) + entries + number(0, 4)


def with_segments(jpeg: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with (marker, content) behind its SOI."""
    return jpeg[:2] + b"".join(segment(*one) for one in segments) + jpeg[2:]


def turned_jpeg(pixels: Pixels, orientation: int, **options: Any) -> bytes:
    return with_segments(jpeg_of(pixels, **options), (0xE1, exif(orientation)))


def warned_of(jpeg: bytes) -> bytes:
    """A JPEG with a stray byte before its tables, which libjpeg passes over with a warning."""
    at = jpeg.index(b"\xff\xdb")
    return jpeg[:at] + b"\0" + jpeg[at:]


def facts(data: bytes) -> tuple[int, int, int, int, int]:
    status, *rest = _jpeg.look(data)
    assert status == 0, _jpeg.REASONS[status]
    height, width, components, sampling, orientation = rest
    return height, width, components, sampling, orientation


def remade(data: bytes, **options: Any) -> Made:
    """What is stored of a JPEG, after a look whether it is what it is said to be."""
    made = Remaker(ImageOptions(**options).recipe).jpeg(data, facts(data))
    height, width, components, _, _ = facts(made.data)
    assert (made.height, made.width, made.gray) == (height, width, components == 1)
    return made


def pixels_of(data: bytes, colorspace: str = "RGB") -> Pixels:
    pixels: Pixels = simplejpeg.decode_jpeg(data, colorspace=colorspace)
    return pixels
