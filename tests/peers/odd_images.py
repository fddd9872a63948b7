"""Images that cannot be stored as they are, made here in every colour form that occurs.

All are smooth: a repaired image is stored as 4:2:0, which would blur sharp colours, and the tests
ask for the right colours within a few levels.
"""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT = 160, 120


def _planes(count: int) -> npt.NDArray[np.float64]:
    """(HEIGHT, WIDTH, count), values in [0, 1], a different slope in each plane."""
    x = np.linspace(0, 1, WIDTH)[None, :].repeat(HEIGHT, 0)
    y = np.linspace(0, 1, HEIGHT)[:, None].repeat(WIDTH, 1)
    return np.stack([x, y, 1 - x, 0.2 + (x + y) / 4][:count], -1)


def picture(mode: str) -> Image.Image:
    count = len(Image.new(mode, (1, 1)).getbands())
    pixels = (_planes(count) * 255).astype(np.uint8)
    return Image.frombytes(mode, (WIDTH, HEIGHT), pixels.tobytes())


def _saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def _png(bit_depth: int, colour_type: int, channels: int) -> bytes:
    """A PNG that Pillow does not write: `bit_depth` 16, or 1, 2 and 4 without a palette."""
    values = (_planes(channels) * (2**bit_depth - 1)).astype(np.uint16).reshape(HEIGHT, -1)
    if bit_depth == 16:
        rows = [row.astype(">u2").tobytes() for row in values]
    else:
        bits = (values[..., None] >> np.arange(bit_depth - 1, -1, -1)) & 1
        rows = [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in bits]

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bit_depth, colour_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def four_component_jpegs() -> dict[str, bytes]:
    """CMYK and YCCK with Adobe's marker, and CMYK without it, where the ink is stored as it is."""
    cmyk = _saved(picture("CMYK"), "JPEG", quality=95)
    progressive = _saved(picture("CMYK"), "JPEG", quality=95, progressive=True)
    adobe = cmyk.index(b"Adobe")
    transform = adobe + 11
    return {
        "cmyk.JPEG": cmyk,
        "cmyk_progressive.JPEG": progressive,
        # The same planes, said to be Y, Cb, Cr and K.
        "ycck.JPEG": cmyk[:transform] + b"\x02" + cmyk[transform + 1 :],
        "cmyk_without_adobe.JPEG": cmyk[: adobe - 4] + cmyk[transform + 1 :],
    }


def pngs() -> dict[str, bytes]:
    """PNGs by every name an image may have, of every colour type."""
    palette = picture("RGB").quantize(64)
    return {
        "rgb.JPEG": _saved(picture("RGB"), "PNG"),
        "rgba.png": _saved(picture("RGBA"), "PNG"),
        "gray.PNG": _saved(picture("L"), "PNG"),
        "gray_alpha.jpg": _saved(picture("LA"), "PNG"),
        "palette.jpeg": _saved(palette, "PNG"),
        "palette_transparent.png": _saved(palette, "PNG", transparency=3),
        "gray_2.png": _png(2, 0, 1),
        "gray_4.png": _png(4, 0, 1),
        "gray_16.png": _png(16, 0, 1),
        "rgb_16.png": _png(16, 2, 3),
        "rgba_16.png": _png(16, 6, 4),
    }


def kept_jpegs() -> dict[str, bytes]:
    """JPEGs out of the ordinary that are stored byte for byte."""
    baseline = _saved(picture("RGB"), "JPEG", quality=90)
    return {
        "gray.JPEG": _saved(picture("L"), "JPEG"),
        "progressive.JPG": _saved(picture("RGB"), "JPEG", progressive=True),
        "full_chroma.jpeg": _saved(picture("RGB"), "JPEG", subsampling="4:4:4"),
        "trailing.JPEG": baseline + b"bytes after the end",
        # EXIF says to turn it; the pixels, and so height and width, stay as they are.
        "turned.JPEG": _saved(picture("RGB"), "JPEG", exif=_turned()),
    }


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif.tobytes()
