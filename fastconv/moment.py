"""A moment of a running job, as whoever watches it is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


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
    are 0 before the writing begins, and ``total_bytes`` is an estimate. Where shards are compared,
    bytes are those read, and images are not always counted.
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


OnProgress = Callable[[Progress], None]
