"""What a running conversion tells whoever watches it."""

from __future__ import annotations

import time

from fastconv.board import BYTES, RECORDS, ROW, STATE, STATE_NAMES, Board
from fastconv.moment import OnProgress as OnProgress
from fastconv.moment import Progress as Progress
from fastconv.moment import WorkerState as WorkerState


class Watch:
    """Turns a board into Progress, and hands it to the caller's function, if there is one."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self._tell = on_progress
        self._phase = ""
        self._began = self._since = time.monotonic()
        self.phases: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self._began

    def phase(self, name: str) -> None:
        """A new phase begins, its first word its kind; `phases` holds the seconds of each kind."""
        now = time.monotonic()
        if self._phase:
            kind = self._phase.split()[0]
            self.phases[kind] = self.phases.get(kind, 0.0) + now - self._since
        self._phase, self._since = name, now
        if self._tell:
            self._tell(Progress(name, 0.0))

    def writing(
        self, board: Board, starts: list[int], names: list[str], done: int, totals: tuple[int, int]
    ) -> None:
        """A moment of the writing: `starts` and `names` are of the shards; totals are images and
        bytes."""
        if self._tell is None:
            return
        from bisect import bisect_right

        workers = []
        for worker in range(board.workers):
            slots = board.of(worker)
            at = bisect_right(starts, slots[ROW]) - 1
            shard = names[at] if at >= 0 else ""
            workers.append(WorkerState(STATE_NAMES[slots[STATE]], shard))
        self._tell(
            Progress(
                self._phase,
                time.monotonic() - self._since,
                board.total(RECORDS),
                totals[0],
                board.total(BYTES),
                totals[1],
                done,
                len(names),
                tuple(workers),
            )
        )
