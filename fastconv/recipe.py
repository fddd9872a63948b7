"""What is to be done to images, and what sides and limits follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

Mode = Literal["short", "long", "squash", "crop"]
Filter = Literal["bilinear", "bicubic", "lanczos", "box"]
Exif = Literal["keep", "strip", "apply"]
MODES: tuple[Mode, ...] = ("short", "long", "squash", "crop")
FILTERS: tuple[Filter, ...] = ("bilinear", "bicubic", "lanczos", "box")
EXIFS: tuple[Exif, ...] = ("keep", "strip", "apply")
SUBSAMPLINGS = ("420", "444", "keep")

# What so many pixels take at six bytes each, which is more than usual formats make of them. A file
# of more is never read into memory: it could be as large as a sparse file says it is.
FILE_BYTES_MAX = 1 << 30
PIXELS_MAX = 178_956_970  # where Pillow, too, takes an image for a decompression bomb
# For estimates of disk space only: what photographs take, by quality, at 4:2:0; how much more at
# 4:4:4; what ImageNet's files take; how much longer its images are than high.
QUALITY_BYTES_A_PIXEL = (
    (1, 0.03),
    (30, 0.08),
    (50, 0.11),
    (75, 0.16),
    (90, 0.28),
    (95, 0.41),
    (100, 0.8),
)
FULL_CHROMA = 1.3
FILE_BYTES_A_PIXEL = 0.5
USUAL_ASPECT = 4 / 3


@dataclass(frozen=True, slots=True)
class Target:
    """The sides to come to, and the part of the image that is shown there: left, top, right and
    bottom in pixels of the upright image."""

    height: int
    width: int
    part: tuple[int, int, int, int]


def scaled(side: int, other: int, given: int) -> int:
    """How long `other` is where `side` is made `given`: rounded, a half upwards, at least 1."""
    return max(1, (2 * other * given + side) // (2 * side))


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is done to each image; the default keeps its bytes. 0 stands for no such limit.

    ``every``: all images are encoded anew. ``decode_all``: all are decoded, to know that they can
    be. ``rgb``: grayscale images become RGB.
    """

    side: int = 0
    mode: Mode = "short"
    filter: Filter = "bilinear"
    quality: int = 90
    subsampling: str = "420"
    every: bool = False
    side_max: int = 0
    bytes_max: int = 0
    exif: Exif = "keep"
    decode_all: bool = False
    rgb: bool = False
    pixels_max: int = PIXELS_MAX
    exact: bool = False

    @property
    def alters(self) -> bool:
        """May an image be stored with other bytes than its file's, if it is a JPEG of a usual
        kind? Then a record's features describe the image as it is stored."""
        return bool(
            self.side
            or self.side_max
            or self.bytes_max
            or self.every
            or self.rgb
            or self.exif != "keep"
        )

    @property
    def _is_exact_side(self) -> bool:
        return self.side > 0 and self.mode in ("squash", "crop")

    def limits(self) -> dict[str, int]:
        """Which whole JPEGs cannot be kept without a look, in the terms of keep_impl.h."""
        longest = [self.side_max, self.side if self.mode == "long" else 0]
        return {
            "pixels_max": self.pixels_max,
            "short_max": self.side if self.mode == "short" else 0,
            "long_max": min((side for side in longest if side), default=0),
            "exact_side": self.side if self._is_exact_side else 0,
            "bytes_max": self.bytes_max,
            "file_bytes_max": FILE_BYTES_MAX,
            "every": self.every or self.decode_all or self.exif == "strip",
            "turned": self.exif == "apply",
            "gray": self.rgb,
        }

    def as_options(self) -> dict[str, int | str | bool | None]:
        """The same in the words of the command line; None is off."""
        return {
            "resize": self.side or None,
            "resize_mode": self.mode,
            "filter": self.filter,
            "quality": self.quality,
            "subsampling": self.subsampling,
            "reencode_all": self.every,
            "max_side": self.side_max or None,
            "max_bytes": self.bytes_max or None,
            "exif": self.exif,
            "check": "decode" if self.decode_all else "headers",
            "grayscale": "rgb" if self.rgb else "keep",
            "max_pixels": self.pixels_max,
            "exact": self.exact,
        }

    def target(self, height: int, width: int) -> Target:
        """The sides that an upright image comes to."""
        part = (0, 0, width, height)
        to = self.side
        if self._is_exact_side:
            if self.mode == "crop":
                short = min(height, width)
                left, top = (width - short) // 2, (height - short) // 2
                part = (left, top, left + short, top + short)
            height = width = to
        elif to and self.mode == "short" and min(height, width) > to:
            if height <= width:
                height, width = to, scaled(height, width, to)
            else:
                height, width = scaled(width, height, to), to
        elif to and self.mode == "long":
            height, width = _within(height, width, to)
        if self.side_max:
            height, width = _within(height, width, self.side_max)
        return Target(height, width, part)

    def stored_bytes(self, sizes: Any) -> int:
        """About how many bytes images take, of files of these sizes, int64 (n,): for estimates."""
        import numpy as np

        stored = np.where(sizes <= FILE_BYTES_MAX, sizes, 0).astype(np.float64)
        if self._is_exact_side:
            stored[:] = self.side**2 * self._bytes_a_pixel
        else:
            if self.every:
                stored *= self._bytes_a_pixel / FILE_BYTES_A_PIXEL
            if self.side or self.side_max:
                short = self.side or self.side_max / USUAL_ASPECT
                if self.side and self.mode == "long":
                    short = self.side / USUAL_ASPECT
                most = short * short * USUAL_ASPECT * self._bytes_a_pixel
                stored = np.minimum(stored, most)
        if self.bytes_max:
            stored = np.minimum(stored, self.bytes_max)
        return int(stored.sum())

    @property
    def _bytes_a_pixel(self) -> float:
        for (low, less), (high, more) in pairwise(QUALITY_BYTES_A_PIXEL):
            if self.quality <= high:
                share = less + (more - less) * max(0, self.quality - low) / (high - low)
                break
        return share * (FULL_CHROMA if self.subsampling == "444" else 1)


def _within(height: int, width: int, longest: int) -> tuple[int, int]:
    if max(height, width) <= longest:
        return height, width
    if height >= width:
        return longest, scaled(height, width, longest)
    return scaled(width, height, longest), longest
