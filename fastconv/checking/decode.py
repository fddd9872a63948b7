"""Can an image be decoded? Of a JPEG TensorFlow's verdict (fastconv.verdict), else Pillow's."""

from __future__ import annotations

import warnings

from fastconv import _verify, verdict
from fastconv.errors import BadImageError
from fastconv.images import opened
from fastconv.recipe import PIXELS_MAX


def check(data: bytes) -> None:
    """Raises BadImageError with the reason where it cannot."""
    height, width, components = _verify.jpeg_sides(data)
    if components:
        _refuse_bomb(height, width)
        verdict.check(data, height, width, components)
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened(data) as image:
                _refuse_bomb(image.height, image.width)
                image.load()
    except BadImageError:
        raise
    except Exception as error:  # Pillow's plugins raise nearly anything
        raise BadImageError(str(error) or type(error).__name__) from None


def _refuse_bomb(height: int, width: int) -> None:
    if height * width > PIXELS_MAX:
        raise BadImageError(
            f"its {width} x {height} pixels are more than the {PIXELS_MAX:,} that are decoded here"
        )
