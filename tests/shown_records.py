"""Records for the tests of what is shown, and shards of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from fastconv.pictures.shown import Box, Shown
from fastconv.writer import RecordWriter

Colour: TypeAlias = tuple[int, int, int]


def image(
    width: int = 60, height: int = 40, colour: Colour = (40, 90, 200), mode: str = "RGB"
) -> Image.Image:
    return Image.new("RGB", (width, height), colour).convert(mode)


def file_of(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


PLAIN = file_of(image(), "JPEG")


def features(
    name: str = "a.JPEG",
    label: int = 1,
    synset: str = "n01440764",
    text: str = "tench, Tinca tinca",
    data: bytes = PLAIN,
    boxes: Sequence[Box] = (),
) -> dict[str, Any]:
    """slim's features, those of them that are shown."""
    sides = np.array(boxes, np.float32).reshape(-1, 4)
    names = ("xmin", "ymin", "xmax", "ymax")
    return {
        "image/encoded": data,
        "image/filename": name,
        "image/class/label": label,
        "image/class/synset": synset,
        "image/class/text": text,
        **{f"image/object/bbox/{side}": sides[:, n] for n, side in enumerate(names)},
    }


def shard(path: Path, records: Sequence[dict[str, Any]], index: Path | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if index is not None:
        index.parent.mkdir(parents=True, exist_ok=True)
    with RecordWriter(path, index) as writer:
        for record in records:
            writer.write_example(record)
    return path


def shown(data: bytes = PLAIN, **given: Any) -> Shown:
    given = {"filename": "a.JPEG", "label": 1, "synset": "n01440764", **given}
    return Shown("train-00000-of-00001", 0, 0, 100, encoded=data, image_bytes=len(data), **given)
