"""From files on disk to catalogs: images listed, labelled, sorted and joined with their boxes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fastconv.annotations.labels import bundled_validation_labels, read_validation_labels
from fastconv.annotations.tables import imagenet_synsets
from fastconv.catalog import (
    NO_CLASS,
    OTHER_CLASS,
    Catalog,
    Classes,
    CutArchive,
    FloatArray,
    Int32Array,
    Int64Array,
    Listing,
    describe,
)
from fastconv.errors import InputError
from fastconv.names import Names, match
from fastconv.options import SPLITS, SourceOptions, Split
from fastconv.sources.classes import choose_classes
from fastconv.sources.detect import Found, detect
from fastconv.sources.fetched import on_disk
from fastconv.sources.folders import list_folder
from fastconv.sources.kinds import text
from fastconv.sources.memory import boxes_read, listed
from fastconv.sources.places import is_folder

if TYPE_CHECKING:
    from fastconv.annotations.boxes import Boxes, Runner

Phase = Callable[[str], None]
VALIDATION_PREFIX = b"ILSVRC2012_val_"


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as it lies on disk. ``bad_boxes``: annotation files that could not be used, each
    with the reason; ``unmatched_boxes``: those of images that are not here; ``cut``: archives of
    which only what is whole was used."""

    found: Found
    classes: Classes
    catalogs: tuple[Catalog, ...]
    bad_boxes: tuple[tuple[str, str], ...]
    unmatched_boxes: int
    cut: tuple[CutArchive, ...] = ()


def load(options: SourceOptions, on_phase: Phase, run: Runner | None = None) -> Dataset:
    """Find and list a dataset. ``run`` maps a function over work in parallel (see read_boxes).

    Raises InputError, naming the file, where something that is needed is missing or damaged.
    """
    found = detect(options)
    use_cut = options.use_cut_archives
    listings = {split: listed_split(found, split, on_phase, use_cut) for split in options.splits}
    present = {split: listing for split, listing in listings.items() if listing is not None}
    if sum(len(listing) for listing in present.values()) == 0:
        raise InputError(f"{options.source or found.train or found.validation}: holds no images")
    others: dict[Split, Listing] = {}
    classes = _classes(found, present, others, on_phase, use_cut)
    if "validation" in present:
        present["validation"] = _without_false_groups(present["validation"], classes)
    if found.validation_labels is not None and options.validation_labels is not None:
        # Also where no image needs it: is it one?
        with on_disk(found.validation_labels) as given:
            read_validation_labels(given)
    boxes = None
    if found.boxes is not None:
        on_phase(f"reading {found.boxes.name}")
        boxes = boxes_read(found.boxes, frozenset(classes.names), run)
    catalogs, matched = [], 0
    list_was_found = found.synsets is not None and options.synsets is None
    for split, listing in present.items():
        catalog, used = _catalog(split, listing, classes, found, boxes, list_was_found)
        if not len(catalog) and not catalog.unlabelled:
            raise InputError(
                f"{found.images_of(split)}: holds no {split} images of the classes in "
                f"{classes.origin}"
            )
        catalogs.append(catalog)
        matched += used
    unmatched = len(boxes.stems) - matched if boxes is not None else 0
    bad = tuple(boxes.bad) if boxes is not None else ()
    cut = tuple(part for listing in (*present.values(), *others.values()) for part in listing.cut)
    return Dataset(found, classes, tuple(catalogs), bad, unmatched, cut)


def listed_split(
    found: Found, split: Split, on_phase: Phase, use_cut: bool = False
) -> Listing | None:
    """What the split's archive or folder holds, with `use_cut` of cut archives what is whole; None
    where there is none."""
    path = found.images_of(split)
    if path is None:
        return None
    on_phase(f"listing {path.name}")
    return list_folder(path, use_cut) if is_folder(path) else listed(path, use_cut)


def _groups(listing: Listing | None, flat: bool = False) -> set[str]:
    """Names of the folders and inner archives that images are in; with `flat`, not of those that
    hold images with the names of ImageNet's validation set."""
    if listing is None:
        return set()
    rows, firsts = np.unique(listing.container, return_index=True)
    return {
        group
        for row, first in zip(rows.tolist(), firsts.tolist(), strict=True)
        if (group := listing.containers[row].group) is not None
        and not (flat and listing.names[first].startswith(VALIDATION_PREFIX))
    }


def _classes(
    found: Found,
    present: dict[Split, Listing],
    others: dict[Split, Listing],
    on_phase: Phase,
    use_cut: bool,
) -> Classes:
    """The classes of all that is there, whatever part of it is to be converted: a label must not
    depend on that. What had to be listed for it besides is put into `others`."""
    if found.synsets is not None:
        return choose_classes(found, ())
    known = set(imagenet_synsets())
    if not set().union(*(_groups(listing) for listing in present.values())) <= known:
        for split in set(SPLITS) - set(present):
            listing = listed_split(found, split, on_phase, use_cut)
            if listing is not None:
                others[split] = listing
    listings = {**present, **others}
    train = _groups(listings.get("train"))
    validation = _groups(listings.get("validation"))
    # A folder of validation images is a class where the train images have it, or a WNID's name.
    false = validation - _groups(listings.get("validation"), flat=True) - known - train
    return choose_classes(found, train | (validation - false))


def _without_false_groups(listing: Listing, classes: Classes) -> Listing:
    """A folder with ImageNet's validation images that is no class is no group either: some
    archives hold all 50,000 in a folder `val`."""
    false = _groups(listing) - _groups(listing, flat=True) - set(classes.names)
    return replace(
        listing,
        containers=tuple(
            replace(place, group=None) if place.group in false else place
            for place in listing.containers
        ),
    )


def _catalog(
    split: Split,
    listing: Listing,
    classes: Classes,
    found: Found,
    boxes: Boxes | None,
    list_was_found: bool,
) -> tuple[Catalog, int]:
    klass = _label(split, listing, classes, found)

    def described(row: int) -> str:
        place = listing.containers[listing.container[row]]
        return describe(place, text(listing.names[row]), int(listing.offset[row]))

    unlabelled = tuple(map(described, np.flatnonzero(klass == NO_CLASS).tolist()))
    left_out = dict(listing.strays)
    others = np.flatnonzero(klass == OTHER_CLASS)
    if len(others) and list_was_found:  # nobody has said that some are to be left out
        raise InputError(
            f"{described(int(others[0]))}: its class is not in {classes.origin}, which was found "
            f"beside the images (of such {split} images there are {len(others):,}); add the class "
            f"to that list, or leave these images out by naming the list with --synsets"
        )
    if len(others):
        left_out["images of classes that are not in the class list"] = len(others)
    rows = np.flatnonzero(klass >= 0)
    names = listing.names.take(rows)
    # Of images of one name in one class the container's order decides, which is the listing's.
    rows = rows[names.sorted_within(klass[rows])]
    klass, names = klass[rows], listing.names.take(rows)
    box_start, coords, used = _join_boxes(klass, names, classes, boxes)
    catalog = Catalog(
        split,
        listing.containers,
        listing.container[rows],
        listing.offset[rows],
        listing.size[rows],
        klass,
        names,
        box_start,
        coords,
        unlabelled,
        left_out,
    )
    return catalog, used


def _label(split: Split, listing: Listing, classes: Classes, found: Found) -> Int32Array:
    """The class of each image, int32 (n,): a row of the classes, NO_CLASS or OTHER_CLASS."""
    index = classes.index
    of_container = np.array(
        [
            NO_CLASS if place.group is None else index.get(place.group, OTHER_CLASS)
            for place in listing.containers
        ],
        np.int32,
    )
    klass = of_container[listing.container] if len(listing) else np.empty(0, np.int32)
    flat = np.flatnonzero(klass == NO_CLASS)
    if split == "validation" and len(flat):
        names = listing.names.take(flat)
        if found.validation_labels is None:
            klass[flat] = bundled_validation_labels().labels_of(names, index)
        else:
            with on_disk(found.validation_labels) as given:
                klass[flat] = read_validation_labels(given).labels_of(names, index)
    return klass


def _join_boxes(
    klass: Int32Array, names: Names, classes: Classes, boxes: Boxes | None
) -> tuple[Int64Array, FloatArray, int]:
    """(box_start, boxes) of a catalog, and how many annotations were used.

    An annotation in a class's own folder is for images of that class; one elsewhere (slim's CSV,
    a flat folder) for the image of its name, whatever its class.
    """
    n = len(klass)
    if boxes is None or len(boxes.stems) == 0:
        return np.zeros(n + 1, np.int64), np.empty((0, 4), np.float32), 0
    index = classes.index
    folder_class = {folder: index.get(text(folder), -1) for folder in set(boxes.folders)}
    groups = np.array([folder_class[folder] for folder in boxes.folders], np.int32)
    row = match(names, klass, boxes.stems, groups).copy()
    loose = row < 0
    row[loose] = match(names, np.full(n, -1, np.int32), boxes.stems, groups)[loose]
    count = np.where(row >= 0, boxes.starts[row + 1] - boxes.starts[row], 0)
    box_start = np.zeros(n + 1, np.int64)
    np.cumsum(count, out=box_start[1:])
    first = np.repeat(np.where(row >= 0, boxes.starts[row], 0) - box_start[:-1], count)
    coords = boxes.coords[first + np.arange(box_start[-1])]
    return box_start, np.ascontiguousarray(coords), len(np.unique(row[row >= 0]))
