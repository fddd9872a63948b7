"""Records compared with the source that they came from.

Names, labels, boxes and the bytes of images that were kept are compared with what the source says
now, by the plan that it gives. An image that was repaired or changed is made anew by the same
recipe: of such images this can only say that they would be the same again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastconv import _jpeg
from fastconv.checking.rules import SIDES
from fastconv.errors import BadImageError
from fastconv.job import Job
from fastconv.names import Names
from fastconv.reader import parse_example
from fastconv.recipe import Recipe
from fastconv.regular import content
from fastconv.remote.store import read_extent
from fastconv.schema import IMAGE

if TYPE_CHECKING:
    from fastconv.job import ShardTask
    from fastconv.prepare import Prepared
    from fastconv.remake import Made

JPEG_MAGIC = b"\xff\xd8"


class Against:
    """``plan_fd``: the shared plan; ``rows``: of each shard by its name, first row, end and the
    rows skipped, counted from the first; names and texts are of the classes; ``features``:
    canonical name → stored name; ``added``: kinds of added ones by name."""

    def __init__(
        self,
        plan_fd: int,
        rows: dict[str, tuple[int, int, frozenset[int]]],
        recipe: Recipe,
        names: tuple[str, ...],
        texts: tuple[str, ...],
        features: dict[str, str],
        added: dict[str, str],
    ) -> None:
        from fastconv.remake import Remaker

        self._job = Job.attached(plan_fd)
        self._rows, self._recipe = rows, recipe
        self._features = features
        self._added = AddedAgain(added, self._job.columns)
        self._classes = [
            tuple(text.encode("utf-8", "surrogateescape") for text in pair)
            for pair in zip(names, texts, strict=True)
        ]
        self._remaker = Remaker(recipe)
        self._archive: tuple[str, int] | None = None

    def shard(self, name: str) -> ShardAgainst | None:
        """What compares the records of a shard, in order; None where it is of no plan."""
        if name not in self._rows:
            return None
        start, stop, skipped = self._rows[name]
        return ShardAgainst(
            [row for row in range(start, stop) if row - start not in skipped],
            self._differences,
            self._job.describe,
        )

    def _differences(self, row: int, payload: memoryview) -> Iterator[str]:
        columns, stored = self._job.columns, parse_example(payload)
        features = {k: stored[name] for k, name in self._features.items() if name in stored}
        klass = columns["klass"][row]
        synset, text = self._classes[klass]
        for key, value in (
            ("image/filename", self._job.name(row).encode("utf-8", "surrogateescape")),
            ("image/class/label", columns["label"][klass]),
            ("image/class/synset", synset),
            ("image/class/text", text),
        ):
            if key in features and list(features[key]) != [value]:
                there = ", ".join(map(_shown, features[key])) or "nothing"
                yield f"{self._features[key]} is {there}, but the source's {_shown(value)}"
        yield from self._added.differences(row, stored)
        try:
            made = self._made(self._source_bytes(row))
        except OSError as error:
            yield f"the source cannot be read: {error.strerror or error}"
            return
        except BadImageError as error:
            yield f"the source's image is bad: {error}"
            return
        if list(features.get(IMAGE, [])) != [made.data]:
            yield f"{self._features[IMAGE]} is not what the source gives ({len(made.data)} bytes)"
        own = self._job.boxes(row)
        boxes = made.boxes(own) if made.moves_boxes else own
        for key, source in zip(SIDES, boxes.T, strict=True):
            if key in features and not np.array_equal(features[key], source):
                name = self._features[key]
                yield f"{name} is {features[key].tolist()}, but the source's {source.tolist()}"

    def _source_bytes(self, row: int) -> bytes:
        columns, job = self._job.columns, self._job
        extent = job.in_store(row)
        if extent is not None:
            return read_extent(extent)
        container = columns["container"][row]
        path = job.text("path", columns["container_file"][container])
        size = columns["size"][row]
        if columns["container_is_folder"][container]:
            data = content(Path(path, job.name(row)))
        else:
            if self._archive is None or self._archive[0] != path:
                if self._archive is not None:
                    os.close(self._archive[1])
                self._archive = None
                self._archive = (path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
            data = os.pread(self._archive[1], size, columns["offset"][row])
        if len(data) != size:
            raise OSError(0, f"{len(data)} bytes are there, not the {size} that were listed")
        return data

    def _made(self, data: bytes) -> Made:
        from fastconv.remake import Made

        status, height, width, components, *rest = _jpeg.look(data)
        if status == 0 and components in (1, 3):
            if self._recipe.alters:
                return self._remaker.jpeg(data, (height, width, components, rest[0], rest[1]))
            return Made(data, height, width, components == 1)
        if data[:2] == JPEG_MAGIC and components != 4:
            raise BadImageError(_jpeg.REASONS[status])
        return self._remaker.foreign(data)[0]


def _shown(value: object) -> str:
    return repr(value.decode("utf-8", "replace")) if isinstance(value, bytes) else str(value)


class AddedAgain:
    """Features that the schema adds, of ``kinds`` by name: what the table gives each row of the
    shared plan (shared_columns)."""

    def __init__(self, kinds: dict[str, str], columns: dict[str, memoryview]) -> None:
        self._kinds, self._columns = kinds, columns

    def differences(self, row: int, stored: dict[str, Any]) -> Iterator[str]:
        for number, (name, kind) in enumerate(self._kinds.items()):
            if name in stored:
                own = self._values(number, kind, self._columns["added_row"][row])
                if not _same(stored[name], own):
                    there = ", ".join(map(_shown, stored[name])) or "nothing"
                    table = ", ".join(map(_shown, own)) or "nothing"
                    yield f"{name} is {there}, but the table's {table}"

    def _values(self, number: int, kind: str, row: int) -> Any:
        starts, values = (self._columns[f"added_{number}_{part}"] for part in ("start", "value"))
        first, end = starts[row], starts[row + 1]
        if kind != "bytes":
            return np.asarray(values[first:end])
        at = self._columns[f"added_{number}_text"]
        return [bytes(values[at[text] : at[text + 1]]) for text in range(first, end)]


def _same(stored: Any, own: Any) -> bool:
    if isinstance(own, list):
        return bool(stored.tolist() == own)
    return bool(stored.dtype == own.dtype and stored.tobytes() == own.tobytes())  # NaN, too


def shared_columns(prepared: Prepared) -> dict[str, Any]:
    """The table's values of added features, as arrays for the shared plan, and its row of each row
    there."""
    added = prepared.added
    if not added.columns:
        return {}
    taken = zip(added.rows, prepared.plans, strict=True)
    arrays: dict[str, Any] = {
        "added_row": np.concatenate([rows[plan.order] for rows, plan in taken])
    }
    for number, column in enumerate(added.columns):
        arrays[f"added_{number}_start"] = column.starts
        values: Any = column.values
        if isinstance(values, Names):
            arrays[f"added_{number}_text"] = values.starts
            values = values.blob
        arrays[f"added_{number}_value"] = values
    return arrays


class ShardAgainst:
    """Compares the records of one shard with the rows that they should come from."""

    def __init__(
        self,
        rows: list[int],
        differences: Callable[[int, memoryview], Iterator[str]],
        describe: Callable[[int], str],
    ) -> None:
        self._rows, self._differences, self._describe = rows, differences, describe

    def __call__(self, record: int, payload: memoryview) -> list[str]:
        if record >= len(self._rows):
            return ["no image of the source belongs here"]
        row = self._rows[record]
        try:
            return [
                f"{what} (from {self._describe(row)})" for what in self._differences(row, payload)
            ]
        except ValueError:
            return []  # no Example, which was found already

    def missing(self, records: int) -> Iterator[str]:
        """Of a shard that ends after so many records, images that it should have."""
        for row in self._rows[records:]:
            yield f"the record of {self._describe(row)} is missing"


def arguments(
    prepared: Prepared, tasks: list[ShardTask], said: dict[str, dict[str, Any]]
) -> tuple[Any, ...]:
    """What Against needs besides the plan; ``said`` is the manifest's of each shard."""
    rows = {
        task.name: (
            task.start,
            task.stop,
            frozenset(row for row, _, _ in said.get(task.name, {}).get("skipped", [])),
        )
        for task in tasks
    }
    classes, added = prepared.dataset.classes, prepared.added
    kinds = {column.name: str(column.kind) for column in added.columns}
    features = dict(prepared.options.record_schema.features)
    return rows, prepared.options.recipe, classes.names, classes.texts, features, kinds
