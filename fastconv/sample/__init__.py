"""A sample dataset of the shape of ILSVRC2012, made from a seed: nothing is downloaded.

Its archives have the names, the layout and the odd files of the real ones, and images of the
same sizes, so that what is tried or measured on it holds for ImageNet. See make_sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fastconv.errors import OutputError, UsageError
from fastconv.sample.make import Made, Setup, make_all
from fastconv.sample.photos import find_photos
from fastconv.sample.plan import plan_train, plan_validation, spread_classes
from fastconv.sample.write import write_sample
from fastconv.workers import usable_cores

__all__ = ["SampleReport", "make_sample"]


@dataclass(frozen=True)
class SampleReport:
    """What make_sample wrote.

    ``classes`` are the WNIDs, sorted. ``boxes`` counts the XML files. ``odd`` gives the base
    name of the image of each odd kind. ``bytes`` sums all files below ``out``.
    """

    out: Path
    classes: tuple[str, ...]
    train_images: int
    validation_images: int
    boxes: int
    odd: dict[str, str]
    bytes: int


def _check(classes: int, train_images: int, validation_images: int, seed: int) -> None:
    if not 1 <= classes <= 1000:
        raise UsageError(f"{classes} classes: a sample has 1 to 1000")
    if train_images < classes:
        raise UsageError(f"{train_images} train images for {classes} classes: each needs one")
    if validation_images < 1:
        raise UsageError(f"{validation_images} validation images: at least 1 is needed")
    if seed < 0:
        raise UsageError(f"seed {seed}: it must not be negative")


def _counted(
    made: Iterator[Made], total: int, on_progress: Callable[[int, int], None] | None
) -> Iterator[Made]:
    for done, item in enumerate(made, 1):
        yield item
        if on_progress is not None:
            on_progress(done, total)


def make_sample(
    out: Path,
    *,
    classes: int = 20,
    train_images: int = 400,
    validation_images: int = 100,
    seed: int = 0,
    photos: Path | None = None,
    tree: bool = False,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SampleReport:
    """Write a sample of ILSVRC2012's form into the folder ``out``, which must be empty or new.

    It gets the train and validation archives, the archive of train boxes (for four images in
    ten), and the validation labels; with ``tree`` also a class tree of the same files in
    ``out/tree``. Each picture depends on the seed, its class and its number alone, so the same
    arguments give the same bytes, whatever ``workers`` (None: one a CPU). With ``photos`` the
    images are cut from the photographs below that folder. From 40 train and 20 validation images
    on, one image of each odd kind is among them. ``on_progress(done, total)`` is called after
    each image.

    Raises UsageError for counts that make no sample, InputError for photographs that cannot be
    read, OutputError when ``out`` holds files already or cannot be written.
    """
    from fastconv.annotations.tables import imagenet_synsets

    _check(classes, train_images, validation_images, seed)
    if workers is not None and workers < 1:
        raise UsageError(f"{workers} workers: at least 1 is needed")
    found = find_photos(photos) if photos is not None else ()
    wnids = spread_classes(imagenet_synsets(), classes)
    jobs = plan_train(wnids, train_images, seed) + plan_validation(classes, validation_images, seed)
    cpus = workers if workers is not None else usable_cores()
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise OutputError(f"{out}: not empty; give a new or empty folder for the sample")
        with closing(make_all(Setup(seed, wnids, found), jobs, cpus)) as made:
            boxes = write_sample(out, wnids, _counted(made, len(jobs), on_progress), tree)
        size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    except OSError as error:
        raise OutputError(f"{out}: cannot write the sample: {error}") from error
    return SampleReport(
        out=out,
        classes=wnids,
        train_images=train_images,
        validation_images=validation_images,
        boxes=boxes,
        odd={job.odd: job.file_name for job in jobs if job.odd},
        bytes=size,
    )
