"""A plan's rows whose images are in an object store, as rows of images on disk.

The images are fetched in batches, four of them while the loop works on the one before, so that the
last requests of one batch do not keep the line idle. The loop is given columns in which they lie in
one of a few spools, used in turn; all else is the plan's.
"""

from __future__ import annotations

import itertools
import mmap
from collections import deque
from collections.abc import Iterator
from typing import Any

from fastconv.errors import FastconvError
from fastconv.job import Job, ShardTask
from fastconv.remote.path import Extent
from fastconv.remote.spool import BATCH_BYTES, BATCH_COUNT, Batch, Spool

Rows = list[tuple[int, Extent]]
SPOOLS = 5


def _room(count: int, kind: str, size: int) -> memoryview:
    """An array of zeros, whose memory is taken as it is written to."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    room: Any = memoryview(mmap.mmap(-1, max(count, 1) * size, flags=flags))
    view: memoryview = room.cast(kind)
    return view


class Spooled:
    """Hands out the rows of tasks. ``bytes_max``: files above this are not fetched, since no image
    is so large."""

    def __init__(self, job: Job, bytes_max: int) -> None:
        self._job, self._bytes_max = job, bytes_max
        self._spools = [Spool() for _ in range(SPOOLS)]

    def of(self, task: ShardTask) -> tuple[dict[str, memoryview], Iterator[tuple[int, int]]]:
        """Columns in the place of the plan's, and parts [first row, end) of the task's rows: they
        hold for the part in hand. Raises InputError for what the store refuses."""
        columns = self._job.columns
        rows = len(columns["container"])
        container, offset = _room(rows, "i", 4), _room(rows, "q", 8)
        paths = [spool.path.encode() for spool in self._spools]
        sizes = itertools.accumulate(map(len, paths))
        files = len(columns["path_start"]) - 1
        first = len(columns["container_file"])
        ends = [columns["path_start"][files] + size for size in sizes]
        own = {
            **columns,
            "container": container,
            "offset": offset,
            "container_file": _with(columns["container_file"], [files + n for n in range(SPOOLS)]),
            "container_is_folder": _with(columns["container_is_folder"], [0] * SPOOLS),
            "path_start": _with(columns["path_start"], ends),
            "path": memoryview(b"".join([columns["path"], *paths])),
            "path_bytes": _with(columns["path_bytes"], [-1] * SPOOLS),
            "path_changed": _with(columns["path_changed"], [-1] * SPOOLS),
        }
        return own, self._parts(task, container, offset, first)

    def _parts(
        self, task: ShardTask, container: memoryview, offset: memoryview, first: int
    ) -> Iterator[tuple[int, int]]:
        told, start = self._batches(task), task.start
        turns = itertools.cycle(range(SPOOLS))
        ahead: deque[tuple[int, int, Rows, Batch]] = deque()

        def fetch_ahead() -> None:
            free = itertools.islice(turns, SPOOLS - 1 - len(ahead))
            for turn, (stop, rows) in zip(free, told, strict=False):
                batch = Batch(self._spools[turn], [extent for _, extent in rows])
                ahead.append((turn, stop, rows, batch))

        try:
            fetch_ahead()
            while ahead:
                turn, stop, rows, batch = ahead[0]
                failed = batch.wait()
                if failed is not None:
                    self._refuse(rows[failed[0]][0], failed[1])
                ahead.popleft()
                fetch_ahead()  # all spools but this one's are free
                for (row, _), at in zip(rows, batch.offsets, strict=True):
                    container[row], offset[row] = first + turn, at
                yield start, stop
                start = stop
        finally:
            if ahead:  # into these it may still write
                self._spools = [Spool() for _ in range(SPOOLS)]
            for *_, batch in ahead:
                batch.give_up()

    def _batches(self, task: ShardTask) -> Iterator[tuple[int, Rows]]:
        """(the row behind a batch, what is to be fetched for it)."""
        rows: Rows = []
        size = 0
        for row in range(task.start, task.stop):
            extent = self._job.in_store(row)
            assert extent is not None
            if extent.size > self._bytes_max:
                continue
            if rows and (size + extent.size > BATCH_BYTES or len(rows) == BATCH_COUNT):
                yield row, rows
                rows, size = [], 0
            rows.append((row, extent))
            size += extent.size
        yield task.stop, rows

    def _refuse(self, row: int, error: BaseException) -> None:
        if isinstance(error, OSError):
            raise self._job.refused(row, error) from None
        if isinstance(error, FastconvError):
            raise error
        raise RuntimeError(f"{self._job.describe(row)}: {error!r}") from error


def _with(column: Any, more: list[int]) -> memoryview:
    """A column of integers with more at its end."""
    from array import array

    return memoryview(array(column.format, column.tolist() + more))
