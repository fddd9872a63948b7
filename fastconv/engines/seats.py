"""The workers of an engine on a board, as they come and go."""

from __future__ import annotations

from collections.abc import Callable

from fastconv.board import BYTES, IDLE, NO_ROW, RECORDS, ROW, SLOTS, STATE, WRITING, Board
from fastconv.job import ShardResult


class Seats:
    """A board that this process fills by what it hears of workers. A worker has a seat from when it
    is first heard of; one whose worker left is the next one's. ``workers``: how many seats there
    are from the beginning."""

    def __init__(self, workers: int) -> None:
        self._seats: dict[str, int] = {}
        self._free: list[int] = []
        self._done: list[tuple[int, int]] = []  # of each seat: records and bytes of whole shards
        self.board = _board([])
        for _ in range(workers):
            self._free.append(self._add())
        self._free.reverse()

    def _add(self) -> int:
        self._done.append((0, 0))
        self.board = _board([*self.board.slots, *[0] * SLOTS])
        seat = len(self._done) - 1
        slots = self.board.of(seat)
        slots[ROW], slots[STATE] = NO_ROW, IDLE
        return seat

    def _of(self, who: str) -> int:
        if who not in self._seats:
            self._seats[who] = self._free.pop() if self._free else self._add()
        return self._seats[who]

    def at(self, who: str, row: int, records: int, count: int, state: int) -> None:
        """A worker is at this row of the plan, with so much of its shard written."""
        seat = self._of(who)
        before = self._done[seat]
        slots = self.board.of(seat)
        slots[ROW], slots[STATE] = row, state
        slots[RECORDS], slots[BYTES] = before[0] + records, before[1] + count

    def done(self, who: str, result: ShardResult) -> None:
        """A worker has written a shard, and is at none that is known of."""
        seat = self._of(who)
        records, count = self._done[seat]
        images = result.records + len(result.skipped)
        self._done[seat] = (records + images, count + result.bytes)
        self.at(who, NO_ROW, 0, 0, self.board.of(seat)[STATE])

    def all_writing(self) -> None:
        """Of what is in the workers' hands nothing is known, but that it is something."""
        for seat in range(self.board.workers):
            self.board.of(seat)[STATE] = WRITING

    def leave(self, is_here: Callable[[str], bool]) -> None:
        """The seats of workers that are not here any more become free; what they had in hand is
        not written."""
        for who in [who for who in self._seats if not is_here(who)]:
            self.at(who, NO_ROW, 0, 0, IDLE)
            self._free.append(self._seats.pop(who))


def _board(slots: list[int]) -> Board:
    memory = memoryview(bytearray(8 * len(slots))).cast("q") if slots else memoryview(b"").cast("q")
    for at, value in enumerate(slots):
        memory[at] = value
    return Board(-1, memory)
