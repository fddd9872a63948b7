"""Which record stands where, and what it holds: slim's build_imagenet_data.py, told again."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Literal, TypeAlias

from twin.boxes import Box, boxes_by_image
from twin.jpeg import jpeg_facts
from twin.pixels import Reencoded, reencoded_source

Expected: TypeAlias = dict[str, "list[bytes] | list[int] | list[float] | list[Reencoded]"]

SLIM_KINDS = {
    "image/height": "int64",
    "image/width": "int64",
    "image/colorspace": "bytes",
    "image/channels": "int64",
    "image/class/label": "int64",
    "image/class/synset": "bytes",
    "image/class/text": "bytes",
    "image/object/bbox/xmin": "float",
    "image/object/bbox/xmax": "float",
    "image/object/bbox/ymin": "float",
    "image/object/bbox/ymax": "float",
    "image/object/bbox/label": "int64",
    "image/format": "bytes",
    "image/filename": "bytes",
    "image/encoded": "bytes",
}

_IMAGE_SUFFIXES = (b".jpeg", b".jpg", b".png")


def truncated_linspace(start: int, stop: int, parts: int) -> list[int]:
    """`numpy.linspace(start, stop, parts + 1).astype(int)`, in Python's floats.

    Where i * step rounds below a whole number the bound is one less than exact division gives, so
    the operations and their order are NumPy's.
    """
    step = float(stop - start) / parts
    inner = [int(i * step + float(start)) for i in range(parts)]
    return [*inner, stop]


def shard_bounds(images: int, num_shards: int, num_threads: int) -> list[tuple[int, int]]:
    """First and one-past-last position, in the shuffled order, of each shard's images."""
    if num_shards % num_threads:
        raise ValueError(f"{num_shards} shards cannot be dealt evenly to {num_threads} threads")
    threads = truncated_linspace(0, images, num_threads)
    bounds: list[tuple[int, int]] = []
    for first, last in pairwise(threads):
        edges = truncated_linspace(first, last, num_shards // num_threads)
        bounds.extend(pairwise(edges))
    return bounds


def image_paths(split_dir: Path, synsets: list[str]) -> Iterator[tuple[str, Path]]:
    """`(wnid, path)` of every image, classes in the order of `synsets`, names bytewise in each.

    Hidden files are left out, as the reference's glob does.
    """
    for wnid in synsets:
        folder = split_dir / wnid
        entries = folder.iterdir() if folder.is_dir() else ()
        names = sorted(os.fsencode(entry.name) for entry in entries)
        for name in names:
            if name.lower().endswith(_IMAGE_SUFFIXES) and not name.startswith(b"."):
                yield wnid, folder / os.fsdecode(name)


def _expected(path: Path, label: int, wnid: str, text: str, boxes: list[Box]) -> Expected:
    data = path.read_bytes()
    repaired = reencoded_source(data)
    if repaired is not None:
        height, width = repaired.height, repaired.width
    else:
        facts = jpeg_facts(data)
        if facts.verdict != "ok":
            raise ValueError(f"{path}: {facts.verdict}")
        height, width = facts.height, facts.width
    return {
        "image/height": [height],
        "image/width": [width],
        "image/colorspace": [b"RGB"],
        "image/channels": [3],
        "image/class/label": [label],
        "image/class/synset": [wnid.encode()],
        "image/class/text": [text.encode()],
        "image/object/bbox/xmin": [box.xmin for box in boxes],
        "image/object/bbox/xmax": [box.xmax for box in boxes],
        "image/object/bbox/ymin": [box.ymin for box in boxes],
        "image/object/bbox/ymax": [box.ymax for box in boxes],
        "image/object/bbox/label": [label] * len(boxes),
        "image/format": [b"JPEG"],
        "image/filename": [os.fsencode(path.name)],
        "image/encoded": [data] if repaired is None else [repaired],
    }


def derive(
    tree: Path,
    *,
    split: Literal["train", "validation"],
    synsets: list[str],
    texts: dict[str, str],
    boxes_dir: Path | None,
    num_shards: int,
    seed: int = 12345,
    num_threads: int = 8,
    label_offset: int = 1,
) -> list[list[Expected]]:
    """The records of every shard of a split, in order, with every feature's expected values.

    `image/encoded` is the file's own bytes, or a `Reencoded` when the image must be replaced.
    Images lie at `<tree>/<split>/<wnid>/`, boxes at `<boxes_dir>/<wnid>/*.xml`. Raises ValueError
    for an image that is neither whole nor a PNG.
    """
    images = list(image_paths(tree / split, synsets))
    labels = {wnid: position + label_offset for position, wnid in enumerate(synsets)}
    boxes = boxes_by_image(boxes_dir, synsets)
    order = list(range(len(images)))
    random.Random(seed).shuffle(order)

    def record(position: int) -> Expected:
        wnid, path = images[order[position]]
        return _expected(path, labels[wnid], wnid, texts[wnid], boxes.get(path.name, []))

    return [
        [record(position) for position in range(first, last)]
        for first, last in shard_bounds(len(images), num_shards, num_threads)
    ]
