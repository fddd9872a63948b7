"""Bytes of objects, fetched into a file that is read as one on disk would be."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path

from fastconv.remote.path import Extent
from fastconv.remote.store import PIECE_BYTES, open_store
from fastconv.shared import anonymous_file

THREADS = 16
BATCH_BYTES, BATCH_COUNT = 8 << 20, 512


class Spool:
    """A file without a name, in memory where the system can, that is filled over and over."""

    def __init__(self) -> None:
        self._fd = anonymous_file()

    def __del__(self) -> None:
        # Not before the last thread that writes to it is done, however a job ends.
        os.close(self._fd)

    @property
    def path(self) -> str:
        """By which this process can open it."""
        folder = "/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd"
        return f"{folder}/{self._fd}"

    def write(self, at: int, data: bytes) -> None:
        done = 0
        view = memoryview(data)
        while done < len(data):
            done += os.pwrite(self._fd, view[done:], at + done)

    def shrink(self) -> None:
        """Give back the memory of what was larger than a batch should be."""
        if os.fstat(self._fd).st_size > 2 * BATCH_BYTES:
            os.ftruncate(self._fd, 0)


class Batch:
    """Extents that are being fetched into a spool, one behind the other, on several threads.

    The threads end with the process, whatever a request of theirs waits for.
    """

    def __init__(self, spool: Spool, extents: Sequence[Extent]) -> None:
        self.spool = spool
        self.offsets: list[int] = []
        at = 0
        for extent in extents:
            self.offsets.append(at)
            at += extent.size
        spool.shrink()
        self._ahead = iter(list(enumerate(extents)))
        self._lock = threading.Lock()
        self._failed: tuple[int, BaseException] | None = None
        self._given_up = False
        self._threads = [
            threading.Thread(target=self._work, name="fastconv-fetch", daemon=True)
            for _ in range(min(THREADS, len(extents)))
        ]
        for thread in self._threads:
            thread.start()

    def wait(self) -> tuple[int, BaseException] | None:
        """Until all are there; else the number of the first that failed, and why."""
        for thread in self._threads:
            thread.join()
        return self._failed

    def give_up(self) -> None:
        """Fetch no more; what is under way is not waited for."""
        self._given_up = True

    def _work(self) -> None:
        while not self._given_up and self._failed is None:
            with self._lock:
                number, extent = next(self._ahead, (-1, None))
            if extent is None:
                return
            try:
                self._fetch(extent, self.offsets[number])
            except BaseException as error:  # whoever waits raises it
                with self._lock:
                    if self._failed is None or number < self._failed[0]:
                        self._failed = (number, error)

    def _fetch(self, extent: Extent, at: int) -> None:
        store, key, end = open_store(extent.path), extent.path.key, extent.start + extent.size
        for start in range(extent.start, end, PIECE_BYTES):
            stop = min(start + PIECE_BYTES, end)
            data = store.read_range(key, start, stop, extent.version)
            self.spool.write(at + start - extent.start, data)
