"""How near scaled decoding comes to a full one: `python -m bench.draft_quality [PHOTO …]`.

A JPEG is decoded at a half, a quarter or an eighth and then resized, and it is decoded in full and
then resized; the figures are the mean and the least PSNR between the two, in decibels, of pixels
that were not encoded. Prints tables in Markdown.

The images are the photographs that scikit-image and scikit-learn carry in their wheels: each as it
is, enlarged three times (photographs of many pixels are softer than small ones), and three by
three of it, turned and mirrored, which is as sharp as it was; each a JPEG of quality 90. The
targets are the largest for which fastconv decodes at that fraction (fastconv/remake.py), where the
difference is greatest. The resampler is fastconv's.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.corpus import photographs
from bench.quality import Pixels, psnr
from fastconv.recipe import FILTERS
from fastconv.remake import DRAFT_RATIO, DRAFT_RATIO_422

ENLARGED, JOINED = 3, 3
SAMPLINGS = ("420", "444", "422")
FRACTIONS = (2, 4, 8)
QUALITY = 90
LEAST_SIDE = 16  # of a target: less says nothing of photographs

Measured = dict[tuple[str, int, str], list[float]]  # by sampling, fraction and filter


def images(path: Path) -> Iterator[tuple[str, Pixels]]:
    """(kind, pixels) of what is made of a photograph."""
    from PIL import Image

    with Image.open(path) as file:
        image = file.convert("RGB")
    width, height = image.size
    yield "as they are", np.asarray(image)
    larger = image.resize((width * ENLARGED, height * ENLARGED), Image.Resampling.LANCZOS)
    yield "enlarged", np.asarray(larger)
    pixels = np.asarray(image)
    turns = (pixels, pixels[:, ::-1], pixels[::-1], pixels[::-1, ::-1])
    rows = [
        np.concatenate([turns[(row + column) % 4] for column in range(JOINED)], axis=1)
        for row in range(JOINED)
    ]
    yield "joined", np.ascontiguousarray(np.concatenate(rows))


def enough(sampling: str, fraction: int) -> float:
    """The ratio of the decoded image's sides to the target's that fastconv asks for."""
    return DRAFT_RATIO_422 if sampling == "422" and fraction > 2 else DRAFT_RATIO


def largest_target(height: int, width: int, fraction: int, ratio: float) -> tuple[int, int]:
    """Sides that the image has `ratio` times as many pixels of, decoded at the fraction."""
    return int(height / (fraction * ratio)), int(width / (fraction * ratio))


def differences(data: bytes, fraction: int, ratio: float) -> Iterator[tuple[str, float]]:
    """(filter, PSNR) of the JPEG decoded at the fraction against the whole one."""
    import simplejpeg

    from fastconv._resample import Resampler

    whole: Pixels = simplejpeg.decode_jpeg(data)
    height, width = whole.shape[:2]
    sides = largest_target(height, width, fraction, ratio)
    if min(sides) < LEAST_SIDE:
        return
    part: Pixels = simplejpeg.decode_jpeg(
        data, min_height=-(-height // fraction), min_width=-(-width // fraction)
    )
    resampler = Resampler()
    for name in FILTERS:
        made = [np.empty((*sides, 3), np.uint8) for _ in range(2)]
        resampler.resize(whole, made[0], name)
        resampler.resize(part, made[1], name, (0.0, 0.0, width / fraction, height / fraction))
        yield name, psnr(made[1], made[0])


def measured(paths: list[Path]) -> dict[str, Measured]:
    """Of each kind of image, and of all."""
    import simplejpeg

    found: dict[str, Measured] = defaultdict(lambda: defaultdict(list))
    for path in paths:
        for kind, pixels in images(path):
            for sampling in SAMPLINGS:
                data = simplejpeg.encode_jpeg(pixels, quality=QUALITY, colorsubsampling=sampling)
                for fraction in FRACTIONS:
                    for name, value in differences(data, fraction, enough(sampling, fraction)):
                        for each in (kind, "all"):
                            found[each][sampling, fraction, name].append(value)
    return found


def table(values: Measured) -> list[str]:
    lines = [
        f"| decoded at, sampling | images | {' | '.join(FILTERS)} |",
        f"| --- | ---: |{' ---: |' * len(FILTERS)}",
    ]
    for sampling in SAMPLINGS:
        for fraction in FRACTIONS:
            found = [values.get((sampling, fraction, name), []) for name in FILTERS]
            if found[0]:
                cells = [f"{sum(each) / len(each):.1f} / {min(each):.1f}" for each in found]
                label = f"1/{fraction}, {':'.join(sampling)}"
                lines.append(f"| {label} | {len(found[0])} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="*", help="others than the packages'")
    paths: Any = parser.parse_args().photos or photographs()
    for kind, values in measured(paths).items():
        print(f"\n{kind}\n", *table(values), sep="\n")


if __name__ == "__main__":
    main()
