"""What all engines have in common: a job's plan laid out for its workers, a few tasks at a time
given to them, and their answers taken."""

from __future__ import annotations

import mmap
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import astuple
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from fastconv.atomic import output_error, write_whole
from fastconv.engine import Order
from fastconv.engines.seats import Seats
from fastconv.engines.task import CRASHED, DONE, Answer, error_of, plan_path
from fastconv.errors import BadImageError, OutputError, WorkerError
from fastconv.job import ShardResult, ShardTask
from fastconv.manifest import TOOL
from fastconv.planfile import plan_segment
from fastconv.remote.path import Place, RemotePath
from fastconv.workers import TICK_SECONDS

# Of each worker one task is being done, and the next lies ready when it has ended. More would help
# no worker, and keep another from them that comes later.
TASKS_A_WORKER = 2
NAMED_MAX = 4
CANNOT_LOAD = (ImportError, AttributeError)


@contextmanager
def laid_out(order: Order) -> Iterator[tuple[str, str, str]]:
    """Write the plan of a job to a folder of its own, and give the arguments of task.write_one that
    come before the shard. Only who begins a job makes that folder: a worker that is left over from
    another finds its own no more. Raises OutputError."""
    place, job = order.prepared.options.out_path, f"job-{secrets.token_hex(8)}"
    out = str(place.absolute() if isinstance(place, Path) else place)
    path = plan_path(out, job)
    fd = plan_segment(order.prepared, order.header)
    try:
        with (
            _written(path, os.fstat(fd).st_size) as to,
            mmap.mmap(fd, 0, prot=mmap.PROT_READ) as plan,
            memoryview(plan) as view,
        ):
            write_whole(to, view)
    except OSError as error:
        raise output_error(path, error) from None
    finally:
        os.close(fd)
    yield TOOL, out, job


@contextmanager
def _written(path: Place, size: int) -> Iterator[int]:
    """An open file for what is to stand at a new place. OSError where that is refused."""
    if isinstance(path, RemotePath):
        from fastconv.remote.store import open_store
        from fastconv.remote.upload import UploadPipe

        with UploadPipe(open_store(path), path.key, size) as pipe:
            yield pipe.fd
        return
    path.parent.mkdir()
    with path.open("wb", buffering=0) as file:
        yield file.fileno()


class Flow:
    """Tasks on their way. ``submit(task)`` has one done; ``room()`` says how many may be under way
    now. A task that is `again` to be done is the next one to be given."""

    def __init__(
        self,
        tasks: Iterable[ShardTask],
        submit: Callable[[ShardTask], Future[Answer]],
        room: Callable[[], int],
    ) -> None:
        self._queue, self._submit, self._room = deque(tasks), submit, room
        self._flying: dict[Future[Answer], ShardTask] = {}
        self._ended: SimpleQueue[Future[Answer]] = SimpleQueue()

    def again(self, task: ShardTask) -> None:
        self._queue.appendleft(task)

    @property
    def in_hand(self) -> list[ShardTask]:
        """The tasks that are given, and not done."""
        return list(self._flying.values())

    def run(self, on_tick: Callable[[], None]) -> Iterator[tuple[ShardTask, Future[Answer]]]:
        """Yield each task with its future as it ends, however it ends; on_tick is called ten times
        a second. Leaving takes back what is not begun."""
        try:
            while self._queue or self._flying:
                while self._queue and len(self._flying) < self._room():
                    future = self._submit(self._queue[0])
                    self._flying[future] = self._queue.popleft()
                    future.add_done_callback(self._ended.put)
                on_tick()
                try:
                    future = self._ended.get(timeout=TICK_SECONDS)
                except Empty:
                    continue
                yield self._flying.pop(future), future
        finally:
            for future in self._flying:
                with suppress(Exception):  # executors that take nothing back raise what they like
                    future.cancel()


class Shown:
    """What is seen of the workers, for the watch and the samples: called ten times a second, and
    told of what came out."""

    def __init__(self, order: Order, workers: int) -> None:
        self.seats = Seats(workers)
        prepared, tasks, samples = order.prepared, order.tasks, order.samples
        self._watch, self._samples = order.watch, samples
        self._starts, self._names = [task.start for task in tasks], [task.name for task in tasks]
        rows = sum(task.stop - task.start for task in tasks)
        all_rows = sum(len(plan.order) for plan in prepared.plans)
        self._totals = (rows, prepared.output_bytes * rows // max(all_rows, 1))
        self._done = 0
        samples.take(self.seats.board)

    def tick(self) -> None:
        board = self.seats.board
        self._watch.writing(board, self._starts, self._names, self._done, self._totals)
        self._samples.take(board)

    def done(self, who: str, result: ShardResult) -> None:
        self._done += 1
        self.seats.done(who, result)

    def ended(self) -> None:
        self._samples.take(self.seats.board, last=True)


def told(answer: Answer, task: ShardTask) -> ShardResult:
    """What a worker answered. Raises the error that it met, which names the worker, unless it is
    an image's: hosts and containers of one name may see other files."""
    kind, (host, pid, _), *rest = answer
    if kind == DONE:
        result: ShardResult = rest[0]
        return result
    if kind == CRASHED:
        raise WorkerError(
            f"the worker on host {host} (process {pid}) met an error of fastconv's own with "
            f"{task.name} in hand",
            rest[0],
        )
    name, text = rest
    error = error_of(name, text)
    if isinstance(error, BadImageError) or f"the worker on host {host} " in text:
        raise error
    raise type(error)(f"{text} (worker on host {host}, process {pid})")


def named(tasks: list[ShardTask]) -> str:
    """Shards by their names, some of many."""
    names = [task.name for task in tasks]
    return ", ".join(names[:NAMED_MAX]) + (", …" if names[NAMED_MAX:] else "")


def not_loaded(error: BaseException) -> OutputError:
    """What to say where a worker has not what its task is made of."""
    return OutputError(
        f"a worker cannot load {TOOL} ({error}); install the same version on all workers, in the "
        f"environment that they run in"
    )


def arguments(task: ShardTask) -> tuple[Any, ...]:
    """A shard as plain values."""
    return astuple(task)


def who_of(answer: Answer) -> str:
    """A name for who answered: one thread of one process of one host."""
    return " ".join(map(str, answer[1]))
