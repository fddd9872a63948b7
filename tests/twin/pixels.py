"""The pixels that a repaired image must show.

Pillow decodes here, and nowhere else in the twin: no judge of a JPEG's pixels can do without a JPEG
decoder, and Pillow's own handling of the colours is undone where it differs from the reference's.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from PIL import Image, ImageChops, ImageStat

from twin.jpeg import jpeg_facts


@dataclass(frozen=True)
class Reencoded:
    """Stands for the JPEG that replaces a PNG or a CMYK image: 8-bit RGB, row after row."""

    height: int
    width: int
    rgb_pixels: bytes = field(repr=False)

    def image(self) -> Image.Image:
        return Image.frombytes("RGB", (self.width, self.height), self.rgb_pixels)


def _rgb_of_cmyk(data: bytes, *, adobe: bool) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        if opened.mode != "CMYK":
            raise ValueError(f"4 components, yet Pillow calls it {opened.mode}")
        # Pillow takes every such file for Adobe's and hands out 255 minus what is stored.
        inverted = opened.tobytes()
        size = opened.size
    # Adobe stores 255 - ink, so that r = k*c/255 in stored values; who writes no Adobe marker
    # stores ink, and then the same product is right in values inverted.
    light = bytes(255 - value for value in inverted) if adobe else inverted
    rgb = bytearray(size[0] * size[1] * 3)
    black = light[3::4]
    for channel in range(3):
        rgb[channel::3] = bytes(k * c // 255 for k, c in zip(black, light[channel::4], strict=True))
    return Image.frombytes("RGB", size, bytes(rgb))


def _rgb_of_png(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        if opened.mode.startswith("I"):
            # 16-bit gray keeps its high byte, as 16-bit RGB does, where Pillow's convert clips.
            values = memoryview(opened.convert("I").tobytes()).cast("i")
            high = bytes(value >> 8 for value in values)
            return Image.frombytes("L", opened.size, high).convert("RGB")
        if opened.mode in ("RGBA", "LA", "PA"):
            # Alpha is left off, not blended: what libpng's png_set_strip_alpha does.
            return Image.merge("RGB", (opened.convert("RGBA").split())[:3])
        # A tRNS chunk would make convert add alpha; the colours alone are wanted.
        opened.info.pop("transparency", None)
        return opened.convert("RGB")


def reencoded_source(data: bytes) -> Reencoded | None:
    """The RGB pixels to be stored instead of `data`; None when the bytes are kept as they are.

    PNG and 4-component JPEG are replaced, by content and whatever the file is called.
    """
    facts = jpeg_facts(data)
    if facts.verdict == "png":
        image = _rgb_of_png(data)
    elif facts.components == 4:
        image = _rgb_of_cmyk(data, adobe=facts.adobe is not None)
    else:
        return None
    return Reencoded(image.height, image.width, image.tobytes())


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """Mean of |a - b| over all pixels and channels of two RGB images of one size, in levels."""
    if one.size != other.size or one.mode != "RGB" or other.mode != "RGB":
        raise ValueError(f"{one.mode} {one.size} against {other.mode} {other.size}")
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def as_reference_jpeg(image: Image.Image) -> bytes:
    """`image` as the reference stores a repaired one: quality 100, 4:2:0."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=100, subsampling="4:2:0")
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as opened:
        opened.load()
        return opened.copy()
