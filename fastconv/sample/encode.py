"""Sizes in pixels and in bytes like ImageNet's, and the JPEG quality that reaches them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import simplejpeg

from fastconv.sample.noise import U8

# Of an image of 500 x 375 pixels; the mean of all sizes comes out at 105,000.
MEAN_BYTES = 110_000
_HEADER_BYTES = 620  # markers and tables of the JPEGs made here
_USUAL = ((375, 500), (500, 375), (333, 500), (500, 333), (500, 500), (334, 500))
_USUAL_SHARE = (0.4, 0.13, 0.14, 0.05, 0.05, 0.03)


@dataclass(frozen=True)
class Form:
    """What an image is to become: height and width in pixels, chroma sampling, bytes hoped for."""

    height: int
    width: int
    sampling: str
    bytes_target: int


def draw_form(rng: np.random.Generator) -> Form:
    """Mostly 500 x 375 and its kin; the rest have sides of some 200 to 1,000 pixels."""
    pick = rng.random()
    height, width = 0, 0
    for sides, share in zip(_USUAL, _USUAL_SHARE, strict=True):
        if pick < share:
            height, width = sides
            break
        pick -= share
    if not height:
        root = 400 * np.exp(rng.uniform(-0.6, 0.6))
        aspect = np.exp(rng.normal(0.15, 0.25))
        height = int(np.clip(root / aspect**0.5, 200, 1000))
        width = int(np.clip(root * aspect**0.5, 200, 1000))
    sampling = "444" if rng.random() < 0.3 else "420"
    # Bytes grow more slowly than pixels, and vary by half from one picture to the next.
    typical = MEAN_BYTES * (height * width / 187_500) ** 0.6
    spread = 0.35
    target = typical * np.exp(rng.normal(-spread * spread / 2, spread))
    return Form(height, width, sampling, int(target))


def _scale(quality: float) -> float:
    """libjpeg's factor on its quantization tables at ``quality``, 50 ... 100."""
    return max(2.0 - quality / 50.0, 0.02)


def encode(image: U8, form: Form) -> bytes:
    """A JPEG of about ``form.bytes_target`` bytes, of quality 50 to 98.

    ``image`` is RGB or gray, uint8 of shape (height, width, 3 or 1). Its size is foretold from
    a fifth of its rows, encoded at two qualities.
    """
    gray = image.shape[2] == 1
    space, sampling = ("GRAY", "Gray") if gray else ("RGB", form.sampling)
    height = image.shape[0]
    tops = range(0, height - 15, 80)
    probe = np.concatenate([image[top : top + 16] for top in tops])
    whole = height / len(probe)

    def probed(quality: int) -> float:
        data: bytes = simplejpeg.encode_jpeg(probe, quality, space, sampling, fastdct=True)
        return float(whole * (len(data) - _HEADER_BYTES))

    low, high = 80, 95
    small, large = probed(low), probed(high)
    # Bytes fall as a power of the tables' factor; find the power from two points.
    power = np.log(large / small) / np.log(_scale(low) / _scale(high))
    hoped = max(form.bytes_target - _HEADER_BYTES, 1_000)
    factor = _scale(high) * (large / hoped) ** (1 / max(power, 0.05))
    quality = int(np.clip(round(50 * (2 - factor)), 50, 98))
    data: bytes = simplejpeg.encode_jpeg(image, quality, space, sampling, fastdct=True)
    return data
