"""ImageNet's scale without its bytes: as many images, classes and boxes, of tiny JPEGs.

    python -m bench.scale_corpus --storage DIR [--part 16]

The archive is a tar of tars as ILSVRC2012's is, with names and class sizes like its own; some
dozens of distinct images, all of them real JPEGs, are repeated in it.
"""

from __future__ import annotations

import argparse
import io
import random
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.corpus import TRAIN, reuse_or_make
from bench.tarwriter import BLOCK, END, RECORD, Body, header, packed

IMAGES, CLASSES, ANNOTATED = 1_281_167, 1_000, 544_546
CLASS_IMAGES_MIN, CLASS_IMAGES_MAX = 732, 1_300
FULL_CLASSES = 895  # classes with 1,300 images
BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
VALIDATION_IMAGES = 50_000
VALIDATION = "ILSVRC2012_img_val.tar"
DISTINCT_IMAGES, DISTINCT_ANNOTATIONS = 48, 500
_SIDES = (12, 16, 20, 24)


@dataclass(frozen=True, slots=True)
class Scale:
    """A folder that ``fastconv shards`` takes; ``bytes`` are the archive's."""

    path: Path
    images: int
    annotated: int
    bytes: int

    @property
    def archive(self) -> Path:
        return self.path / TRAIN


@dataclass(frozen=True, slots=True)
class Validation:
    """A flat archive of validation images, whose labels fastconv has; ``bytes`` are its own."""

    path: Path
    images: int
    bytes: int


def tiny_jpegs(rng: random.Random, count: int) -> list[bytes]:
    """Distinct JPEGs of a few hundred bytes each."""
    made: set[bytes] = set()
    while len(made) < count:
        height, width = rng.choice(_SIDES), rng.choice(_SIDES)
        corners = bytes(rng.randrange(256) for _ in range(12))
        small = Image.frombytes("RGB", (2, 2), corners)
        picture = small.resize((width, height), Image.Resampling.BICUBIC)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=rng.randrange(60, 90), optimize=True)
        made.add(out.getvalue())
    return sorted(made)


def class_sizes(rng: random.Random, part: int = 1) -> list[int]:
    """Images of each class: 732 to 1,300 as in ImageNet, or a ``part``-th of that."""
    others = CLASSES - FULL_CLASSES
    sizes = [rng.randint(CLASS_IMAGES_MIN, CLASS_IMAGES_MAX - 1) for _ in range(others)]
    missing = IMAGES - FULL_CLASSES * CLASS_IMAGES_MAX - sum(sizes)
    while missing:
        at = rng.randrange(others)
        step = 1 if missing > 0 else -1
        if CLASS_IMAGES_MIN < sizes[at] + step < CLASS_IMAGES_MAX:
            sizes[at] += step
            missing -= step
    sizes += [CLASS_IMAGES_MAX] * FULL_CLASSES
    rng.shuffle(sizes)
    if part == 1:
        return sizes
    ends = np.cumsum([0, *sizes]) // part
    return [int(n) for n in np.diff(ends)]


def annotation_parts(rng: random.Random) -> list[tuple[bytes, ...]]:
    """Annotation texts with the WNID and the image's name left out: joined by them, in turn."""
    made = []
    for _ in range(DISTINCT_ANNOTATIONS):
        width, height = rng.choice(((500, 375), (500, 333), (375, 500), (640, 480)))
        objects = ""
        for _ in range(rng.choices((1, 2, 3), (0.89, 0.09, 0.02))[0]):
            xmin, ymin = rng.randrange(width // 2), rng.randrange(height // 2)
            xmax = rng.randrange(xmin + 1, width)
            ymax = rng.randrange(ymin + 1, height)
            objects += (
                "\t<object>\n\t\t<name>{wnid}</name>\n\t\t<pose>Unspecified</pose>\n"
                "\t\t<truncated>0</truncated>\n\t\t<difficult>0</difficult>\n\t\t<bndbox>\n"
                f"\t\t\t<xmin>{xmin}</xmin>\n\t\t\t<ymin>{ymin}</ymin>\n"
                f"\t\t\t<xmax>{xmax}</xmax>\n\t\t\t<ymax>{ymax}</ymax>\n"
                "\t\t</bndbox>\n\t</object>\n"
            )
        text = (
            "<annotation>\n\t<folder>{wnid}</folder>\n\t<filename>{name}</filename>\n"
            "\t<source>\n\t\t<database>ILSVRC_2012</database>\n\t</source>\n"
            f"\t<size>\n\t\t<width>{width}</width>\n\t\t<height>{height}</height>\n"
            "\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n"
            f"{objects}</annotation>\n"
        )
        made.append(text)
    return [tuple(part.encode() for part in text.split("{name}")) for text in made]


def _names(rng: random.Random, wnid: str, count: int) -> list[str]:
    # ImageNet numbers its candidates and keeps one in some, in no order.
    return [f"{wnid}_{number}" for number in rng.sample(range(1, 12 * max(count, 100)), count)]


def _write_boxes(path: Path, entries: Iterator[tuple[str, list[str]]], rng: random.Random) -> None:
    texts = annotation_parts(rng)
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    length = 0
    with path.open("wb") as file:
        for wnid, names in entries:
            folder = wnid.encode()
            parts: list[bytes] = []
            wanted = rng.choices(texts, k=len(names))
            for (before, after), name in zip(wanted, names, strict=True):
                stem = name.encode()
                body = Body((before + stem + after).replace(b"{wnid}", folder))
                parts += (header(folder + b"/" + stem + b".xml", body), body.content)
            piece = b"".join(parts)
            length += len(piece)
            file.write(packer.compress(piece))
        length += len(END)
        file.write(packer.compress(END + bytes(-length % RECORD)) + packer.flush())


def build_scale(storage: Path, part: int = 1, seed: int = 1) -> Scale:
    """``storage/scale-<part>``: a ``part``-th of ImageNet's images and of their annotations."""
    from fastconv.annotations.tables import imagenet_synsets

    def make(out: Path) -> dict[str, Any]:
        rng = random.Random(f"{seed} {part}")
        bodies = [Body(data) for data in tiny_jpegs(random.Random(seed), DISTINCT_IMAGES)]
        wnids = imagenet_synsets()
        sizes = class_sizes(random.Random(seed), part)
        # Each class has its share of the annotated images.
        images = sum(sizes)
        shares = np.diff(np.cumsum([0, *sizes]) * (ANNOTATED // part) // images)
        annotated: list[tuple[str, list[str]]] = []
        length = 0
        with (out / TRAIN).open("wb") as file:
            for wnid, size, share in zip(wnids, sizes, shares, strict=True):
                names = _names(rng, wnid, size)
                chosen = rng.choices(bodies, k=size)
                inner = packed(
                    [(f"{n}.JPEG".encode(), b) for n, b in zip(names, chosen, strict=True)]
                )
                file.write(header(f"{wnid}.tar".encode(), Body(inner)))
                file.write(inner)
                length += BLOCK + len(inner)
                annotated.append((wnid, names[: int(share)]))
            length += len(END)
            file.write(END + bytes(-length % RECORD))
        _write_boxes(out / BOXES, iter(annotated), rng)
        return {
            "images": images,
            "annotated": sum(len(names) for _, names in annotated),
            "bytes": (out / TRAIN).stat().st_size,
        }

    folder = storage / f"scale-{part}"
    facts = reuse_or_make(folder, {"part": part, "seed": seed, "form": 1}, make)
    return Scale(folder, facts["images"], facts["annotated"], facts["bytes"])


def build_validation(storage: Path, part: int = 1, seed: int = 1) -> Validation:
    """``storage/scale-validation-<part>``: the first images of as many as ImageNet has, as tiny."""

    def make(out: Path) -> dict[str, Any]:
        bodies = [Body(data) for data in tiny_jpegs(random.Random(seed), DISTINCT_IMAGES)]
        chosen = random.Random(seed).choices(bodies, k=VALIDATION_IMAGES // part)
        members = [
            (b"ILSVRC2012_val_%08d.JPEG" % number, body) for number, body in enumerate(chosen, 1)
        ]
        size = (out / VALIDATION).write_bytes(packed(members))
        return {"images": len(members), "bytes": size}

    folder = storage / f"scale-validation-{part}"
    facts = reuse_or_make(folder, {"part": part, "seed": seed, "form": 1}, make)
    return Validation(folder / VALIDATION, facts["images"], facts["bytes"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the corpus of ImageNet's scale.")
    parser.add_argument("--storage", type=Path, required=True)
    parser.add_argument("--part", type=int, default=1, help="make only one image of this many")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    made = build_scale(given.storage, given.part, given.seed)
    seconds = time.perf_counter() - began
    print(
        f"{made.images:,} images, {made.annotated:,} annotations, {made.bytes:,} bytes: "
        f"{seconds:.1f} s"
    )


if __name__ == "__main__":
    main()
