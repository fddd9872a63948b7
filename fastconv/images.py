"""What happens to an image that cannot be stored as it is: it becomes an RGB JPEG, or is bad."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from fastconv import _jpeg
from fastconv.errors import BadImageError

if TYPE_CHECKING:
    import numpy.typing as npt

# What slim's ImageCoder writes: tf.image.encode_jpeg(format="rgb", quality=100), which is 4:2:0.
QUALITY = 100
SUBSAMPLING = "420"


def repair(data: bytes) -> tuple[bytes, int, int, str]:
    """An image of any format as (RGB JPEG, height, width, what it was).

    CMYK and YCCK JPEGs are decoded by libjpeg-turbo and combined as TensorFlow does (r = k·c / 255
    of Adobe's inverted data), everything else by Pillow: the first frame, without alpha. Raises
    BadImageError with the reason, which the caller puts behind the image's name.
    """
    status, _, _, components, _, _ = _jpeg.scan(data)
    if status == 0 and components == 4:
        pixels, was = _decode_cmyk(data), "CMYK or YCCK JPEG"
    else:
        pixels, was = _decode_other(data)
    import simplejpeg

    height, width = pixels.shape[:2]
    try:
        encoded: bytes = simplejpeg.encode_jpeg(
            pixels, quality=QUALITY, colorspace="RGB", colorsubsampling=SUBSAMPLING, fastdct=False
        )
    except ValueError as error:
        raise BadImageError(f"{was} cannot be stored as a JPEG: {error}") from None
    return encoded, height, width, was


def _decode_cmyk(data: bytes) -> npt.NDArray[Any]:
    import numpy as np
    import simplejpeg
    from PIL import Image

    try:
        inks = simplejpeg.decode_jpeg(data, colorspace="CMYK").astype(np.uint16)
        with Image.open(io.BytesIO(data)) as image:
            # Adobe writes what light an ink leaves, others what it takes.
            left = inks if "adobe" in image.info else 255 - inks
    except (ValueError, OSError) as error:
        raise BadImageError(f"a CMYK JPEG that cannot be decoded: {error}") from None
    return np.ascontiguousarray((left[..., :3] * left[..., 3:] // 255).astype(np.uint8))


def _decode_other(data: bytes) -> tuple[npt.NDArray[Any], str]:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        # Pillow warns of what it tolerates, and of images beyond half its pixel limit.
        warnings.simplefilter("ignore")
        try:
            Image.init()
            # Not by programs outside, as Ghostscript is for EPS.
            formats = [name for name in Image.ID if name != "EPS"]
            with Image.open(io.BytesIO(data), formats=formats) as image:
                was = image.format or "image"
                image.seek(0)
                if image.mode.startswith("I;16") or (image.mode == "I" and was == "PNG"):
                    # 16 bits: the high byte, as TensorFlow takes it; Pillow's own way would clip.
                    gray = np.asarray(image).astype(np.uint16) >> 8
                    return np.repeat(gray.astype(np.uint8)[..., None], 3, axis=2), was
                return np.ascontiguousarray(image.convert("RGB")), was
        except UnidentifiedImageError:
            raise BadImageError("is no image that fastconv or Pillow knows") from None
        except Image.DecompressionBombError as error:
            raise BadImageError(f"is too large to decode: {error}") from None
        # Pillow's readers raise whatever their formats' damage leads them to.
        except (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError,
                MemoryError, OverflowError, ArithmeticError, RuntimeError) as error:  # fmt: skip
            raise BadImageError(f"is damaged: {error}") from None
