"""``boxes.csv``: the boxes of a dataset's images, in the form of slim's process_bounding_boxes.py.

A line is ``n00007846_103856.JPEG,0.0060,0.2620,0.7545,0.9940``: file name, xmin, ymin, xmax, ymax.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fastconv.catalog import Catalog, Classes, FloatArray
from fastconv.folders.part import encoded
from fastconv.sources.kinds import text

BOXES = "boxes.csv"
UNITS = 10_000
UNIT_TEXTS = [f"{unit / UNITS:.4f}".encode() for unit in range(UNITS + 1)]
# What a line of it cannot hold: what ends a field or a line, and what is no text.
UNFIT = re.compile(rb"[,\x00-\x1f\x7f]|^\s|\s$")


def boxes_csv(
    catalogs: Sequence[Catalog], classes: Classes
) -> tuple[bytes, int, list[tuple[str, str]]]:
    """(the file, empty where no image has a box; how many boxes it holds; images whose boxes it
    cannot hold, with the reasons).

    Read again beside the class folders, it gives each image the boxes that it has here: numbers get
    more than slim's four digits where these would not do, and an image whose name, but for its
    ending, another class has too, stands there as ``<class>/<name>``.
    """
    shared = _shared_stems(catalogs)
    lines: list[bytes] = []
    written: set[bytes] = set()
    bad: list[tuple[str, str]] = []
    for catalog in catalogs:
        starts = catalog.box_start.tolist()
        texts, flat = _texts(catalog.boxes), _without_extent(catalog)
        for row in np.flatnonzero(np.diff(catalog.box_start)).tolist():
            name = catalog.names[row]
            own = encoded(classes.names[catalog.klass[row]]) + b"/" + name
            if own in written:  # in train and in validation: both get these boxes
                continue
            written.add(own)
            shown = own if _stem(name) in shared else name
            reason = "has a box without an extent" if row in flat else _unfit(shown)
            if reason:
                bad.append((text(own), reason))
                continue
            lines += [b"%b,%b\n" % (shown, box) for box in texts[starts[row] : starts[row + 1]]]
    lines.sort()
    return b"".join(lines), len(lines), bad


def _stem(name: bytes) -> bytes:
    return name.rpartition(b".")[0] or name


def _shared_stems(catalogs: Sequence[Catalog]) -> set[bytes]:
    """Names, without their endings, that images of several classes have."""
    if not any(len(catalog.boxes) for catalog in catalogs):
        return set()
    first: dict[bytes, int] = {}
    shared = set()
    for catalog in catalogs:
        for name, klass in zip(catalog.names, catalog.klass.tolist(), strict=True):
            stem = _stem(name)
            if first.setdefault(stem, klass) != klass:
                shared.add(stem)
    return shared


def _unfit(name: bytes) -> str:
    """Why a line cannot hold this name; empty where it can."""
    if UNFIT.search(name):
        return "a line of boxes.csv cannot hold its name, for a comma or a blank in it"
    try:
        name.decode()
    except UnicodeDecodeError:
        return "a line of boxes.csv cannot hold its name, which is not UTF-8"
    return ""


def _without_extent(catalog: Catalog) -> set[int]:
    """Rows of images with a box that a reader of the file would refuse."""
    low, high = catalog.boxes[:, :2], catalog.boxes[:, 2:]
    bad = np.flatnonzero(~((low >= 0) & (low < high) & (high <= 1)).all(axis=1))
    return set((np.searchsorted(catalog.box_start, bad, "right") - 1).tolist())


def _texts(boxes: FloatArray) -> list[bytes]:
    """The numbers of each box: with four digits, or as many as it takes to be read as the same."""
    values = boxes.reshape(-1)
    units = np.clip(np.rint(values.astype(np.float64) * UNITS), 0, UNITS).astype(np.int64)
    numbers = [UNIT_TEXTS[unit] for unit in units.tolist()]
    for at in np.flatnonzero((units / UNITS).astype(np.float32) != values).tolist():
        numbers[at] = np.format_float_positional(values[at], trim="0").encode()
    return [b",".join(numbers[at : at + 4]) for at in range(0, len(numbers), 4)]
