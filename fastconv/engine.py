"""What has shards written, as the job sees it; and this machine's processes, which do it unless
another is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from fastconv.workers import started_ahead, usable_cores

if TYPE_CHECKING:  # what comes with them is loaded while the processes start
    from fastconv.job import ShardResult, ShardTask
    from fastconv.prepare import Prepared
    from fastconv.progress import Watch
    from fastconv.runs import Samples


class Engine(Protocol):
    """What has shards written: this machine's processes, or those of many."""

    def workers_for(self, shards: int) -> int:
        """How many workers are at work on so many shards."""

    def write(
        self,
        prepared: Prepared,
        header: dict[str, Any],
        tasks: list[ShardTask],
        watch: Watch,
        samples: Samples,
    ) -> Iterator[ShardResult]:
        """Have the shards of a job written whose manifest begins with ``header``, and yield the
        result of each as it is whole under its final name, in any order; ``samples`` are taken of
        how far each worker is. What is raised ends the job."""


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

    def write(
        self,
        prepared: Prepared,
        _header: dict[str, Any],
        tasks: list[ShardTask],
        watch: Watch,
        samples: Samples,
    ) -> Iterator[ShardResult]:
        from fastconv.writing import write_shards

        out, workers = prepared.options.out_path, self.workers_for(len(tasks))
        return write_shards(prepared, out, tasks, workers, watch, self._recruits, samples)
