"""Processes that do tasks for this one; a dead one is an error with a name, never a hang."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from multiprocessing.connection import wait
from typing import Any

from fastconv import errors
from fastconv.errors import FastconvError, WorkerError
from fastconv.recruits import Recruit, Recruits, dismiss

TICK_SECONDS = 0.1

SHARD_MODULE = "fastconv.shard"  # what the workers of a conversion need


def usable_cores() -> int:
    """Cores that this process may use: its affinity and its cgroup's CPU quota counted in."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(cores, _quota_cores() or cores))


def _quota_cores() -> int | None:
    """Whole cores of the CPU quota (cgroup v2, then v1), rounded up; None where there is none."""
    with suppress(OSError, ValueError, IndexError):
        own = _read("/proc/self/cgroup").strip().rpartition("::")[2]
        for folder in (f"/sys/fs/cgroup{own}", "/sys/fs/cgroup"):
            with suppress(OSError):
                quota, period = _read(f"{folder}/cpu.max").split()
                return None if quota == "max" else -(-int(quota) // int(period))
    with suppress(OSError, ValueError):
        limit = int(_read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"))
        return (
            -(-limit // int(_read("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))) if limit > 0 else None
        )
    return None


def _read(path: str) -> str:
    with open(path) as file:  # noqa: PTH123
        return file.read()


def started_ahead(workers: int | None) -> Recruits:
    """A conversion's worker processes, so many or one a usable core, as yet without work."""
    return Recruits(workers or usable_cores(), SHARD_MODULE)


@dataclass(slots=True)
class _Worker:
    number: int
    recruit: Recruit
    task: Any = None
    turn: int = 0


class Crew:
    """A few worker processes that run one function over many tasks.

    ``start`` names a function as (module, name): each worker calls it once, with the open files
    ``fds`` under the numbers that they have there and the arguments that ``arguments(worker
    number)`` gives, and what it returns for each task. ``in_hand(worker number, its task)`` says,
    after a death, what that worker was at; the task is None where it had none. ``recruits`` are
    processes that were started ahead.

    A context manager: leaving it ends the workers at once, whatever they are doing.
    """

    def __init__(
        self,
        count: int,
        start: tuple[str, str],
        arguments: Callable[[int], tuple[Any, ...]],
        fds: tuple[int, ...] = (),
        in_hand: Callable[[int, Any], str] = lambda _worker, _task: "",
        recruits: Recruits | None = None,
    ) -> None:
        self._count, self._start, self._arguments = count, start, arguments
        self._fds, self._in_hand = fds, in_hand
        self._recruits = recruits or Recruits()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Crew:
        try:
            for number in range(self._count):
                self._workers.append(self._hire(number))
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hire(self, number: int) -> _Worker:
        worker = _Worker(number, self._recruits.take())
        worker.recruit.begin(self._start, self._arguments(number), self._fds)
        return worker

    def run(self, tasks: Iterable[Any], on_tick: Callable[[], None]) -> Iterator[tuple[Any, Any]]:
        """Yield (task, result) as tasks are done, in any order; on_tick is called ten times a
        second. Raises what a task raised, or WorkerError where a worker died."""
        for _, task, result in self._run(tasks, on_tick):
            yield task, result

    def map(self, tasks: Iterable[Any]) -> Iterator[Any]:
        """Yield the tasks' results in the tasks' order, else like run()."""
        waiting: dict[int, Any] = {}
        turn = 0
        for done, _, result in self._run(tasks, lambda: None):
            waiting[done] = result
            while turn in waiting:
                yield waiting.pop(turn)
                turn += 1

    def _run(
        self, tasks: Iterable[Any], on_tick: Callable[[], None]
    ) -> Iterator[tuple[int, Any, Any]]:
        queue = enumerate(tasks)
        for worker in self._workers:
            self._give(worker, queue)
        while busy := {w.recruit.connection: w for w in self._workers if w.task is not None}:
            for connection in wait(list(busy), TICK_SECONDS):
                worker = busy[connection]  # type: ignore[index]
                turn, task, answer = worker.turn, worker.task, self._receive(worker)
                self._give(worker, queue)
                yield turn, task, answer
            on_tick()

    def _give(self, worker: _Worker, queue: Iterator[tuple[int, Any]]) -> None:
        worker.turn, worker.task = next(queue, (0, None))
        if worker.task is not None:
            try:
                worker.recruit.connection.send(worker.task)
            except (BrokenPipeError, ConnectionResetError):
                raise self._death(worker) from None

    def _receive(self, worker: _Worker) -> Any:
        try:
            kind, *rest = worker.recruit.connection.recv()
        except (EOFError, ConnectionError):
            raise self._death(worker) from None
        if kind == "done":
            return rest[0]
        if kind == "refused":
            error: type[FastconvError] = getattr(errors, rest[0])
            raise error(rest[1])
        raise WorkerError(f"worker {worker.number} met an error of fastconv's own", rest[0])

    def _death(self, worker: _Worker) -> WorkerError:
        code = worker.recruit.process.wait()
        how = f"ended with code {code}"
        if code < 0:
            known = {number.value: number.name for number in signal.Signals}
            how = f"was killed by {known.get(-code, f'signal {-code}')}"
            if -code == signal.SIGKILL:
                how += " (often the system's answer to a lack of memory)"
        who = f"worker {worker.number} (process {worker.recruit.process.pid})"
        return WorkerError(f"{who} {how}{self._in_hand(worker.number, worker.task)}")

    def close(self) -> None:
        """End the workers now."""
        dismiss([worker.recruit for worker in self._workers])
        self._workers.clear()


def in_parallel(workers: int) -> Callable[[Callable[[Any], Any], Iterator[Any]], Iterator[Any]]:
    """A map over processes: results in order. The first item is done here, and only where there
    are more are processes worth starting. The function must pickle."""

    def run(function: Callable[[Any], Any], items: Iterator[Any]) -> Iterator[Any]:
        for item in islice(items, 1):
            yield function(item)
        more = list(islice(items, 1))
        if more and workers > 1:
            start = ("fastconv.worker", "handed_down")
            with Crew(workers, start, lambda _worker: (function,)) as crew:
                yield from crew.map(chain(more, items))
        else:
            yield from map(function, chain(more, items))

    return run
