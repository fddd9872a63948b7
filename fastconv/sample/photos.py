"""Sample images cut from a folder of photographs instead of drawn."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from fastconv.errors import InputError
from fastconv.sample.noise import U8, cut
from fastconv.sample.paint import Box

_SUFFIXES = {".jpg", ".jpeg", ".png"}
_LONGEST_SIDE = 2000  # pixels kept of a photograph: enough for any cut, and memory stays small


def find_photos(folder: Path) -> tuple[Path, ...]:
    """All JPEG and PNG files below ``folder``, sorted by path.

    Raises InputError if there are none, or one is no picture.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photographs")
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
    if not found:
        raise InputError(f"{folder}: no .jpg, .jpeg or .png photographs in it or below it")
    for path in found:
        try:
            with Image.open(path):
                pass
        except Exception as error:
            raise _unreadable(path, error) from error
    return tuple(found)


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: cannot be read as a photograph: {error}; remove or replace it")


@functools.lru_cache(maxsize=16)
def _load(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            file.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            picture = ImageOps.exif_transpose(file).convert("RGB")
    except Exception as error:  # Pillow's plug-ins raise many kinds for damaged files
        raise _unreadable(path, error) from error
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return picture


def cut_photo(
    photos: tuple[Path, ...],
    classes: int,
    rank: int,
    rng: np.random.Generator,
    height: int,
    width: int,
) -> tuple[U8, list[Box]]:
    """A cut, scaled and perhaps mirrored piece of a photograph that falls to class ``rank``.

    Gives RGB uint8 of shape (height, width, 3) and 1 to 3 made-up boxes. Each class has
    photographs of its own while there are enough.
    """
    own = photos[rank::classes] or (photos[rank % len(photos)],)
    picture = _load(own[int(rng.integers(len(own)))])
    # The largest piece of this aspect that fits, and from there down to a third of it.
    fit = min(picture.width / width, picture.height / height)
    scale = fit * rng.uniform(0.35, 1.0)
    left = rng.uniform(0, picture.width - width * scale)
    top = rng.uniform(0, picture.height - height * scale)
    right = min(left + width * scale, picture.width)
    bottom = min(top + height * scale, picture.height)
    area = (left, top, right, bottom)
    piece = picture.resize((width, height), Image.Resampling.BILINEAR, area, reducing_gap=2.0)
    pixels = np.asarray(piece)
    if rng.random() < 0.5:
        pixels = pixels[:, ::-1]
    # A little light and grain, so that two cuts of a plain photograph still differ.
    grain = (cut("grain", rng, height, width).astype(np.int16) - 128) >> 4
    light = rng.uniform(0.9, 1.08)
    image = np.clip(pixels * np.float32(light) + grain[..., None], 0, 255).astype(np.uint8)
    boxes = []
    for _ in range(int(rng.choice((1, 2, 3), p=(0.7, 0.2, 0.1)))):
        box_width, box_height = rng.uniform(0.25, 0.8) * width, rng.uniform(0.25, 0.8) * height
        x, y = rng.uniform(0, width - box_width), rng.uniform(0, height - box_height)
        boxes.append((int(x), int(y), int(x + box_width), int(y + box_height)))
    return image, boxes
