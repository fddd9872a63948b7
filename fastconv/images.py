"""Images that are no JPEGs of usual colours: decoded to RGB pixels, or bad."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

from fastconv import _jpeg, metadata
from fastconv.errors import BadImageError
from fastconv.recipe import PIXELS_MAX
from fastconv.verdict import decode_cmyk, refuse_scans

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image

# What slim's ImageCoder writes: tf.image.encode_jpeg(format="rgb", quality=100), which is 4:2:0.
QUALITY = 100
SUBSAMPLING = "420"
STRIP_ROWS = 64

# What people's folders hold under an image's name. Pillow knows as many again: of EPS (for which it
# starts Ghostscript), of microscopes and of games of the nineties, whose readers hardly anybody has
# tried to break, and which no photograph is in.
FORMATS = frozenset(
    ["AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "MPO", "PCX", "PNG", "PPM", "PSD",
     "QOI", "SGI", "TGA", "TIFF", "WEBP"]
)  # fmt: skip


def repair(data: bytes, pixels_max: int = PIXELS_MAX) -> tuple[bytes, int, int, str]:
    """An image of any format as (RGB JPEG, height, width, what it was), as slim repairs it."""
    pixels, was, *_ = decode(data, pixels_max)
    return encode(pixels, QUALITY, SUBSAMPLING, was), *pixels.shape[:2], was


def sides_by_header(data: bytes) -> tuple[int, int] | None:
    """(height, width) of what is no JPEG, from its header; None where it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(data) as image:
                return image.height, image.width
    except Exception:  # Pillow's plugins raise nearly anything at what is no image
        return None


class Foreign(NamedTuple):
    """RGB pixels, uint8 (height, width, 3); what the image was; its Exif orientation; and its Exif
    data, as the segment that a JPEG has it in."""

    pixels: npt.NDArray[Any]
    was: str
    orientation: int
    notes: bytes


def decode(data: bytes, pixels_max: int) -> Foreign:
    """An image of any format.

    CMYK and YCCK JPEGs are decoded by libjpeg-turbo and combined as TensorFlow does (r = k·c / 255
    of Adobe's inverted data), everything else by Pillow: the first frame, without alpha. Raises
    BadImageError with the reason, which the caller puts behind the image's name.
    """
    status, height, width, components, _, orientation = _jpeg.look(data)
    if status == 0 and components == 4:
        refuse_bomb(height, width, pixels_max)
        refuse_scans(data, height, width)
        notes = metadata.notes(data, profile=False)  # which would be one of inks
        return Foreign(_decode_cmyk(data), "CMYK or YCCK JPEG", orientation, notes)
    return _decode_other(data, pixels_max)


def encode(pixels: npt.NDArray[Any], quality: int, subsampling: str, was: str = "it") -> bytes:
    """Pixels, uint8 (height, width, 3) or (height, width, 1), as a JPEG. Raises BadImageError."""
    import simplejpeg

    gray = pixels.shape[2] == 1
    try:
        encoded: bytes = simplejpeg.encode_jpeg(
            pixels,
            quality=quality,
            colorspace="GRAY" if gray else "RGB",
            colorsubsampling="Gray" if gray else subsampling,
            fastdct=False,
        )
    except ValueError as error:
        raise BadImageError(f"{was} cannot be stored as a JPEG: {error}") from None
    return encoded


def refuse_bomb(height: int, width: int, pixels_max: int) -> None:
    """Raises BadImageError where an image has more pixels than it may have."""
    if height * width > pixels_max:
        raise BadImageError(
            f"its {width} x {height} pixels are more than the {pixels_max} of --max-pixels"
        )


def _decode_cmyk(data: bytes) -> npt.NDArray[Any]:
    import numpy as np

    left = decode_cmyk(data)
    pixels = np.empty((*left.shape[:2], 3), np.uint8)
    for row in range(0, len(left), STRIP_ROWS):  # in strips: of 16 bits, they take a lot of memory
        strip = left[row : row + STRIP_ROWS].astype(np.uint16)
        pixels[row : row + STRIP_ROWS] = strip[..., :3] * strip[..., 3:] // 255
    return pixels


def _orientation(image: Image.Image) -> int:
    """What its Exif data says; 1 where there is none, or none that can be read."""
    try:
        turn = image.getexif().get(0x0112)
    except Exception:  # whatever the damage of a note leads Pillow to; the picture may be sound
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _exif_segment(image: Image.Image, orientation: int) -> bytes:
    """An image's Exif data, or, where they are a TIFF's own tags, what it says of orientation."""
    from PIL import Image

    content = image.info.get("exif")
    if not isinstance(content, bytes) or image.format == "TIFF":
        if orientation == 1:
            return b""
        tags = Image.Exif()
        tags[0x0112] = orientation
        content = tags.tobytes()
    return metadata.exif_segment(content)


def _as_stored(upright: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """The pixels that are `upright` once they are turned."""
    import numpy as np

    from fastconv._resample import orient

    height, width = upright.shape[:2]
    stored = np.empty((width, height, 3) if orientation > 4 else upright.shape, np.uint8)
    orient(upright, stored, {6: 8, 8: 6}.get(orientation, orientation))
    return stored


def opened(data: bytes) -> Image.Image:
    """An image of one of FORMATS, its header read. Raises what Pillow does: UnidentifiedImageError
    for what is none, and nearly anything for damage."""
    from PIL import Image

    Image.init()
    formats = [name for name in Image.ID if name in FORMATS]
    return Image.open(io.BytesIO(data), formats=formats)


def _decode_other(data: bytes, pixels_max: int) -> Foreign:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    Image.MAX_IMAGE_PIXELS = None  # the limit is fastconv's own, with its own words
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of what it tolerates
        try:
            with opened(data) as image:
                refuse_bomb(image.height, image.width, pixels_max)
                # An image in it may be larger than it said; Pillow lets pass twice its limit.
                Image.MAX_IMAGE_PIXELS = (pixels_max + 1) // 2
                was = image.format or "image"
                image.seek(0)
                orientation = _orientation(image)
                if image.mode.startswith("I;16") or (image.mode == "I" and was == "PNG"):
                    # 16 bits: the high byte, as TensorFlow takes it; Pillow's own way would clip.
                    gray = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
                    pixels = np.repeat(gray[..., None], 3, axis=2)
                else:
                    plain = image if image.mode == "RGB" else image.convert("RGB")
                    pixels = np.ascontiguousarray(plain)
                if was == "TIFF":  # Pillow turns these itself
                    pixels = _as_stored(pixels, orientation)
                return Foreign(pixels, was, orientation, _exif_segment(image, orientation))
        except UnidentifiedImageError:
            raise BadImageError("is no image that fastconv or Pillow knows") from None
        except (BadImageError, MemoryError):
            raise
        except Exception as error:  # Pillow's readers raise whatever their formats' damage leads to
            raise BadImageError(f"is damaged: {error or type(error).__name__}") from None
        finally:
            Image.MAX_IMAGE_PIXELS = None
