"""Sizes, boxes and labels of the records of shards, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastconv.errors import InputError, RecordError
from fastconv.page.heads import Features, Heads, of_payload
from fastconv.pictures.places import places
from fastconv.pictures.shown import LABEL, SIDES, SYNSET, TEXT, TFDS_BOXES, found
from fastconv.progress import Watch
from fastconv.reader import read_records
from fastconv.recruits import Recruits
from fastconv.workers import Crew

MODULE = "fastconv.page.survey"
GRID = 32  # cells across and down, of where boxes are
BOXES_MAX = 20  # images of so many boxes or more are counted as one kind
LOG_STEPS, LOG_MAX = 4, 40  # bytes of images are counted in quarters of an octave, up to 2^40

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ShardToRead:
    """A shard's file; its index, where it has one; of its records each ``step``-th is read."""

    name: str
    path: str
    index: str | None
    step: int = 1


def zeros(*shape: int) -> Ints:
    return np.zeros(shape, np.int64)


@dataclass(slots=True)
class Survey:
    """What records say, of one shard or of many.

    ``records``: how many there are; ``read``: how many of them were read; ``unreadable``: how many
    of these could not be understood; ``troubles``: what is wrong with shards that could not be read
    to their end. ``sides``: images by (width, height); ``sideless``: images whose sides are not
    known. ``image_log``: images by their bytes, in quarters of an octave; ``image_bytes``: all of
    them together. ``boxes``: images by how many boxes they have, 0 to BOXES_MAX or more, empty
    where records have no boxes; ``numberless``: boxes that are not counted, as a side of theirs is
    no number; ``coverage``, (GRID, GRID): for each cell of an image, rows from
    the top, how many boxes cover a part of it. ``labels``: records by label; ``names``: of a label
    its class and its text.
    """

    records: int = 0
    read: int = 0
    unreadable: int = 0
    troubles: list[str] = field(default_factory=list)
    sides: Counter[tuple[int, int]] = field(default_factory=Counter)
    sideless: int = 0
    image_log: Ints = field(default_factory=lambda: zeros(LOG_STEPS * LOG_MAX))
    image_bytes: int = 0
    boxes: Ints = field(default_factory=lambda: zeros(BOXES_MAX + 1))
    has_boxes: bool = False
    box_count: int = 0
    numberless: int = 0
    coverage: Ints = field(default_factory=lambda: zeros(GRID, GRID))
    labels: Counter[str] = field(default_factory=Counter)
    names: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, other: Survey) -> None:
        self.records += other.records
        self.read += other.read
        self.unreadable += other.unreadable
        self.troubles += other.troubles
        self.sides.update(other.sides)
        self.sideless += other.sideless
        self.image_log = self.image_log + other.image_log
        self.image_bytes += other.image_bytes
        self.boxes = self.boxes + other.boxes
        self.has_boxes |= other.has_boxes
        self.box_count += other.box_count
        self.numberless += other.numberless
        self.coverage = self.coverage + other.coverage
        self.labels.update(other.labels)
        self.names = {**other.names, **self.names}


def survey(
    shards: list[ShardToRead],
    stored: Mapping[str, str],
    workers: int,
    watch: Watch,
    recruits: Recruits | None = None,
) -> dict[str, Survey]:
    """Read shards' records, and count; each by its shard's name. Raises WorkerError."""
    watch.phase("reading records")
    results: dict[str, Survey] = {}
    sizes = {shard.name: _size(shard.path) for shard in shards}
    count = min(workers, max(len(shards), 1))
    start = (MODULE, "open_survey")
    with Crew(
        count,
        start,
        lambda _worker: (dict(stored),),
        in_hand=lambda _worker, shard: f" with {shard.path} in hand" if shard else "",
        recruits=recruits,
    ) as crew:
        for shard, found_there in crew.run(
            shards,
            lambda: watch.reading(sum(sizes[name] for name in results), sum(sizes.values())),
        ):
            results[shard.name] = found_there
    return results


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


@dataclass(slots=True)
class open_survey:  # named as the function that a worker calls it as
    """Surveys shards whose features are called as ``stored`` says."""

    stored: dict[str, str]

    def __call__(self, shard: ShardToRead) -> Survey:
        return survey_of(shard, self.stored)


def survey_of(shard: ShardToRead, stored: Mapping[str, str]) -> Survey:
    """One shard. What is damaged is passed over, and counted: telling where is verify's work."""
    seen, columns = Survey(), Columns(stored)
    try:
        for features, image_bytes, sides in _records(shard, stored, seen):
            columns.add(features, image_bytes, sides)
    except (InputError, OSError) as error:
        seen.troubles.append(f"{shard.name}: {error}")
    columns.into(seen)
    return seen


Read = tuple[Features, int, tuple[int, int] | None]


def _records(shard: ShardToRead, stored: Mapping[str, str], seen: Survey) -> Iterator[Read]:
    path = Path(shard.path)
    with Heads(path, stored) as heads:
        for place in places(path, Path(shard.index) if shard.index else None):
            if place.offset is None:  # it is compressed
                break
            seen.records += 1
            if place.record % shard.step:
                continue
            seen.read += 1
            try:
                yield heads.read(place)
            except RecordError:
                seen.unreadable += 1
        else:
            return
    for record, payload in enumerate(read_records(path)):
        seen.records += 1
        if record % shard.step:
            continue
        seen.read += 1
        try:
            yield of_payload(payload, f"{path}: record {record}", stored)
        except RecordError:
            seen.unreadable += 1


class Columns:
    """Records' facts, one behind the other, until a shard's end."""

    def __init__(self, stored: Mapping[str, str]) -> None:
        self._stored = stored
        self._sides = [stored.get(name, name) for name in SIDES]
        self._sizes: list[tuple[int, int]] = []
        self._bytes: list[int] = []
        self._boxes: list[npt.NDArray[np.float32]] = []  # each (4, n): left, top, right, bottom
        self._counts: list[int] = []
        self._sideless = self._numberless = 0
        self._labels: Counter[str] = Counter()
        self._names: dict[str, tuple[str, str]] = {}

    def add(self, features: Features, image_bytes: int, sides: tuple[int, int] | None) -> None:
        if image_bytes:
            self._bytes.append(image_bytes)
        if sides is None:
            height = _number(found(features, "image/height", self._stored))
            width = _number(found(features, "image/width", self._stored))
            if height > 0 and width > 0:
                self._sizes.append((width, height))
            elif image_bytes:
                self._sideless += 1
        else:
            self._sizes.append((sides[1], sides[0]))
        boxes = self._boxes_of(features)
        if boxes is not None:
            drawable = np.isfinite(boxes).all(axis=0)  # as `fastconv show` counts them
            self._numberless += int(boxes.shape[1] - drawable.sum())
            boxes = boxes[:, drawable]
            self._counts.append(boxes.shape[1])
            if boxes.shape[1]:
                self._boxes.append(boxes)
        values = found(features, LABEL, self._stored)
        if values is not None:
            label = _word(values[0])
            self._labels[label] += 1
            if label not in self._names:
                name, text = (found(features, key, self._stored) for key in (SYNSET, TEXT))
                self._names[label] = (
                    _word(name[0]) if name is not None else "",
                    _word(text[0]) if text is not None else "",
                )

    def _boxes_of(self, features: Features) -> npt.NDArray[np.float32] | None:
        columns = [features.get(name) for name in self._sides]
        if all(column is not None for column in columns):
            lengths = {len(column) for column in columns if column is not None}
            kinds = {column.dtype.kind for column in columns if column is not None}
            if len(lengths) == 1 and (kinds == {"f"} or lengths == {0}):
                if lengths == {0}:
                    return np.zeros((4, 0), np.float32)
                return np.array(columns, np.float32)
        for name in TFDS_BOXES:
            values = features.get(name)
            if values is not None and len(values) % 4 == 0 and values.dtype.kind in "fO":
                if not len(values):
                    return np.zeros((4, 0), np.float32)
                if values.dtype.kind == "f":
                    return np.asarray(values.reshape(-1, 4).T[[1, 0, 3, 2]], np.float32)
        return None

    def into(self, seen: Survey) -> None:
        seen.sides.update(self._sizes)
        seen.sideless += self._sideless
        seen.labels.update(self._labels)
        seen.names.update(self._names)
        if self._bytes:
            sizes = np.array(self._bytes, np.int64)
            seen.image_bytes += int(sizes.sum())
            steps = np.floor(np.log2(sizes) * LOG_STEPS).astype(np.int64)
            steps = np.clip(steps, 0, LOG_STEPS * LOG_MAX - 1)
            seen.image_log = seen.image_log + np.bincount(steps, minlength=LOG_STEPS * LOG_MAX)
        if self._counts:
            seen.has_boxes = True
            counts = np.array(self._counts, np.int64)
            seen.box_count += int(counts.sum())
            seen.numberless += self._numberless
            seen.boxes = seen.boxes + np.bincount(
                np.minimum(counts, BOXES_MAX), minlength=BOXES_MAX + 1
            )
        if self._boxes:
            seen.coverage = seen.coverage + coverage_of(np.concatenate(self._boxes, axis=1))


def coverage_of(boxes: npt.NDArray[np.float32]) -> Ints:
    """(GRID, GRID): how many boxes cover a part of each cell, rows from the top. ``boxes``, (4, n):
    left, top, right and bottom from 0 to 1; those that are none are passed over."""
    boxes = np.clip(boxes[:, np.isfinite(boxes).all(axis=0)], 0, 1)
    good = (boxes[0] < boxes[2]) & (boxes[1] < boxes[3])
    left, top, right, bottom = boxes[:, good].astype(np.float64) * GRID
    x0, y0 = (np.minimum(np.floor(side), GRID - 1).astype(np.int64) for side in (left, top))
    x1, y1 = (np.ceil(side).astype(np.int64) for side in (right, bottom))
    steps = zeros(GRID + 1, GRID + 1)
    # The corners of each box; their sums from the top left count the boxes over each cell.
    for rows, columns, sign in ((y0, x0, 1), (y1, x0, -1), (y0, x1, -1), (y1, x1, 1)):
        np.add.at(steps, (rows, columns), sign)
    return steps.cumsum(axis=0).cumsum(axis=1)[:GRID, :GRID]


def _number(values: Any) -> int:
    return int(values[0]) if values is not None and values.dtype.kind == "i" else 0


def _word(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
