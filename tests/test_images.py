"""What becomes of an image that cannot be stored as it is: its pixels, and what is refused."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import pytest
import twin
from PIL import Image
from twin.pixels import as_reference_jpeg, decoded

from fastconv.errors import BadImageError
from fastconv.images import repair

WIDTH, HEIGHT = 30, 21


def picture(mode: str = "RGB") -> Image.Image:
    """Smooth colours over noise, so that wrong channels, sizes or inversions differ by tens."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rgb = np.stack([255 * x / WIDTH, 255 * y / HEIGHT, 90 + 3 * x], axis=-1)
    rgb += np.random.default_rng(1).integers(0, 12, rgb.shape)
    image = Image.fromarray(rgb.clip(0, 255).astype(np.uint8))
    if mode == "RGBA" or mode == "LA":
        alpha = Image.fromarray((y * 12 % 256).astype(np.uint8))
        image = image.convert(mode)
        image.putalpha(alpha)
        return image
    return image.quantize(64) if mode == "P" else image.convert(mode)


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def repaired(data: bytes, expected: Image.Image, what: str, limit: float = 1.0) -> Image.Image:
    """The picture of a repair, after a look at its form and its pixels."""
    encoded, height, width, was = repair(data)
    facts = twin.jpeg_facts(encoded)
    assert facts.verdict == "ok"
    assert (facts.height, facts.width) == (height, width) == (expected.height, expected.width)
    assert facts.sampling == ((2, 2), (1, 1), (1, 1))
    assert all(set(table) == {1} for table in facts.quantization)
    assert what in was
    image = decoded(encoded)
    assert image.mode == "RGB"
    # Against the same pixels put through the same lossy step.
    assert twin.mean_difference(image, decoded(as_reference_jpeg(expected))) < limit
    assert repair(data) == (encoded, height, width, was)
    return image


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_png(mode: str) -> None:
    data = saved(picture(mode), "PNG")
    expected = twin.reencoded_source(data)
    assert expected is not None
    repaired(data, expected.image(), "PNG")


@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_png_with_a_transparent_colour(mode: str) -> None:
    image = picture(mode)
    colour = {"RGB": (10, 20, 30), "L": 9, "P": bytes(range(64))}[mode]
    data = saved(image, "PNG", transparency=colour)
    repaired(data, picture(mode).convert("RGB"), "PNG")


def test_alpha_is_left_off_and_not_blended() -> None:
    image = Image.new("RGBA", (16, 16), (200, 100, 50, 0))
    shown = repaired(saved(image, "PNG"), Image.new("RGB", (16, 16), (200, 100, 50)), "PNG")
    assert all(abs(a - b) <= 2 for a, b in zip(shown.getpixel((8, 8)), (200, 100, 50), strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, 255, 256, 257, 32_767, 32_768, 65_279, 65_280, 65_535])
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_high_byte(value: int, format: str) -> None:
    image = Image.fromarray(np.full((16, 16), value, np.uint16))
    gray = value >> 8
    shown = repaired(saved(image, format), Image.new("RGB", (16, 16), (gray,) * 3), format)
    assert abs(np.asarray(shown).astype(int) - gray).max() <= 1


def test_sixteen_bit_colours() -> None:
    """A PNG of 16 bits a channel, made by hand, for Pillow writes none."""
    pixel = struct.pack(">3H", 0xFF01, 0x80FF, 0x0180)
    rows = (b"\0" + pixel * 16) * 16
    parts = [
        (b"IHDR", struct.pack(">2I5B", 16, 16, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    repaired(png(parts), Image.new("RGB", (16, 16), (0xFF, 0x80, 0x01)), "PNG")


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    chunks = (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("format", "mode", "options"),
    [
        ("GIF", "P", {}),
        ("GIF", "L", {}),
        ("GIF", "P", {"transparency": 3}),
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("BMP", "1", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("WEBP", "RGBA", {"lossless": True, "exact": True}),
        ("TIFF", "RGB", {}),
        ("TIFF", "RGBA", {}),
        ("TIFF", "RGB", {"compression": "tiff_lzw"}),
        ("TIFF", "L", {"compression": "packbits"}),
        ("PPM", "RGB", {}),
        ("JPEG", "RGB", {"quality": 95}),
        ("JPEG", "L", {"quality": 95, "progressive": True}),
    ],
)
def test_other_formats(format: str, mode: str, options: dict[str, Any]) -> None:
    data = saved(picture(mode), format, **options)
    with Image.open(io.BytesIO(data)) as peer:
        peer.info.pop("transparency", None)
        expected = peer.convert("RGB")
    repaired(data, expected, format)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_of_many_pictures(format: str) -> None:
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": [Image.new("RGB", (WIDTH, HEIGHT))],
    }
    if format == "WEBP":
        options["lossless"] = True
    data = saved(picture(), format, **options)
    repaired(data, picture(), format, limit=3.0)


def test_a_turned_picture_stays_turned() -> None:
    """EXIF's orientation is not carried out: boxes are of the image as it is stored."""
    exif = Image.Exif()
    exif[0x0112] = 6
    repaired(saved(picture(), "PNG", exif=exif.tobytes()), picture(), "PNG")


# ---- CMYK -----------------------------------------------------------------------------------


def cmyk(image: Image.Image | None = None, **options: Any) -> bytes:
    return saved(image or picture("CMYK"), "JPEG", quality=95, **options)


def without_adobe(data: bytes) -> bytes:
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") :]


def ycck(data: bytes) -> bytes:
    at = data.index(b"Adobe") + 11
    assert data[at] == 0
    return data[:at] + b"\x02" + data[at + 1 :]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("form", ["adobe", "ycck", "plain"])
def test_cmyk(form: str, progressive: bool) -> None:
    data = cmyk(progressive=progressive)
    data = {"adobe": data, "ycck": ycck(data), "plain": without_adobe(data)}[form]
    expected = twin.reencoded_source(data)
    assert expected is not None
    repaired(data, expected.image(), "CMYK or YCCK JPEG", limit=2.0)


@pytest.mark.parametrize(
    ("inks", "rgb"),
    [
        ((0, 255, 255, 0), (255, 0, 0)),
        ((255, 0, 255, 0), (0, 255, 0)),
        ((255, 255, 0, 0), (0, 0, 255)),
        ((0, 0, 0, 255), (0, 0, 0)),
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 128), (127, 127, 127)),
        ((100, 50, 0, 55), (121, 160, 200)),
    ],
)
def test_inks(inks: tuple[int, int, int, int], rgb: tuple[int, int, int]) -> None:
    """r = (255 - c)(255 - k) / 255, whichever way round the file holds its inks."""
    image = Image.new("CMYK", (16, 16), inks)
    negative = Image.new("CMYK", (16, 16), tuple(255 - ink for ink in inks))
    for data in (cmyk(image), without_adobe(cmyk(negative))):
        assert twin.jpeg_facts(data).components == 4
        shown = decoded(repair(data)[0]).getpixel((8, 8))
        assert isinstance(shown, tuple)
        assert max(abs(a - b) for a, b in zip(shown, rgb, strict=True)) <= 4


# ---- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"\xff\xd8",
        b"\xff\xd8\xff\xd9",
        b"<html>404 not found</html>",
        bytes(5000),
        random.Random(3).randbytes(5000),
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM" + bytes(60),
        b"RIFF\x10\0\0\0WEBPVP8 ",
        b"II*\0\x08\0\0\0",
        b"%PDF-1.4\n",
    ],
)
def test_junk(data: bytes) -> None:
    with pytest.raises(BadImageError):
        repair(data)


def test_words_about_junk() -> None:
    with pytest.raises(BadImageError, match="is no image that fastconv or Pillow knows"):
        repair(b"words")
    with pytest.raises(BadImageError, match="is damaged"):
        repair(saved(picture(), "PNG")[:-60])


def test_png_cut_at_every_byte() -> None:
    """Nothing but chunks that hold no pixels, and the checksums, may be missing."""
    data = saved(picture(), "PNG")
    # Its length, the last CRC, zlib's own checksum, and a byte for deflate's end-of-block code.
    end = data.index(b"IEND") - 4 - 4 - 4 - 1
    whole = repair(data)
    for size in range(len(data)):
        try:
            assert repair(data[:size]) == whole
            assert size >= end
        except BadImageError:
            pass


def test_cmyk_cut_at_every_byte() -> None:
    data = cmyk()
    for size in range(0, len(data) - 1, 3):
        with pytest.raises(BadImageError):
            repair(data[:size])


@pytest.mark.parametrize("format", ["GIF", "BMP", "WEBP", "TIFF", "PPM", "JPEG"])
def test_halves(format: str) -> None:
    data = saved(picture(), format)
    with pytest.raises(BadImageError):
        repair(data[: len(data) // 2])


@pytest.mark.parametrize("size", [(65_500, 1), (1, 65_500)])
def test_the_longest_side_of_a_jpeg(size: tuple[int, int]) -> None:
    _, height, width, _ = repair(saved(Image.new("L", size), "PNG"))
    assert (width, height) == size


@pytest.mark.parametrize("size", [(65_501, 1), (1, 65_501), (70_000, 1)])
def test_beyond_the_longest_side(size: tuple[int, int]) -> None:
    with pytest.raises(BadImageError, match="PNG cannot be stored as a JPEG"):
        repair(saved(Image.new("L", size), "PNG"))


def test_decompression_bombs() -> None:
    def claim(width: int, height: int) -> bytes:
        header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
        return png([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000)))])

    with pytest.raises(BadImageError, match="50000 x 50000 pixels are more than"):
        repair(claim(50_000, 50_000))
    with pytest.raises(BadImageError):
        repair(claim(12_000, 8_000))  # Pillow warns of its size; that is no error here


FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "PNG": ("RGB", {}),
    "GIF": ("P", {}),
    "BMP": ("RGB", {}),
    "WEBP": ("RGB", {}),
    "TIFF": ("RGB", {}),
    "JPEG": ("CMYK", {"quality": 80}),
    "PPM": ("RGB", {}),
    "ICO": ("RGBA", {}),
    "TGA": ("RGB", {}),
    "JPEG2000": ("RGB", {}),
}


@pytest.mark.parametrize("format", FORMATS)
def test_random_damage_is_an_image_or_bad(format: str) -> None:
    mode, options = FORMATS[format]
    chance = random.Random(format)
    data = saved(picture(mode), format, **options)
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 2, 4))):
            at = chance.randrange(len(changed) if chance.random() < 0.4 else min(120, len(changed)))
            match chance.randrange(4):
                case 0:
                    changed[at] = chance.randrange(256)
                case 1:
                    changed[at] ^= 1 << chance.randrange(8)
                case 2:
                    del changed[at : at + chance.randrange(1, 5)]
                case 3:
                    changed[at:at] = chance.randbytes(2)
        try:
            encoded, height, width, _ = repair(bytes(changed))
        except BadImageError:
            continue
        facts = twin.jpeg_facts(encoded)
        assert (facts.verdict, facts.height, facts.width) == ("ok", height, width)


def test_nothing_is_printed_about_damage() -> None:
    """What Pillow's C libraries say themselves ends in a worker's standard error, which is none."""
    code = (
        "from fastconv.images import repair\n"
        "from fastconv.errors import BadImageError\n"
        "try: repair(b'\\x89PNG\\r\\n\\x1a\\n')\n"
        "except BadImageError: pass\n"
    )
    said = subprocess.run(
        [sys.executable, "-W", "always", "-c", code], capture_output=True, check=True
    )
    assert said.stdout + said.stderr == b""
