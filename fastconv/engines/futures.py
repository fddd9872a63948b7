"""Any executor of concurrent.futures' kind as an engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future

from fastconv.engine import Order
from fastconv.engines.flow import (
    CANNOT_LOAD,
    TASKS_A_WORKER,
    Flow,
    Shown,
    arguments,
    laid_out,
    named,
    not_loaded,
    told,
    who_of,
)
from fastconv.engines.task import Answer, write_one
from fastconv.errors import OutputError, WorkerError
from fastconv.job import ShardResult, ShardTask
from fastconv.workers import usable_cores

# Under these names executors say how many workers they have: those of the standard library and
# loky, and mpi4py's.
COUNTS = ("_max_workers", "num_workers", "max_workers")


class ExecutorEngine:
    """Has shards written by an executor, which stays its owner's. ``workers``: how many it has,
    where it does not say so itself, or fewer are to be at work."""

    def __init__(self, executor: Executor, workers: int | None = None) -> None:
        self._executor = executor
        self._workers = workers or _count(executor) or usable_cores()

    def workers_for(self, shards: int) -> int:
        return min(self._workers, shards)

    def write(self, order: Order) -> Iterator[ShardResult]:
        """As Engine says. Raises WorkerError where a worker died: an executor whose worker dies is
        of no use any more."""
        workers = self.workers_for(len(order.tasks))
        shown = Shown(order, workers)
        shown.seats.all_writing()
        with laid_out(order) as job:

            def submit(task: ShardTask) -> Future[Answer]:
                try:
                    return self._executor.submit(write_one, *job, arguments(task))
                except BrokenExecutor as error:
                    raise _broken(error, [*flow.in_hand, task]) from None
                except RuntimeError as error:
                    raise OutputError(f"the engine takes no tasks: {error}") from None

            flow = Flow(order.tasks, submit, lambda: TASKS_A_WORKER * workers)
            for task, future in flow.run(shown.tick):
                try:
                    answer = future.result()
                except BrokenExecutor as error:
                    raise _broken(error, [task, *flow.in_hand]) from None
                except CancelledError:
                    raise WorkerError(
                        f"{task.name}: its task was cancelled in the engine"
                    ) from None
                except CANNOT_LOAD as error:
                    raise not_loaded(error) from None
                except Exception as error:  # of the engine's own
                    raise WorkerError(
                        f"{task.name}: the engine could not have it written: "
                        f"{type(error).__name__}: {error}"
                    ) from error
                result = told(answer, task)
                shown.done(who_of(answer), result)
                yield result
        shown.ended()


def _count(executor: Executor) -> int | None:
    for name in COUNTS:
        count = getattr(executor, name, None)
        if isinstance(count, int) and count > 0:
            return count
    return None


def _broken(error: BaseException, tasks: list[ShardTask]) -> WorkerError:
    return WorkerError(
        f"a worker of the engine died with one of these in hand, which were not written: "
        f"{named(tasks)} ({error}). Run the same again with a new engine to go on"
    )
