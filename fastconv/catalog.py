"""All images of a split as NumPy columns, and the classes they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fastconv.names import Names
from fastconv.recipe import FILE_BYTES_MAX
from fastconv.whereabouts import whereabouts

Int32Array = npt.NDArray[np.int32]
Int64Array = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]

NO_CLASS = -1  # no label is known for the image
OTHER_CLASS = -2  # it belongs to a class that the dataset leaves out


@dataclass(frozen=True, slots=True)
class Container:
    """Where images lie together: a folder, or a place inside an archive.

    ``path``: the folder or the archive. ``inside``: the inner archive or folder in it, for people
    to read. ``group``: the name of the class that the place stands for, where it does. ``version``:
    of an archive in an object store, what its ETag was when it was listed.
    """

    path: str
    is_folder: bool
    inside: str = ""
    group: str | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class CutArchive:
    """An archive that ends too early, of which what is whole is used.

    ``archive``: its path, and for one inside it that member; ``reason``: what its listing met,
    ``offset``: of the header that this was met at, ``members``: how many of it are whole, counting
    those of inner archives, and not these themselves.
    """

    archive: str
    reason: str
    offset: int
    members: int

    def __str__(self) -> str:
        return (
            f"{self.archive}: {self.reason}: header at offset {self.offset}; only the "
            f"{self.members:,} members that are whole are used"
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """What one source of images holds, as found, in no order.

    ``container`` int32 (n,): row of ``containers``; ``offset`` int64 (n,): of the image's bytes in
    its archive, 0 in a folder; ``size`` int64 (n,): its bytes; ``names``: its base names.
    ``strays``: members and files that are no images by their names, with how many of each kind.
    ``cut``: archives of which only what is whole is listed.
    """

    containers: tuple[Container, ...]
    container: Int32Array
    offset: Int64Array
    size: Int64Array
    names: Names
    strays: dict[str, int] = field(default_factory=dict)
    cut: tuple[CutArchive, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Listing]) -> Listing:
        containers: list[Container] = []
        shifted = []
        strays: dict[str, int] = {}
        for part in parts:
            shifted.append(part.container + np.int32(len(containers)))
            containers.extend(part.containers)
            for kind, count in part.strays.items():
                strays[kind] = strays.get(kind, 0) + count
        return cls(
            tuple(containers),
            np.concatenate([*shifted, np.empty(0, np.int32)]),
            np.concatenate([*(part.offset for part in parts), np.empty(0, np.int64)]),
            np.concatenate([*(part.size for part in parts), np.empty(0, np.int64)]),
            Names.joined([part.names for part in parts]),
            strays,
            tuple(archive for part in parts for archive in part.cut),
        )

    def __len__(self) -> int:
        return len(self.size)


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes in label order: ``names`` (WNIDs or folder names) and ``texts``, one each."""

    names: tuple[str, ...]
    texts: tuple[str, ...]
    origin: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def index(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}


@dataclass(frozen=True, slots=True)
class Catalog:
    """The images of one split, sorted by class, then by name bytewise.

    ``klass`` int32 (n,): row of the classes, never negative. Image i has the boxes
    ``boxes[box_start[i]:box_start[i + 1]]``, float32 (m, 4): xmin, ymin, xmax, ymax, relative.
    ``unlabelled``: images without a known class, which are in no column.
    ``left_out``: what else was found and belongs to no record, by reason.
    """

    split: str
    containers: tuple[Container, ...]
    container: Int32Array
    offset: Int64Array
    size: Int64Array
    klass: Int32Array
    names: Names
    box_start: Int64Array
    boxes: FloatArray
    unlabelled: tuple[str, ...]
    left_out: dict[str, int]

    def __len__(self) -> int:
        return len(self.size)

    @property
    def bytes(self) -> int:
        """What the images' files take, but for those that are too large to be images."""
        return int(self.size[self.size <= FILE_BYTES_MAX].sum())

    def class_counts(self, classes: int) -> Int64Array:
        """Images of each class, int64 of shape (classes,)."""
        return np.bincount(self.klass, minlength=classes).astype(np.int64)

    def digest(self) -> str:
        """SHA-256 of what the records will be made of, the images' bytes left out: names, sizes,
        classes and boxes. The same for an archive and the tree unpacked from it."""
        sha = hashlib.sha256(self.split.encode())
        for column in (self.size, self.klass, self.names.starts, self.names.blob, self.box_start):
            sha.update(np.ascontiguousarray(column).data)
        sha.update(np.ascontiguousarray(self.boxes).data)
        return sha.hexdigest()


def describe(place: Container, name: str, offset: int) -> str:
    """An image's whereabouts for people."""
    return whereabouts(place.path, place.is_folder, place.inside, name, offset)
