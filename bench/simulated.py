"""A dataset as large as one likes, of which only headers and names are there.

    python -m bench.simulated --storage DIR --of imagenet-21k --form archives

Class archives are sparse files: the headers of their members are real and stand where they would
stand among images of ImageNet's sizes, whose bytes are holes. Some dozens of them are distinct, and
each class is a link to one of these. So planning opens as many archives and reads as many headers
as it would of the real ones, from memory, and what it makes of them is as large. A tree is made
likewise: class folders of sparse files, each class a link to one of some dozens.
"""

from __future__ import annotations

import argparse
import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.corpus import reuse_or_make
from bench.tarwriter import BLOCK, END, RECORD, Body, header

DISTINCT = 64
BYTES_MEDIAN, BYTES_SPREAD = 100_000, 0.45  # of a log-normal distribution: about 110 kB on average
BYTES_MIN, BYTES_MAX = 2_000, 2_000_000
Form = Literal["archives", "tree"]
FORMS: tuple[Form, ...] = ("archives", "tree")


@dataclass(frozen=True, slots=True)
class Shape:
    """How many classes and images a dataset has."""

    classes: int
    images: int


SHAPES = {"imagenet": Shape(1_000, 1_281_167), "imagenet-21k": Shape(21_841, 14_197_122)}


@dataclass(frozen=True, slots=True)
class Simulated:
    """A folder that ``fastconv plan`` takes; ``bytes`` are what its images would have."""

    path: Path
    images: int
    classes: int
    bytes: int


def class_sizes(shape: Shape, rng: random.Random) -> tuple[list[int], list[int]]:
    """(images of each distinct class, which of these each class is); the last class alone has
    whatever is missing to the number of images."""
    mean = shape.images // shape.classes
    # In ImageNet classes are of nearly one size; in ImageNet-21k some have one image.
    widest = mean // 50 if shape.classes == SHAPES["imagenet"].classes else mean - 1
    steps = [rng.randint(0, widest) for _ in range(DISTINCT // 2)]
    sizes = [mean + sign * step for step in steps for sign in (1, -1)]
    which = [number % DISTINCT for number in range(shape.classes - 1)]
    missing = shape.images - sum(sizes[k] for k in which)
    rng.shuffle(which)
    if missing < 1:
        raise ValueError(f"so few images in {shape.classes} classes cannot be spread")
    return [*sizes, missing], [*which, DISTINCT]


def image_bytes(rng: random.Random) -> int:
    value = round(BYTES_MEDIAN * rng.lognormvariate(0, BYTES_SPREAD))
    return min(max(value, BYTES_MIN), BYTES_MAX)


def _write_archive(path: Path, names: list[str], sizes: list[int]) -> None:
    at = 0
    with path.open("wb") as file:
        for name, size in zip(names, sizes, strict=True):
            file.seek(at)
            file.write(header(name.encode(), Body.of_holes(size)))
            at += BLOCK + -(-size // BLOCK) * BLOCK
        at += len(END)
        file.truncate(-(-at // RECORD) * RECORD)


def _write_folder(path: Path, names: list[str], sizes: list[int]) -> None:
    path.mkdir()
    for name, size in zip(names, sizes, strict=True):
        with (path / name).open("wb") as file:
            file.truncate(size)


def build_simulated(storage: Path, of: str, form: Form, part: int = 1, seed: int = 1) -> Simulated:
    """``storage/simulated-…``: the dataset of this shape, or one class in ``part`` of it."""
    from fastconv.annotations.tables import imagenet_synsets

    whole = SHAPES[of]
    shape = Shape(whole.classes // part, whole.images // part)
    if whole.classes == len(imagenet_synsets()):
        classes = list(imagenet_synsets())[: shape.classes]
    else:
        classes = [f"n{number:08}" for number in range(1, shape.classes + 1)]

    def make(out: Path) -> dict[str, Any]:
        rng = random.Random(f"{seed} {of}")
        counts, which = class_sizes(shape, rng)
        train, store = out / "train", out / "distinct"
        train.mkdir()
        store.mkdir()
        bytes_of = []
        for number, count in enumerate(counts):
            numbers = rng.sample(range(1, 99_999), count)
            names = [f"n{number:08}_{each}.JPEG" for each in numbers]
            sizes = [image_bytes(rng) for _ in range(count)]
            bytes_of.append(sum(sizes))
            write = _write_archive if form == "archives" else _write_folder
            write(store / str(number), names, sizes)
        suffix = ".tar" if form == "archives" else ""
        for name, number in zip(classes, which, strict=True):
            os.symlink(f"../distinct/{number}", train / f"{name}{suffix}")  # noqa: PTH211
        return {"bytes": sum(bytes_of[number] for number in which)}

    folder = storage / f"simulated-{of}-{form}-{part}"
    facts = reuse_or_make(folder, {"of": of, "form": form, "part": part, "seed": seed}, make)
    return Simulated(folder, shape.images, shape.classes, facts["bytes"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a dataset of headers and names alone.")
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--of", choices=sorted(SHAPES), default="imagenet-21k")
    parser.add_argument("--form", choices=FORMS, default="archives")
    parser.add_argument("--part", type=int, default=1, help="one class of this many")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    made = build_simulated(given.storage, given.of, given.form, given.part, given.seed)
    print(f"{made.path}: {made.images:,} images in {made.classes:,} classes, {made.bytes:,} bytes")


if __name__ == "__main__":
    main()
