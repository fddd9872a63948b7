"""Can a JPEG be decoded? The verdict is TensorFlow's; and the pixels of those that can.

TensorFlow's tf.io.decode_jpeg refuses a JPEG at libjpeg's fatal errors, and where the bytes end
before the image does; libjpeg's warnings it passes over. Of what simplejpeg says, success without
a warning can be relied on, and nothing else: after a warning, TurboJPEG takes a fatal error for
another warning. So what it refuses is asked of Pillow, which passes over warnings, with bytes
behind the end that are a fatal error to whoever reads on into them.
"""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from fastconv import metadata
from fastconv.errors import BadImageError

if TYPE_CHECKING:
    from PIL import Image as PillowImage

# A second start of an image, as long as a segment can be: wherever a decoder reads on to.
BEHIND = b"\xff\xd8" * 0x8000
SAMPLES_MAX = 1 << 29  # height · width · components, from which on TensorFlow refuses
# A decoder goes through all pixels for each scan, and a scan may be ten bytes long: without a limit
# a file of a megabyte could take hours. Encoders make some ten scans of an image; so many pixels in
# more than SCANS_USUAL scans take a minute at the most.
SCANS_USUAL = 64
SCANNED_PIXELS_MAX = 1 << 34


def check(data: bytes, height: int, width: int, components: int) -> None:
    """Decode a JPEG, whose markers are whole and of a kind that can be read, to nothing. Raises
    BadImageError with the reason where TensorFlow would not decode it."""
    import simplejpeg

    if height * width * components >= SAMPLES_MAX:
        raise BadImageError(f"its {width} x {height} pixels are more than TensorFlow decodes")
    refuse_scans(data, height, width)
    try:
        # An eighth of its size: all of it is read, in the least of time and memory.
        simplejpeg.decode_jpeg(data, min_height=1, min_width=1)
    except ValueError:
        with _with_pillow(data) as image:
            image.draft(None, (1, 1))
            _load(image)


def decode(
    data: bytes, colorspace: str, sides: tuple[int, int], scale: int, buffer: Any
) -> tuple[Any, int]:
    """(pixels, scale) of such a JPEG in "RGB" or "GRAY": uint8 (height, width, 3 or 1) of its
    `sides` (height, width), divided by `scale` (1, 2, 4 or 8) and rounded up. In `buffer` where
    possible, which must be large enough. A JPEG that simplejpeg warns of comes in scale 1.

    Raises BadImageError where TensorFlow would not decode it.
    """
    import numpy as np
    import simplejpeg

    refuse_scans(data, *sides)
    height, width = (-(-side // scale) if scale > 1 else 0 for side in sides)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, colorspace=colorspace, min_height=height, min_width=width, buffer=buffer
        )
        return pixels, scale
    except ValueError:
        with _with_pillow(data) as image:
            _load(image)
            pixels = np.asarray(image.convert("L" if colorspace == "GRAY" else "RGB"))
        return pixels.reshape(*pixels.shape[:2], -1), 1


def decode_cmyk(data: bytes) -> Any:
    """Of a JPEG of four components what light each ink leaves: uint8 (height, width, 4), CMYK.
    Raises BadImageError where TensorFlow would not decode it."""
    import numpy as np
    import simplejpeg

    try:
        inks = simplejpeg.decode_jpeg(data, colorspace="CMYK")
    except ValueError:
        with _with_pillow(data) as image:
            _load(image)
            return 255 - np.asarray(image)  # in Pillow, always what it takes
    with _with_pillow(data) as image:
        # Adobe writes what light an ink leaves, others what it takes.
        return inks if "adobe" in image.info else 255 - inks


def refuse_scans(data: bytes, height: int, width: int) -> None:
    """Raises BadImageError for a JPEG that would take hours to decode."""
    # In image data there are none of these; a thumbnail in a note has one or ten.
    scans = data.count(b"\xff\xda")
    if scans > SCANS_USUAL and scans * height * width > SCANNED_PIXELS_MAX:
        raise BadImageError(
            f"its {width} x {height} pixels are in {scans:,} scans, where encoders make ten of "
            f"them: it would take hours to decode"
        )


def _with_pillow(data: bytes) -> PillowImage.Image:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # the limit is fastconv's own
    # Without its notes, which Pillow would read, and gather from as many as there are.
    whole = metadata.stripped(data) + BEHIND
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(whole), formats=["JPEG"])
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises whatever the damage of a note leads it to
        raise BadImageError(f"it cannot be decoded: {error or type(error).__name__}") from None
    image.decodermaxblock = len(whole)  # all at once: else the end of a block can pass for an end
    return image


def _load(image: PillowImage.Image) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
    except MemoryError:
        raise
    except Exception as error:
        raise BadImageError(f"it cannot be decoded: {error or type(error).__name__}") from None
