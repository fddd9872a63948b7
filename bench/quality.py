"""How near an image that a tool made is to what it could be at best: pixels decoded in full and
resized by the same filter, before they are encoded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.peers.resizing import QUALITY

Pixels = npt.NDArray[np.uint8]


def decoded(data: bytes) -> Pixels:
    import simplejpeg

    pixels: Pixels = simplejpeg.decode_jpeg(data)
    return pixels


def encoded(pixels: Pixels) -> bytes:
    import simplejpeg

    made: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=QUALITY, colorsubsampling="420", fastdct=False
    )
    return made


def resized(pixels: Pixels, height: int, width: int, filter_: str) -> Pixels:
    """By Pillow's filter of that name, antialiased as all of Pillow's are, or by "area"."""
    from PIL import Image

    if filter_ == "area":
        down, across = _areas(pixels.shape[0], height), _areas(pixels.shape[1], width)
        means = np.einsum("yh,hwc,xw->yxc", down, pixels, across, optimize=True)
        rounded: Pixels = np.rint(means).astype(np.uint8)
        return rounded

    made = Image.fromarray(pixels).resize((width, height), Image.Resampling[filter_.upper()])
    return np.asarray(made)


def _areas(length: int, made: int) -> npt.NDArray[np.float64]:
    """(made, length): of each pixel the share that an output pixel covers. Pillow's box takes a
    pixel wholly or not at all."""
    edges = np.arange(made + 1) * length / made
    at = np.arange(length)
    over = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    shares: npt.NDArray[np.float64] = np.maximum(over, 0) * made / length
    return shares


def psnr(ours: Pixels, best: Pixels) -> float:
    """The peak signal-to-noise ratio over all samples, in decibels; infinite where all agree."""
    error = float(np.mean((ours.astype(np.float64) - best) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf


def ssim(ours: Pixels, best: Pixels) -> float:
    """The mean structural similarity of the three channels, as scikit-image computes it."""
    from skimage.metrics import structural_similarity

    likeness: Any = structural_similarity
    return float(likeness(ours, best, channel_axis=2, data_range=255))


def mean_and_least(values: Iterable[float]) -> dict[str, float]:
    found = list(values)
    return {"mean": sum(found) / len(found), "min": min(found)}


def records(folder: Path) -> dict[str, bytes]:
    """The images that fastconv wrote into a folder, by their files' names."""
    import fastconv

    found = {}
    for path in sorted((folder / "data_dir").iterdir()):
        for record in fastconv.read_records(path):
            example = fastconv.parse_example(record)
            found[example["image/filename"][0].decode()] = example["image/encoded"][0]
    return found


def compared(made: dict[str, bytes], originals: dict[str, bytes], filter_: str) -> dict[str, Any]:
    """Of all images: bytes, and the mean and the least of both measures; ``alone`` is what the
    encoding would cost if the pixels were the best."""
    if made.keys() != originals.keys():
        raise ValueError("other images came out than went in")
    noise, likeness, alone = [], [], []
    for name, data in made.items():
        ours = decoded(data)
        height, width = ours.shape[:2]
        best = resized(decoded(originals[name]), height, width, filter_)
        noise.append(psnr(ours, best))
        likeness.append(ssim(ours, best))
        alone.append(psnr(decoded(encoded(best)), best))
    return {
        "filter": filter_,
        "bytes": sum(map(len, made.values())) / len(made),
        "psnr": mean_and_least(noise),
        "ssim": mean_and_least(likeness),
        "alone": mean_and_least(alone),
    }
