"""One job of the plan to the bytes of its image and of its XML: what a worker process does."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fastconv.sample.boxes import annotation
from fastconv.sample.encode import draw_form, encode
from fastconv.sample.odd import encode_odd
from fastconv.sample.paint import Box
from fastconv.sample.photos import cut_photo
from fastconv.sample.plan import ImageJob
from fastconv.sample.scene import draw
from fastconv.sample.style import style_of
from fastconv.workers import Crew

_CHUNK_IMAGES = 16
# Below this, starting processes takes longer than they save.
_POOL_IMAGES_MIN = 200


@dataclass(frozen=True)
class Setup:
    """What all images of a sample share. ``photos`` is empty when they are drawn."""

    seed: int
    wnids: tuple[str, ...]
    photos: tuple[Path, ...]


@dataclass(frozen=True)
class Made:
    """An image's file, and its annotation's if it has one."""

    job: ImageJob
    image: bytes
    xml: bytes | None


def make_image(setup: Setup, job: ImageJob) -> Made:
    """Draw (or cut) and encode one image: a pure function of its arguments."""
    rng = np.random.default_rng((setup.seed, 3 + job.split, job.rank, job.number))
    form = draw_form(rng)
    boxes: list[Box]
    if setup.photos:
        image, boxes = cut_photo(
            setup.photos, len(setup.wnids), job.rank, rng, form.height, form.width
        )
    else:
        image, boxes = draw(style_of(setup.seed, job.rank), rng, form.height, form.width)
    size = (form.width, form.height)
    if job.odd:
        data = encode_odd(job.odd, image, form)
        if job.odd == "exif-orientation":
            boxes = [(b, form.width - c, d, form.width - a) for a, b, c, d in boxes]
            size = (size[1], size[0])
        with Image.open(io.BytesIO(data)) as header:
            stored = header.size
        if stored != size:
            x, y = stored[0] / size[0], stored[1] / size[1]
            boxes = [(int(a * x), int(b * y), int(c * x), int(d * y)) for a, b, c, d in boxes]
            size = stored
    else:
        data = encode(image, form)
    xml = None
    if job.noise is not None and boxes:
        other = setup.wnids[(job.rank + 1) % len(setup.wnids)]
        xml = annotation(job.stem, size, boxes, job.noise, other)
    return Made(job, data, xml)


def open_setup(setup: Setup) -> Callable[[list[ImageJob]], list[Made]]:
    """What a worker process calls once: the function that makes the images of some jobs."""
    return lambda jobs: [make_image(setup, job) for job in jobs]


def make_all(setup: Setup, jobs: list[ImageJob], workers: int) -> Generator[Made, None, None]:
    """The images of ``jobs`` in their order, made by ``workers`` processes if there are many.

    Raises WorkerError when a process dies.
    """
    if workers < 2 or len(jobs) < _POOL_IMAGES_MIN:
        for job in jobs:
            yield make_image(setup, job)
        return
    chunks = [jobs[i : i + _CHUNK_IMAGES] for i in range(0, len(jobs), _CHUNK_IMAGES)]
    count = min(workers, len(chunks))
    with Crew(count, (__name__, open_setup.__name__), lambda _worker: (setup,)) as crew:
        for made in crew.map(chunks):
            yield from made
