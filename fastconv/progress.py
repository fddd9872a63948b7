"""What a running job tells whoever watches it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fastconv.board import BYTES, RECORDS, STATE, STATE_NAMES, Board


@dataclass(frozen=True, slots=True)
class WorkerState:
    """``state``: idle, writing or syncing. ``shard``: the name of the one in hand."""

    state: str
    shard: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment of a conversion, or of another long job.

    ``phase``: what is being done, for people; ``seconds``: since this phase began. Counts are of
    images handled, of bytes of records written, and of shards that have their final names; totals
    are 0 before the writing begins, and ``total_bytes`` is an estimate. Where archives are checked
    and shards verified or compared, bytes are those read, and images are not always counted. Where
    class folders are written, they stand in the place of shards: ``pieces`` says which it is.
    """

    phase: str
    seconds: float
    images: int = 0
    total_images: int = 0
    bytes: int = 0
    total_bytes: int = 0
    shards: int = 0
    total_shards: int = 0
    workers: tuple[WorkerState, ...] = field(default=())
    pieces: str = "shards"


OnProgress = Callable[[Progress], None]


class Watch:
    """Turns a board into Progress, and hands it to the caller's function, if there is one."""

    def __init__(self, on_progress: OnProgress | None, pieces: str = "shards") -> None:
        self._tell = on_progress
        self._pieces = pieces
        self._phase = ""
        self._began = self._since = time.monotonic()
        self.began_at = time.time()
        self.phases: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self._began

    @property
    def current(self) -> str:
        """The phase that it is in."""
        return self._phase

    def phase(self, name: str) -> None:
        """A new phase begins, its first word its kind; `phases` holds the seconds of each kind."""
        now = time.monotonic()
        if self._phase:
            kind = self._phase.split()[0]
            self.phases[kind] = self.phases.get(kind, 0.0) + now - self._since
        self._phase, self._since = name, now
        if self._tell:
            self._tell(Progress(name, 0.0))

    def reading(self, done: int, total: int) -> None:
        """A moment of a phase that reads `total` bytes, `done` of them so far."""
        if self._tell:
            seconds = time.monotonic() - self._since
            self._tell(Progress(self._phase, seconds, bytes=done, total_bytes=total))

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
            at = bisect_right(starts, board.row(worker)) - 1
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
                self._pieces,
            )
        )
