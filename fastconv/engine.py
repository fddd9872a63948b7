"""What has shards written, as the job sees it; and this machine's processes, which do it unless
another is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fastconv.workers import started_ahead, usable_cores

if TYPE_CHECKING:  # what comes with them is loaded while the processes start
    from fastconv.job import ShardResult, ShardTask
    from fastconv.prepare import Prepared
    from fastconv.progress import Watch
    from fastconv.runs import Samples


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of an engine: the shards ``tasks`` of a job whose manifest begins with
    ``header``, and ``samples`` of how far each worker is."""

    prepared: Prepared
    header: dict[str, Any]
    tasks: list[ShardTask]
    watch: Watch
    samples: Samples


class Engine(Protocol):
    """What has shards written: this machine's processes, or those of many."""

    def workers_for(self, shards: int) -> int:
        """How many workers are at work on so many shards."""

    def write(self, order: Order) -> Iterator[ShardResult]:
        """Have shards written, and yield the result of each as it is whole under its final name, in
        any order. What is raised ends the job."""


class LocalEngine:
    """Worker processes on this machine. They start at once, while the job is still planned; leaving
    the context ends those that got no work."""

    def __init__(self, workers: int | None) -> None:
        self._workers = workers or usable_cores()
        self._recruits = started_ahead(workers)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._recruits.dismiss()

    def workers_for(self, shards: int) -> int:
        return min(self._workers, shards)

    def write(self, order: Order) -> Iterator[ShardResult]:
        from fastconv.writing import write_shards

        prepared, workers = order.prepared, self.workers_for(len(order.tasks))
        return write_shards(
            prepared,
            prepared.options.out_path,
            order.tasks,
            workers,
            order.watch,
            self._recruits,
            order.samples,
        )
