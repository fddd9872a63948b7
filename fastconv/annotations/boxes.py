"""Bounding boxes of many images as NumPy columns, from ILSVRC2012's XML files or slim's CSV.

An image's boxes come in the order and with the values of the reference's CSV file, on which
slim's ``build_imagenet_data.py`` works: see ``voc`` for the rules.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastconv.annotations.lists import lines_of, read_bytes, shown
from fastconv.annotations.voc import BoxError, parse_box_xml
from fastconv.annotations.xmlfiles import ARCHIVE_SUFFIXES, iter_xml_batches
from fastconv.errors import InputError
from fastconv.names import IntArray, Names
from fastconv.regular import regular

__all__ = [
    "BoxError",
    "Boxes",
    "iter_xml_batches",
    "parse_batch",
    "parse_box_xml",
    "read_boxes",
    "read_boxes_csv",
]

Batch = list[tuple[str, bytes]]
# Applies a function to each argument, in other processes if it likes, with results in order.
Runner = Callable[[Callable[[Batch], "Boxes"], Iterator[Batch]], Iterable["Boxes"]]


@dataclass(frozen=True)
class Boxes:
    """The boxes of n annotated images in CSR form; an image may have none.

    - ``stems``: n names without extension;
    - ``folders``: n names of the folders that the XML files stand in, empty where there is none;
    - ``starts``: int64 of shape (n + 1,): image i has ``coords[starts[i]:starts[i + 1]]``;
    - ``coords``: float32 of shape (m, 4): xmin, ymin, xmax, ymax, relative, in [0, 1];
    - ``bad``: (file, reason) of the XML files that were refused; they are not among the n.

    Images stand in the order they were read in, and a stem occurs twice if its XML file does.
    """

    stems: Names
    folders: Names
    starts: IntArray
    coords: npt.NDArray[np.float32]
    bad: list[tuple[str, str]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.stems)

    @classmethod
    def of(
        cls,
        stems: Iterable[bytes],
        folders: Iterable[bytes],
        counts: Sequence[int],
        coords: npt.NDArray[np.float32],
        bad: list[tuple[str, str]],
    ) -> Boxes:
        """From the number of boxes of each image, and all their boxes in order."""
        return cls(Names.of(stems), Names.of(folders), _starts_of(counts), coords, bad)

    @classmethod
    def concat(cls, parts: Sequence[Boxes]) -> Boxes:
        """The images of all parts, in order."""
        counts = [np.diff(part.starts) for part in parts]
        return cls(
            _concat_names([part.stems for part in parts]),
            _concat_names([part.folders for part in parts]),
            _starts_of(np.concatenate([*counts, np.zeros(0, np.int64)])),
            np.concatenate([*(part.coords for part in parts), np.zeros((0, 4), np.float32)]),
            [bad for part in parts for bad in part.bad],
        )


def _starts_of(counts: Sequence[int] | IntArray) -> IntArray:
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def _concat_names(parts: Sequence[Names]) -> Names:
    sizes = np.concatenate([*(part.sizes for part in parts), np.zeros(0, np.int64)])
    blob = np.concatenate([*(part.blob for part in parts), np.zeros(0, np.uint8)])
    return Names(blob, _starts_of(sizes))


def parse_batch(batch: Batch, synsets: Container[str]) -> Boxes:
    """The boxes of XML files, given as (name, bytes); a file that is refused goes to ``bad``.

    A function of its arguments alone, which pickle, as its result does.
    """
    stems: list[bytes] = []
    folders: list[bytes] = []
    counts: list[int] = []
    rows: list[tuple[int, int, int, int]] = []
    bad: list[tuple[str, str]] = []
    for member, data in batch:
        path, _, name = member.rpartition("/")
        folder = _class_folder(path)
        try:
            boxes = parse_box_xml(data, folder, synsets)
        except BoxError as error:
            bad.append((member.encode("utf-8", "backslashreplace").decode(), str(error)))
            continue
        stems.append(name[:-4].encode("utf-8", "surrogateescape"))
        folders.append((folder or "").encode("utf-8", "surrogateescape"))
        counts.append(len(boxes))
        rows += boxes
    # The quotient is the float64 that float('0.1234') gives, which the reference rounds to float32.
    coords = np.array(rows, np.float64).reshape(-1, 4) / 10_000
    return Boxes.of(stems, folders, counts, coords.astype(np.float32), bad)


def _class_folder(path: str) -> str | None:
    """The folder's own name; an inner archive stands for one: ``n01440764.tar.gz``."""
    folder = path.rpartition("/")[2]
    for suffix in ARCHIVE_SUFFIXES:
        if folder.lower().endswith(suffix):
            return folder[: -len(suffix)]
    return folder if folder not in ("", ".", "..") else None


def read_boxes(path: str | Path, synsets: Container[str], run: Runner | None = None) -> Boxes:
    """All boxes of a folder or archive of XML files, or of a CSV file: whichever ``path`` is.

    ``synsets`` are the classes by which a box is told to be of another class than its folder.
    ``run(function, batches)`` may spread the work over processes; it gives the results in order.

    Raises InputError for a path that cannot be read, is damaged, or holds no box file.
    XML files that are refused do not raise; they are listed in ``bad``.
    """
    path = Path(path)
    if not path.is_dir() and not _is_archive(path):
        return read_boxes_csv(path)
    function = partial(parse_batch, synsets=synsets)
    batches = iter_xml_batches(path)
    boxes = Boxes.concat(list(map(function, batches) if run is None else run(function, batches)))
    if not len(boxes) and not boxes.bad:
        raise InputError(
            f"{path}: holds no XML file; boxes are read from ILSVRC2012_bbox_train_v2.tar.gz, from "
            "a folder of such files, or from slim's CSV"
        )
    return boxes


def _is_archive(path: Path) -> bool:
    try:
        with open(path, "rb", opener=regular) as file:
            head = file.read(512)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    return head[:2] == b"\x1f\x8b" or b"\0" in head


def read_boxes_csv(path: str | Path) -> Boxes:
    """The boxes of slim's ``imagenet_2012_bounding_boxes.csv``, which has no header.

    A line is ``n00007846_103856.JPEG,0.0060,0.2620,0.7545,0.9940``: file name, xmin, ymin, xmax,
    ymax. Images come sorted by name and an image's boxes by their lines, both bytewise; folders
    are empty, but for names with a class's folder before them, ``<class>/<file name>``.

    Raises InputError with the line number for a line of another form, a number outside [0, 1],
    or a box whose min is not below its max.
    """
    path = Path(path)
    lines = lines_of(path, read_bytes(path))
    names: list[str] = []
    numbers = array("d")
    for number, line in enumerate(lines, 1):
        name, *texts = line.split(",")
        try:
            xmin, ymin, xmax, ymax = map(float, texts)
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: found {shown(line)}; a line must be "
                "'<file name>,<xmin>,<ymin>,<xmax>,<ymax>'; boxes are read from such a CSV, from a "
                "tar or tar.gz of XML files, or from a folder of them"
            ) from error
        if not (name and 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1):
            raise InputError(
                f"{path}, line {number}: found {shown(line)}; a file name is needed, and relative "
                "numbers with 0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1"
            )
        names.append(name)
        numbers.extend((xmin, ymin, xmax, ymax))
    # Strings in order of their code points are in order of their UTF-8 bytes.
    order = sorted(range(len(lines)), key=lambda i: (names[i], lines[i]))
    counts = Counter(names)  # of one image, lines may stand apart
    images = sorted(counts)
    parts = [image.rpartition("/") for image in images]
    stems = [(name.rpartition(".")[0] or name).encode() for _, _, name in parts]
    folders = [folder.encode() for folder, _, _ in parts]
    coords = np.frombuffer(numbers, np.float64).reshape(-1, 4)[order].astype(np.float32)
    return Boxes.of(stems, folders, [counts[image] for image in images], coords, [])
