"""``boxes.csv``: the boxes of a dataset's images, in the form of slim's process_bounding_boxes.py.

A line is ``n00007846_103856.JPEG,0.0060,0.2620,0.7545,0.9940``: file name, xmin, ymin, xmax, ymax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from fastconv.catalog import Catalog, Classes, FloatArray
from fastconv.folders.part import encoded
from fastconv.sources.kinds import text

BOXES = "boxes.csv"
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
        for row in np.flatnonzero(np.diff(catalog.box_start)).tolist():
            name = catalog.names[row]
            folder = encoded(classes.names[catalog.klass[row]])
            own = folder + b"/" + name
            if own in written:  # in train and in validation: both get these boxes
                continue
            written.add(own)
            boxes = catalog.boxes[catalog.box_start[row] : catalog.box_start[row + 1]]
            shown = own if _stem(name) in shared else name
            reason = _unfit(shown, boxes)
            if reason:
                bad.append((text(own), reason))
                continue
            lines += [shown + b"," + numbers + b"\n" for numbers in _numbers(boxes)]
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


def _unfit(name: bytes, boxes: FloatArray) -> str:
    if UNFIT.search(name):
        return "a line of boxes.csv cannot hold its name, for a comma or a blank in it"
    try:
        name.decode()
    except UnicodeDecodeError:
        return "a line of boxes.csv cannot hold its name, which is not UTF-8"
    low, high = boxes[:, :2], boxes[:, 2:]
    if not ((low >= 0) & (low < high) & (high <= 1)).all():
        return "has a box without an extent"
    return ""


def _numbers(boxes: FloatArray) -> Iterator[bytes]:
    for box in boxes:
        yield ",".join(map(_number, box)).encode()


def _number(value: np.float32) -> str:
    """Four digits, or as many as it takes for the same number to be read."""
    four = f"{value:.4f}"
    return four if np.float32(four) == value else np.format_float_positional(value, trim="0")
