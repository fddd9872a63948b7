"""What a person may ask to be done to images, and the checks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from fastconv.errors import UsageError
from fastconv.recipe import (
    EXIFS,
    FILTERS,
    MODES,
    PIXELS_MAX,
    SUBSAMPLINGS,
    Exif,
    Filter,
    Mode,
    Recipe,
)

SIDE_MAX = 65_500  # libjpeg's
BYTES_MIN = 1024  # less than a JPEG's headers


def check_whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raises UsageError where an option is no whole number of this range."""
    option = f"--{name.replace('_', '-')}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{option} is a whole number, not {value!r}")
    if most is None and value < least:
        raise UsageError(f"{option} is {least} or more, not {value}")
    if most is not None and not least <= value <= most:
        raise UsageError(f"{option} is from {least} to {most}, not {value}")


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What is done to images; the default keeps their bytes (docs/images.md). None is the default
    of each. Raises UsageError for values that cannot be met, or that would do nothing.

    ``resize``: pixels of the side that ``resize_mode`` names; ``filter``, ``exact``: how.
    ``quality`` and ``subsampling`` are of the JPEGs that are made. ``max_side`` in pixels and
    ``max_bytes``: beyond them an image is made smaller. ``max_pixels``: beyond it, it is bad.
    """

    resize: int | None = None
    resize_mode: Mode | None = None
    filter: Filter | None = None
    quality: int | None = None
    subsampling: Literal["420", "444", "keep"] | None = None
    reencode_all: bool = False
    max_side: int | None = None
    max_bytes: int | None = None
    exif: Exif | None = None
    check: Literal["headers", "decode"] | None = None
    grayscale: Literal["keep", "rgb"] | None = None
    max_pixels: int | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_words()
        resizes = bool(self.resize or self.max_side or self.max_bytes)
        encodes = resizes or self.reencode_all or self.exif == "apply" or self.grayscale == "rgb"
        needs = (
            ("resize_mode", "--resize", bool(self.resize)),
            ("filter", "--resize, --max-side or --max-bytes", resizes),
            ("exact", "--resize, --max-side or --max-bytes", resizes),
            ("quality", "an option that encodes images, as --resize", encodes),
            ("subsampling", "an option that encodes images, as --resize", encodes),
        )
        for name, what, is_there in needs:
            if getattr(self, name) and not is_there:
                raise UsageError(f"--{name.replace('_', '-')} does nothing without {what}")
        if (
            self.resize
            and self.max_side
            and self.max_side < self.resize
            and self.resize_mode in ("squash", "crop")
        ):
            raise UsageError(
                f"--max-side {self.max_side} is less than the --resize {self.resize} of a "
                f"--resize-mode {self.resize_mode}; leave one of them out"
            )

    def _check_numbers(self) -> None:
        ranges = (
            ("resize", 1, SIDE_MAX),
            ("quality", 1, 100),
            ("max_side", 1, SIDE_MAX),
            ("max_bytes", BYTES_MIN, 1 << 40),
            ("max_pixels", 1, 1 << 32),
        )
        for name, least, most in ranges:
            value = getattr(self, name)
            if value is not None:
                check_whole(name, value, least, most)

    def _check_words(self) -> None:
        words: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("resize_mode", MODES),
            ("filter", FILTERS),
            ("subsampling", SUBSAMPLINGS),
            ("exif", EXIFS),
            ("check", ("headers", "decode")),
            ("grayscale", ("keep", "rgb")),
        )
        for name, known in words:
            value: Any = getattr(self, name)
            if value is not None and value not in known:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(
                    f"{option} is {', '.join(known[:-1])} or {known[-1]}, not {value!r}"
                )

    @property
    def recipe(self) -> Recipe:
        """The same with every default filled in. A resized image has no Exif data any more, so it
        is turned upright unless something else was asked for."""
        return Recipe(
            side=self.resize or 0,
            mode=self.resize_mode or "short",
            filter=self.filter or "bilinear",
            quality=self.quality or 90,
            subsampling=self.subsampling or "420",
            every=self.reencode_all,
            side_max=self.max_side or 0,
            bytes_max=self.max_bytes or 0,
            exif=self.exif or ("apply" if self.resize else "keep"),
            decode_all=self.check == "decode",
            rgb=self.grayscale == "rgb",
            pixels_max=self.max_pixels or PIXELS_MAX,
            exact=self.exact,
        )


def given_again(images: dict[str, Any]) -> dict[str, Any]:
    """The ImageOptions of which Recipe.as_options said ``images``: without those that do nothing
    where they are not needed."""
    defaults = Recipe().as_options()
    always = ("exif", "check", "grayscale", "max_pixels")
    return {
        name: value
        for name, value in images.items()
        if name in always or value != defaults.get(name)
    }
