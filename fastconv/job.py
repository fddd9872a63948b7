"""The plan as workers see it: every record of every split in order, in one shared segment."""

from __future__ import annotations

import errno
import mmap
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastconv import shared
from fastconv.errors import InputError
from fastconv.remote.path import Extent, RemotePath, known_path, sized
from fastconv.whereabouts import whereabouts

if TYPE_CHECKING:
    from fastconv.catalog import Classes
    from fastconv.geometry import BoxArray
    from fastconv.names import Names
    from fastconv.plan import SplitPlan


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard: its file's name, its split, and its rows [start, stop) of the whole plan; and, of
    one that is written again, the (bytes, CRC32C) that it must come to."""

    name: str
    split: str
    start: int
    stop: int
    expected: tuple[int, int] | None = None


@dataclass(slots=True)
class ShardResult:
    """What was written. ``crc32c`` is of the whole file, ``index_crc32c`` of its index;
    ``repaired`` and ``skipped`` hold (row of the plan, whereabouts, reason) of images; ``changes``:
    how many images were changed, by kind; ``boxes_lost``: those of which nothing was left in an
    image that was cut. ``refused``: why a shard that was to be as it had been was not written."""

    task: ShardTask
    records: int = 0
    bytes: int = 0
    crc32c: int = 0
    index_crc32c: int = 0
    repaired: list[tuple[int, str, str]] = field(default_factory=list)
    skipped: list[tuple[int, str, str]] = field(default_factory=list)
    changes: dict[str, int] = field(default_factory=dict)
    boxes_lost: int = 0
    refused: str = ""


def share_plans(
    plans: list[SplitPlan],
    classes: Classes,
    label_offset: int,
    keys: list[str],
    entries: list[bytes],
    extras: list[Names] | None = None,
    more: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
) -> int:
    """Put the plans of all splits, one behind the other, into a segment (see fastconv.shared).

    Columns are in the order of the records, so that a shard is a slice of each and a worker
    touches only what it is writing. ``keys``: the schema's features (records.loop_keys).
    ``entries`` are the classes' (records.class_entries), and behind them, where there are twice as
    many, those of their grayscale images. ``extras``: of each plan further entries, one a row of
    its catalog; ``more``: further arrays by name, and ``facts``. Returns the segment's file
    descriptor.
    """
    import numpy as np

    from fastconv.names import Names

    catalogs = [plan.catalog for plan in plans]
    containers = [place for catalog in catalogs for place in catalog.containers]
    before = np.cumsum([0, *(len(catalog.containers) for catalog in catalogs)])
    paths: dict[str, int] = {}
    files = [paths.setdefault(place.path, len(paths)) for place in containers]
    blocks = Names.of(entries)
    names = Names.joined([plan.catalog.names.take(plan.order) for plan in plans])
    path_names = Names.of(path.encode("utf-8", "surrogateescape") for path in paths)
    insides = Names.of(place.inside.encode("utf-8", "surrogateescape") for place in containers)

    counts = [np.diff(plan.catalog.box_start)[plan.order] for plan in plans]
    box_start = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    boxes = [_boxes_in_order(plan, count) for plan, count in zip(plans, counts, strict=True)]

    def column(name: str, dtype: type, add: bool = False) -> Any:
        parts = [
            getattr(plan.catalog, name)[plan.order] + (before[k] if add else 0)
            for k, plan in enumerate(plans)
        ]
        return np.concatenate(parts).astype(dtype, copy=False)

    columns = {
        "container": column("container", np.int32, add=True),
        "offset": column("offset", np.int64),
        "size": column("size", np.int64),
        "klass": column("klass", np.int32),
        "name_start": names.starts,
        "name": names.blob,
        "box_start": box_start,
        "box": np.concatenate(boxes),
        "container_file": np.array(files, np.int32),
        "container_is_folder": np.array([place.is_folder for place in containers], np.uint8),
        "path_start": path_names.starts,
        "path": path_names.blob,
        "inside_start": insides.starts,
        "inside": insides.blob,
        "label": np.arange(len(classes), dtype=np.int64) + label_offset,
        "block_start": blocks.starts,
        "block": blocks.blob,
    }
    sizes, changed = _as_listed(paths, {place.path for place in containers if not place.is_folder})
    columns |= {"path_bytes": sizes, "path_changed": changed}
    versions = {place.path: place.version for place in containers if place.version}
    if versions:
        of_paths = Names.of(versions.get(path, "").encode() for path in paths)
        columns |= {"version_start": of_paths.starts, "version": of_paths.blob}
    if extras:
        added = Names.joined(
            [extra.take(plan.order) for extra, plan in zip(extras, plans, strict=True)]
        )
        columns |= {"extra_start": added.starts, "extra": added.blob}
    columns |= more or {}
    return shared.share(
        {name: np.ascontiguousarray(values) for name, values in columns.items()},
        {"keys": keys, "gray_block": len(entries) - len(classes), **(facts or {})},
    )


def _as_listed(paths: dict[str, int], archives: set[str]) -> tuple[Any, Any]:
    """Of each path, an archive's on this machine, its bytes and when it was changed last, in ns
    since 1970: int64 (n,) each; -1 of others."""
    import numpy as np

    sizes, changed = np.full((2, len(paths)), -1, np.int64)
    for path in archives:
        with suppress(OSError):  # of an object store's; and whoever reads it tells what is wrong
            status = Path(path).stat()
            sizes[paths[path]], changed[paths[path]] = status.st_size, status.st_mtime_ns
    return sizes, changed


def _boxes_in_order(plan: SplitPlan, counts: Any) -> Any:
    import numpy as np

    first = plan.catalog.box_start[:-1][plan.order]
    ends = np.cumsum(counts)
    rows = np.repeat(first - (ends - counts), counts) + np.arange(counts.sum())
    return plan.catalog.boxes[rows]


def shard_tasks(plans: list[SplitPlan]) -> list[ShardTask]:
    """The shards of all splits, with rows counted through them."""
    tasks, row = [], 0
    for plan in plans:
        bounds = plan.bounds.tolist()
        for name, start, stop in zip(plan.shard_names, bounds, bounds[1:], strict=False):
            tasks.append(ShardTask(name, plan.catalog.split, row + start, row + stop))
        row += len(plan.order)
    return tasks


class Job:
    """A worker's view of the plan, or of a part of its rows: the columns by name, read-only and
    typed, and the facts beside them. ``memory``: what they are in, where it is shared."""

    def __init__(
        self,
        columns: dict[str, memoryview],
        facts: dict[str, Any],
        memory: mmap.mmap | None = None,
    ) -> None:
        self.columns, self.facts, self._memory = columns, facts, memory
        self._stored: dict[int, RemotePath | None] = {}

    @classmethod
    def attached(cls, fd: int) -> Job:
        """The whole plan, in a shared segment."""
        return cls(*shared.attach(fd))

    def let_go(self) -> None:
        """Unmap what was touched, which comes back when it is touched again: so what a worker
        holds of the plan is a shard's part of it, and not all that it ever saw."""
        if self._memory is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)

    def text(self, name: str, row: int) -> str:
        """A row of a column of names."""
        starts = self.columns[f"{name}_start"]
        name_bytes = bytes(self.columns[name][starts[row] : starts[row + 1]])
        return name_bytes.decode("utf-8", "surrogateescape")

    def boxes(self, row: int) -> BoxArray:
        """A record's boxes: float32 (n, 4)."""
        import numpy as np

        first, end = self.columns["box_start"][row], self.columns["box_start"][row + 1]
        return np.array(self.columns["box"][4 * first : 4 * end], np.float32).reshape(-1, 4)

    def name(self, row: int) -> str:
        """The base name of a record's image."""
        return self.text("name", row)

    def changed(self, row: int, found_bytes: int) -> InputError:
        """What to say where a record's image has not the bytes that it was listed with."""
        return InputError(
            f"{self.describe(row)}: should have {self.columns['size'][row]} bytes, but "
            f"{found_bytes} are there: the source was cut off or changed since it was listed"
        )

    def unreadable(self, row: int, doing: str, number: int) -> InputError:
        """What to say where an image cannot be "opened" or "read", for this errno."""
        reason = os.strerror(number)
        if number in (errno.EINVAL, errno.ESPIPE):  # what a pipe or a device answers
            reason = "it is no regular file any more"
        if number == errno.ESTALE:  # our own word for it, too (source_impl.c)
            reason = (
                "it was changed or replaced since it was listed, so that its images are elsewhere "
                "in it; convert, or plan, anew"
            )
        return InputError(f"{self.describe(row)}: cannot be {doing}: {reason}")

    def refused(self, row: int, error: OSError) -> InputError:
        """The same for what an object store says."""
        if error.errno == errno.ESTALE:
            return InputError(
                f"{self.describe(row)}: its object is not the one that was listed any more: the "
                f"source was changed since"
            )
        return InputError(f"{self.describe(row)}: cannot be read: {error.strerror or error}")

    def in_store(self, row: int) -> Extent | None:
        """Where a record's image is in an object store; None where it is on disk."""
        columns = self.columns
        container = columns["container"][row]
        file = columns["container_file"][container]
        if file not in self._stored:
            self._stored[file] = known_path(self.text("path", file))
        path = self._stored[file]
        if path is None:
            return None
        size = columns["size"][row]
        if columns["container_is_folder"][container]:
            return Extent(path / self.name(row), 0, size, sized(size))
        version = self.text("version", file) if "version" in columns else ""
        return Extent(path, columns["offset"][row], size, version)

    def describe(self, row: int) -> str:
        """Where a record's image comes from, for people."""
        container = self.columns["container"][row]
        return whereabouts(
            self.text("path", self.columns["container_file"][container]),
            bool(self.columns["container_is_folder"][container]),
            self.text("inside", container),
            self.name(row),
            self.columns["offset"][row],
        )
