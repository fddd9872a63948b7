"""A small board of counters that workers write and their parent reads, in shared memory."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

from fastconv.shared import anonymous_file

# Slots of a worker, as keep_impl.h numbers them.
ROW, RECORDS, BYTES, STATE = 1, 2, 3, 4
FIRST = 5  # the row of the whole plan from which ROW counts; not the loop's
SLOTS = 8  # _shard.BOARD_SLOTS, which a test holds it to: who only reads a board loads no writer
NO_ROW = -1  # no image is in hand
IDLE, WRITING, SYNCING = 0, 1, 2
STATE_NAMES = ("idle", "writing", "syncing")


@dataclass(frozen=True, slots=True)
class Board:
    """`slots` is a memoryview of int64: SLOTS for each worker, one worker behind another."""

    fd: int
    slots: memoryview

    @classmethod
    def create(cls, workers: int) -> Board:
        fd = anonymous_file()
        os.ftruncate(fd, workers * SLOTS * 8)
        board = cls.attach(fd)
        for worker in range(workers):
            board.of(worker)[ROW] = NO_ROW
        return board

    @classmethod
    def attach(cls, fd: int) -> Board:
        return cls(fd, memoryview(mmap.mmap(fd, 0)).cast("q"))

    def of(self, worker: int) -> memoryview:
        """One worker's slots."""
        return self.slots[worker * SLOTS : (worker + 1) * SLOTS]

    @property
    def workers(self) -> int:
        return len(self.slots) // SLOTS

    def row(self, worker: int) -> int:
        """The row of the plan that a worker has in hand, or NO_ROW."""
        slots = self.of(worker)
        row = slots[ROW]
        return row + slots[FIRST] if row != NO_ROW else NO_ROW

    def total(self, slot: int) -> int:
        return sum(self.of(worker)[slot] for worker in range(self.workers))
