"""What the sample holds: every image's class, name and oddity, decided before one is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastconv.sample.boxes import NOISE
from fastconv.sample.odd import TRAIN_KINDS, VALIDATION_KINDS

TRAIN, VALIDATION = 0, 1
_ANNOTATED_SHARE = 0.4
_NOISY_SHARE = 0.05
_ODD_TRAIN_IMAGES_MIN = 40
_ODD_VALIDATION_IMAGES_MIN = 20


@dataclass(frozen=True)
class ImageJob:
    """One image to make: its split, class and number decide its picture, the rest its form.

    ``stem`` is its name without the extension. ``odd`` is the kind of odd file, or empty.
    ``noise`` is None for an image without boxes, else what is wrong with its XML, or empty.
    """

    split: int
    rank: int
    number: int
    stem: str
    odd: str = ""
    noise: str | None = None

    @property
    def file_name(self) -> str:
        return self.stem + ".JPEG"


def spread_classes(synsets: tuple[str, ...], count: int) -> tuple[str, ...]:
    """``count`` of the sorted ``synsets``, evenly spread."""
    return tuple(synsets[i * len(synsets) // count] for i in range(count))


def _counts(rng: np.random.Generator, classes: int, images: int) -> list[int]:
    """Images a class: uneven by a quarter as in ImageNet, at least one, ``images`` in all."""
    weights = rng.uniform(0.75, 1.25, classes)
    ends = np.rint(np.cumsum(weights) / weights.sum() * (images - classes)).astype(int)
    return [int(n) + 1 for n in np.diff(ends, prepend=0)]


def plan_train(wnids: tuple[str, ...], images: int, seed: int) -> list[ImageJob]:
    """The train images, by class, and in a class in the order of its archive's members."""
    rng = np.random.default_rng((seed, 1))
    named: list[tuple[int, int]] = []
    for rank, count in enumerate(_counts(rng, len(wnids), images)):
        # ImageNet numbers its candidates and keeps about one in twelve, in no order.
        numbers = rng.choice(max(12 * count, 200), count, replace=False)
        named += [(rank, int(number) + 1) for number in numbers]
    odd = [""] * images
    if images >= _ODD_TRAIN_IMAGES_MIN:
        places = rng.choice(images, len(TRAIN_KINDS), replace=False)
        for kind, place in zip(TRAIN_KINDS, places, strict=True):
            odd[int(place)] = kind
    noise: list[str | None] = [None] * images
    annotated = rng.permutation(images)[: round(images * _ANNOTATED_SHARE)]
    for k, place in enumerate(annotated):
        # Each kind of noise once, then now and then.
        again = NOISE[int(rng.integers(len(NOISE)))] if rng.random() < _NOISY_SHARE else ""
        noise[int(place)] = NOISE[k] if k < len(NOISE) else again
    return [
        ImageJob(TRAIN, rank, number, f"{wnids[rank]}_{number}", odd[i], noise[i])
        for i, (rank, number) in enumerate(named)
    ]


def plan_validation(classes: int, images: int, seed: int) -> list[ImageJob]:
    """The validation images in the order of their numbers, which says nothing of their class."""
    rng = np.random.default_rng((seed, 2))
    ranks = rng.permutation(np.arange(images) % classes)
    odd = [""] * images
    if images >= _ODD_VALIDATION_IMAGES_MIN:
        places = rng.choice(images, len(VALIDATION_KINDS), replace=False)
        for kind, place in zip(VALIDATION_KINDS, places, strict=True):
            odd[int(place)] = kind
    return [
        ImageJob(VALIDATION, int(ranks[i]), i + 1, f"ILSVRC2012_val_{i + 1:08d}", odd[i])
        for i in range(images)
    ]
