"""What is stored of an image, by a recipe: its own bytes, or those of a JPEG made of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastconv import images, metadata, verdict
from fastconv.errors import BadImageError
from fastconv.recipe import Recipe, Target, scaled

if TYPE_CHECKING:
    from fastconv.geometry import BoxArray

# Ratios of the decoded image's sides to the target's from which on an image decoded at 1/2, 1/4 or
# 1/8 gives the same picture, to the eye (docs/images.md). Sampling as of fastconv._jpeg.look.
DRAFT_RATIO = 2.0
DRAFT_RATIO_422 = 3.0  # at 1/4 and less, where a chroma sample covers more in one direction
DRAFT_SAMPLINGS = {0x11, 0x21, 0x22}
SAMPLING_NAMES = {0x11: "444", 0x21: "422", 0x22: "420", 0x12: "440", 0x41: "411"}
FIT_TRIES = 12


@dataclass(frozen=True, slots=True)
class Made:
    """An image to be stored. ``changes``: what was done to it, in words of one kind each; empty
    where the bytes are the file's own. ``orientation`` and ``part``: what its boxes have to follow;
    ``upright``: height and width of the image that `part` is of."""

    data: bytes
    height: int
    width: int
    gray: bool
    changes: tuple[str, ...] = ()
    orientation: int = 1
    part: tuple[int, int, int, int] | None = None
    upright: tuple[int, int] = (0, 0)

    @property
    def moves_boxes(self) -> bool:
        return self.orientation != 1 or self.part is not None

    def boxes(self, own: BoxArray) -> BoxArray:
        """The image's boxes, float32 (n, 4), as they are in what is stored of it."""
        from fastconv import geometry

        if self.orientation != 1:
            own = geometry.turned(own, self.orientation)
        if self.part is not None:
            own = geometry.cut(own, *self.upright, self.part)
        return own


class Remaker:
    """Makes what is stored of images by one recipe, with buffers that it uses again."""

    def __init__(self, recipe: Recipe) -> None:
        from fastconv._resample import Resampler

        self._recipe = recipe
        self._resampler = Resampler()
        self._buffers: dict[str, bytearray] = {}

    def jpeg(self, data: bytes, facts: tuple[int, int, int, int, int]) -> Made:
        """Of a whole JPEG of one or three components; ``facts`` are height, width, components,
        sampling and orientation (fastconv._jpeg.look). Raises BadImageError."""
        recipe = self._recipe
        height, width, components, sampling, orientation = facts
        gray = components == 1
        if recipe.exif != "apply":
            orientation = 1
        upright = (width, height) if orientation > 4 else (height, width)
        target = recipe.target(*upright)
        is_same = (target.height, target.width) == upright
        if is_same and orientation == 1 and not recipe.every and not (gray and recipe.rgb):
            if recipe.decode_all:
                verdict.check(data, height, width, components)
            kept = metadata.stripped(data) if recipe.exif == "strip" else data
            if not recipe.bytes_max or len(kept) <= recipe.bytes_max:
                return Made(kept, height, width, gray, ("stripped",) if kept != data else ())
        scale = 1 if recipe.exact else self._scale(target, upright, sampling)
        space = "GRAY" if gray else "RGB"
        room = self._room("decoded", -(-height // scale) * -(-width // scale) * (1 if gray else 3))
        pixels, scale = verdict.decode(data, space, (height, width), scale, room)
        notes = b""
        if recipe.exif == "keep":  # a profile is of gray or of colours
            notes = metadata.notes(data, profile=not (gray and recipe.rgb))
        made = self._make(
            pixels, scale, (height, width), orientation, target, sampling, "it", len(notes)
        )
        return _with_notes(made, notes)

    def foreign(self, data: bytes) -> tuple[Made, str]:
        """Of any other image; and what it was. Raises BadImageError."""
        recipe = self._recipe
        if not recipe.alters:
            encoded, height, width, was = images.repair(data, recipe.pixels_max)
            return Made(encoded, height, width, False), was
        pixels, was, orientation, notes = images.decode(data, recipe.pixels_max)
        if recipe.exif != "apply":
            orientation = 1
        if recipe.exif != "keep":
            notes = b""
        height, width = pixels.shape[:2]
        upright = (width, height) if orientation > 4 else (height, width)
        target = recipe.target(*upright)
        if (target.height, target.width) == upright and orientation == 1 and not recipe.every:
            encoded = images.encode(pixels, images.QUALITY, images.SUBSAMPLING, was)
            encoded = metadata.with_notes(encoded, notes)
            if not recipe.bytes_max or len(encoded) <= recipe.bytes_max:
                return Made(encoded, height, width, False), was
        made = self._make(pixels, 1, (height, width), orientation, target, 0x11, was, len(notes))
        return _with_notes(made, notes), was

    def _scale(self, target: Target, upright: tuple[int, int], sampling: int) -> int:
        """The factor to decode by: 1, 2, 4 or 8."""
        if self._recipe.filter == "box" or sampling not in DRAFT_SAMPLINGS:
            return 1
        left, top, right, bottom = target.part
        ratio = min((right - left) / target.width, (bottom - top) / target.height)
        for scale in (8, 4, 2):
            enough = DRAFT_RATIO_422 if sampling == 0x21 and scale > 2 else DRAFT_RATIO
            if ratio >= scale * enough:
                return scale
        return 1

    def _make(
        self,
        pixels: Any,
        scale: int,
        stored: tuple[int, int],
        orientation: int,
        target: Target,
        sampling: int,
        was: str,
        notes_bytes: int = 0,
    ) -> Made:
        recipe = self._recipe
        bytes_max = recipe.bytes_max and recipe.bytes_max - notes_bytes
        if recipe.bytes_max and bytes_max <= 0:
            raise BadImageError(
                f"{was} cannot be made to fit into --max-bytes {recipe.bytes_max}: its Exif data "
                f"and colour profile take {notes_bytes} bytes, and --exif strip leaves them out"
            )
        upright = stored[::-1] if orientation > 4 else stored
        box = self._box(pixels, scale, stored, orientation, target)
        if orientation != 1:
            pixels = self._turned(pixels, orientation)
        if pixels.shape[2] == 1 and recipe.rgb:
            pixels = pixels.repeat(3, axis=2)
        subsampling = recipe.subsampling
        if subsampling == "keep":
            subsampling = SAMPLING_NAMES.get(sampling, "420")
        height, width = target.height, target.width
        for _ in range(FIT_TRIES):
            fitting = self._resized(pixels, height, width, box)
            encoded = images.encode(fitting, recipe.quality, subsampling, was)
            if not bytes_max or len(encoded) <= bytes_max or max(height, width) == 1:
                break
            by = min(0.95, 0.97 * (bytes_max / len(encoded)) ** 0.5)
            longer = max(1, int(max(height, width) * by))
            if height >= width:
                height, width = longer, scaled(height, width, longer)
            else:
                height, width = scaled(width, height, longer), longer
        if bytes_max and len(encoded) > bytes_max:
            raise BadImageError(f"{was} cannot be made to fit into --max-bytes {recipe.bytes_max}")
        changes = ["turned"] if orientation != 1 else []
        if (height, width) != upright:
            changes.append("resized")
        is_part = target.part != (0, 0, upright[1], upright[0])
        return Made(
            encoded,
            height,
            width,
            pixels.shape[2] == 1,
            tuple(changes) or ("encoded anew",),
            orientation,
            target.part if is_part else None,
            upright,
        )

    def _box(
        self,
        pixels: Any,
        scale: int,
        stored: tuple[int, int],
        orientation: int,
        target: Target,
    ) -> tuple[float, float, float, float]:
        """Where the target's part lies in the decoded pixels, once they are turned. The last row
        and column of an image decoded at a fraction may stand for less than a whole pixel."""
        if scale == 1:
            return target.part
        import numpy as np

        from fastconv import geometry

        rows, columns = pixels.shape[:2]
        if orientation > 4:
            rows, columns = columns, rows
        whole = np.array([[0.0, 0.0, stored[1] / scale, stored[0] / scale]])
        origin = geometry.turned(whole, orientation, columns, rows)[0]
        left, top, right, bottom = (
            float(edge / scale + origin[at % 2]) for at, edge in enumerate(target.part)
        )
        return max(0.0, left), max(0.0, top), min(columns, right), min(rows, bottom)

    def _turned(self, pixels: Any, orientation: int) -> Any:
        from fastconv._resample import orient

        height, width, channels = pixels.shape
        if orientation > 4:
            height, width = width, height
        upright = self._array("turned", height, width, channels)
        orient(pixels, upright, orientation)
        return upright

    def _resized(
        self, pixels: Any, height: int, width: int, box: tuple[float, float, float, float]
    ) -> Any:
        rows, columns, channels = pixels.shape
        if (height, width) == (rows, columns) and box == (0, 0, columns, rows):
            return pixels
        out = self._array("resized", height, width, channels)
        self._resampler.resize(pixels, out, self._recipe.filter, box)
        return out

    def _room(self, name: str, size: int) -> memoryview:
        """A buffer of `size` bytes, the one that was used before where it is large enough."""
        buffer = self._buffers.get(name)
        if buffer is None or len(buffer) < size:
            self._buffers[name] = buffer = bytearray(size)
        return memoryview(buffer)[:size]

    def _array(self, name: str, height: int, width: int, channels: int) -> Any:
        import numpy as np

        room = self._room(name, height * width * channels)
        return np.frombuffer(room, np.uint8).reshape(height, width, channels)


def _with_notes(made: Made, notes: bytes) -> Made:
    return replace(made, data=metadata.with_notes(made.data, notes)) if notes else made
