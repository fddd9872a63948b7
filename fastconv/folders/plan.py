"""Which images make which part, and whether all their names can stand in class folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fastconv.catalog import Catalog, Classes, Int64Array, describe
from fastconv.errors import InputError
from fastconv.folders.part import Part, encoded
from fastconv.plan import SplitPlan
from fastconv.sources.kinds import text

# ImageNet's class folders are one part each, so that they get their places by one renaming.
PART_BYTES = 256 << 20
PART_IMAGES = 4096
NAME_BYTES_MAX = 255  # of any file system in use


def plan_parts(
    catalogs: Sequence[Catalog],
    classes: Classes,
    part_bytes: int = PART_BYTES,
    part_images: int = PART_IMAGES,
) -> tuple[tuple[SplitPlan, ...], tuple[Part, ...]]:
    """Each split's images by class and place in the source, cut into parts of about `part_bytes`
    and `part_images` at the most; rows are counted through the splits."""
    plans: list[SplitPlan] = []
    parts: list[Part] = []
    first = 0
    for catalog in catalogs:
        # Of folders all offsets are 0: their images stay in the order of their names.
        order = np.lexsort((catalog.offset, catalog.container, catalog.klass)).astype(np.int64)
        ends = np.concatenate([[0], np.cumsum(catalog.size[order])])
        counts = catalog.class_counts(len(classes))
        at, bounds = 0, [0]
        for klass in np.flatnonzero(counts).tolist():
            count = int(counts[klass])
            size = int(ends[at + count] - ends[at])
            turns = min(count, max(1, -(-size // part_bytes), -(-count // part_images)))
            cuts = [at + count * turn // turns for turn in range(turns + 1)]
            for turn in range(turns):
                start, stop = cuts[turn], cuts[turn + 1]
                part_size = int(ends[stop] - ends[start])
                parts.append(
                    Part(len(parts), catalog.split, classes.names[klass], turn, turns,
                         first + start, first + stop, part_size)
                )  # fmt: skip
            bounds += cuts[1:]
            at += count
        plans.append(SplitPlan(catalog, order, np.array(bounds, np.int64), 1))
        first += len(order)
    return tuple(plans), tuple(parts)


def check_names(catalogs: Sequence[Catalog], classes: Classes) -> None:
    """InputError for a class or an image whose name can be no folder's or file's, and for two
    images that would be one file."""
    for catalog in catalogs:
        for klass in np.flatnonzero(catalog.class_counts(len(classes))).tolist():
            reason = _unsafe(encoded(classes.names[klass]))
            if reason:
                raise InputError(
                    f"{catalog.split}: class {classes.names[klass]!r} can be no folder's name, as "
                    f"it {reason}; give the class another name"
                )
        _check_files(catalog)
        _refuse_twins(catalog)


def _unsafe(name: bytes) -> str:
    """Why it is no name of one file or folder; empty where it is."""
    if name in (b"", b".", b".."):
        return "is empty" if not name else "means another folder"
    if b"/" in name or b"\0" in name:
        return "holds a slash" if b"/" in name else "holds a NUL"
    if len(name) > NAME_BYTES_MAX:
        return f"has {len(name)} bytes, and no file system takes over {NAME_BYTES_MAX}"
    return ""


def _check_files(catalog: Catalog) -> None:
    names = catalog.names
    sizes = names.sizes
    bad = (sizes > NAME_BYTES_MAX) | (sizes == 0)
    short = np.flatnonzero(sizes <= len(b"..")).tolist()
    bad[[row for row in short if _unsafe(names[row])]] = True
    at = np.flatnonzero((names.blob == ord("/")) | (names.blob == 0))
    bad[np.searchsorted(names.starts, at, "right") - 1] = True
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        reason = _unsafe(names[row])
        raise InputError(f"{_where(catalog, row)}: cannot be a file, as its name {reason}")


def _refuse_twins(catalog: Catalog) -> None:
    """Images are sorted by class and name, so that two of one name stand side by side."""
    sizes = catalog.names.sizes
    alike = (catalog.klass[1:] == catalog.klass[:-1]) & (sizes[1:] == sizes[:-1])
    for size in np.unique(sizes[1:][alike]).tolist():
        rows = np.flatnonzero(alike & (sizes[1:] == size))
        begins = catalog.names.starts[:-1]
        for at in reversed(range(size)):  # names differ at their ends: few are left soon
            blob = catalog.names.blob
            rows = rows[blob[begins[rows] + at] == blob[begins[rows + 1] + at]]
            if not len(rows):
                break
        if len(rows):
            row = int(rows[0])
            raise InputError(
                f"{_where(catalog, row)} and {_where(catalog, row + 1)}: are two images of one "
                f"name in one class (of such pairs there are {len(rows):,} or more), which one "
                f"class folder cannot hold; rename one of the two, or take it away"
            )


def _where(catalog: Catalog, row: int) -> str:
    place = catalog.containers[catalog.container[row]]
    return describe(place, text(catalog.names[row]), int(catalog.offset[row]))


def with_real_paths(catalogs: Sequence[Catalog]) -> tuple[Catalog, ...]:
    """The catalogs with their folders' paths absolute and free of links, as links are to lead
    there. InputError where images are in an archive, onto which no link can lead."""
    done = []
    for catalog in catalogs:
        used = set(np.unique(catalog.container).tolist())
        archive = next((row for row in used if not catalog.containers[row].is_folder), None)
        if archive is not None:
            raise InputError(
                f"{catalog.containers[archive].path}: is an archive, and --links makes links onto "
                f"the files of folders; leave --links out to have its images written"
            )
        real = {place.path: os.path.realpath(encoded(place.path)) for place in catalog.containers}
        places = tuple(replace(p, path=text(real[p.path])) for p in catalog.containers)
        done.append(replace(catalog, containers=places))
    return tuple(done)


def rows_of(plans: Sequence[SplitPlan], part: Part) -> tuple[Catalog, Int64Array]:
    """A part's catalog, and which of its rows are the part's."""
    first = 0
    for plan in plans:
        if part.start < first + len(plan.order):
            return plan.catalog, plan.order[part.start - first : part.stop - first]
        first += len(plan.order)
    raise ValueError(f"there is no part {part.number}")
