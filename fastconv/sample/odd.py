"""The odd files that real downloads hold: each a JPEG (or not) that trips some reader."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from fastconv.sample.encode import Form, encode
from fastconv.sample.noise import U8, cut

_LARGE_SIDES = (4000, 3000)


def _pillow(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, offset, payload) of each segment from SOI to SOS of a plain JPEG."""
    at = 2
    while True:
        marker, size = struct.unpack_from(">xBH", data, at)
        yield marker, at, data[at + 4 : at + 2 + size]
        if marker == 0xDA:
            return
        at += 2 + size


def _segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _ink(image: U8) -> U8:
    """RGB to CMYK, uint8 of shape (height, width, 4), with half of the gray moved to black.

    Then r = (255 - c)(255 - k) / 255 gives the picture back.
    """
    rgb = image.astype(np.float32)
    black = (255 - rgb.max(2)) * 0.5
    inks = 255 - rgb * 255 / (255 - black[..., None])
    planes = np.concatenate([inks, black[..., None]], 2)
    ink: U8 = np.clip(np.rint(planes), 0, 255).astype(np.uint8)
    return ink


def _ink_image(planes: U8) -> Image.Image:
    height, width = planes.shape[:2]
    return Image.frombytes("CMYK", (width, height), planes.tobytes())


def _cmyk(image: U8, form: Form) -> bytes:
    return _pillow(_ink_image(_ink(image)), quality=85)


def _ycck(image: U8, form: Form) -> bytes:
    # Pillow writes CMYK alone: hand it Y, Cb, Cr and K as if they were inks, inverted because it
    # inverts what it is given, and then let the Adobe segment say that they are YCCK.
    ink = _ink(image)
    ycc = np.asarray(Image.fromarray(np.ascontiguousarray(ink[..., :3])).convert("YCbCr"))
    stored = np.concatenate([ycc, 255 - ink[..., 3:]], 2)
    data = bytearray(_pillow(_ink_image(255 - stored), quality=85, subsampling=0))
    for marker, at, payload in _segments(bytes(data)):
        if marker == 0xEE and payload.startswith(b"Adobe"):
            data[at + 4 + 11] = 2
        elif marker in (0xC0, 0xDA):
            # Components named C, M, Y, K become 1 to 4, as YCCK writers have them.
            first, step = (6, 3) if marker == 0xC0 else (1, 2)
            for component in range(4):
                data[at + 4 + first + step * component] = component + 1
    return bytes(data)


def _png(image: U8, form: Form) -> bytes:
    out = io.BytesIO()
    picture = Image.fromarray(image)
    picture.thumbnail((260, 260))
    picture.save(out, "PNG")
    return out.getvalue()


def _gray(image: U8, form: Form) -> bytes:
    gray = np.asarray(Image.fromarray(image).convert("L"))
    return encode(np.ascontiguousarray(gray[..., None]), form)


def _progressive(image: U8, form: Form) -> bytes:
    return _pillow(Image.fromarray(image), quality=90, progressive=True)


def _exif(orientation: int, thumbnail: bytes = b"") -> bytes:
    """An APP1 segment: a little-endian TIFF of one tag, and a second directory if a thumbnail."""
    main = struct.pack("<HHHIHH", 1, 0x0112, 3, 1, orientation, 0)
    second_at = 8 + len(main) + 4
    if not thumbnail:
        tiff = b"II*\0" + struct.pack("<I", 8) + main + struct.pack("<I", 0)
        return _segment(0xE1, b"Exif\0\0" + tiff)
    data_at = second_at + 2 + 3 * 12 + 4
    second = struct.pack("<HHHIHH", 3, 0x0103, 3, 1, 6, 0)
    second += struct.pack("<HHII", 0x0201, 4, 1, data_at)
    second += struct.pack("<HHIII", 0x0202, 4, 1, len(thumbnail), 0)
    tiff = b"II*\0" + struct.pack("<I", 8) + main + struct.pack("<I", second_at) + second
    return _segment(0xE1, b"Exif\0\0" + tiff + thumbnail)


def _exif_thumbnail(image: U8, form: Form) -> bytes:
    small = Image.fromarray(image)
    small.thumbnail((160, 160))
    data = encode(image, form)
    return data[:2] + _exif(1, _pillow(small, quality=75)) + data[2:]


def _exif_orientation(image: U8, form: Form) -> bytes:
    # Orientation 6 asks for a quarter turn clockwise, so what is stored is turned the other way.
    data = encode(np.ascontiguousarray(np.rot90(image)), form)
    return data[:2] + _exif(6) + data[2:]


def _large(image: U8, form: Form) -> bytes:
    sides = _LARGE_SIDES if image.shape[1] >= image.shape[0] else _LARGE_SIDES[::-1]
    picture = np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.BICUBIC))
    grain = cut("grain", np.random.default_rng(image.shape[0]), 1000, 1000).astype(np.int16) - 128
    tiles = np.tile(grain // 5, (4, 4))[: sides[1], : sides[0], None]
    noisy = np.clip(picture + tiles, 0, 255).astype(np.uint8)
    return encode(noisy, Form(sides[1], sides[0], "420", 3_500_000))


def _trailing_bytes(image: U8, form: Form) -> bytes:
    return encode(image, form) + bytes(509) + b"\r\n--end of upload--\xff\xd9\r\n"


def _fill_bytes(image: U8, form: Form) -> bytes:
    data = encode(image, form)
    out = bytearray(data[:2])
    scan = 0
    for count, (marker, at, payload) in enumerate(_segments(data)):
        out += b"\xff" * (1 + count % 3) + _segment(marker, payload)
        scan = at + 4 + len(payload)
    return bytes(out) + data[scan:]


def _comment(image: U8, form: Form) -> bytes:
    data = encode(image, form)
    frame = next(at for marker, at, _ in _segments(data) if marker == 0xC0)
    # The text holds what looks like a frame header to a reader that only looks for the bytes.
    text = b"a comment before the frame \xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03 and after"
    return data[:frame] + _segment(0xFE, text) + data[frame:]


TRAIN_KINDS: dict[str, Callable[[U8, Form], bytes]] = {
    "cmyk": _cmyk,
    "ycck": _ycck,
    "png": _png,
    "grayscale": _gray,
    "progressive": _progressive,
    "exif-thumbnail": _exif_thumbnail,
    "exif-orientation": _exif_orientation,
    "large": _large,
    "trailing-bytes": _trailing_bytes,
    "fill-bytes": _fill_bytes,
    "comment": _comment,
}
VALIDATION_KINDS: dict[str, Callable[[U8, Form], bytes]] = {
    "validation-grayscale": _gray,
    "validation-cmyk": _cmyk,
}


def encode_odd(kind: str, image: U8, form: Form) -> bytes:
    """The odd file of ``kind`` that shows ``image`` (RGB, uint8 of shape (height, width, 3))."""
    return {**TRAIN_KINDS, **VALIDATION_KINDS}[kind](image, form)
