"""Tasks over processes, and what is told of them meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Any, Literal, TypeAlias

from fastconv.progress import OnProgress, Progress
from fastconv.workers import Crew

Function: TypeAlias = Callable[[Any], Any]


class Spread:
    """Runs functions over tasks in `workers` processes; in this one where there is one task."""

    def __init__(self, workers: int, on_progress: OnProgress | None) -> None:
        self.workers = workers
        self._tell = on_progress or (lambda _progress: None)

    def map(
        self,
        phase: str,
        function: Function,
        tasks: Iterable[Any],
        sizes: Sequence[int],
        label: Callable[[Any], str],
        unit: Literal["bytes", "images"] = "bytes",
    ) -> Generator[Any, None, None]:
        """Results in the tasks' order. ``sizes``: of each task, in `unit`; ``label``: what a worker
        has in hand, in words. The function must pickle."""
        if not sizes:
            return
        began = time.monotonic()
        total, done = sum(sizes), 0
        self._tell(Progress(phase, 0.0))
        # Whatever ends the loop, a person's Ctrl-C too, ends the processes.
        with closing(self._run(function, tasks, len(sizes), label)) as results:
            for number, result in enumerate(results):
                yield result
                done += sizes[number]
                seconds = time.monotonic() - began
                if unit == "images":
                    now = Progress(phase, seconds, images=done, total_images=total)
                else:
                    now = Progress(phase, seconds, 0, 0, done, total, number + 1, len(sizes))
                self._tell(now)

    def _run(
        self, function: Function, tasks: Iterable[Any], count: int, label: Callable[[Any], str]
    ) -> Generator[Any, None, None]:
        if min(self.workers, count) < 2:
            yield from map(function, tasks)
            return

        def in_hand(_worker: int, task: Any) -> str:
            return f" with {label(task)} in hand" if task is not None else ""

        start = ("fastconv.worker", "handed_down")
        workers = min(self.workers, count)
        with Crew(workers, start, lambda _worker: (function,), in_hand=in_hand) as crew:
            yield from crew.map(tasks)
