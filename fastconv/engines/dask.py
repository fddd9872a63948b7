"""A Dask cluster as an engine, by its client (https://distributed.dask.org).

Dask sees to workers that die: it gives what they had to others. What it does not bound is how long
it waits: for workers that never come, for a scheduler that does not answer. That is done here.
"""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, suppress
from typing import Any

import dask
import distributed
from dask.utils import parse_timedelta

from fastconv.engine import Order
from fastconv.engines.flow import (
    CANNOT_LOAD,
    TASKS_A_WORKER,
    Flow,
    Shown,
    arguments,
    laid_out,
    not_loaded,
    told,
)
from fastconv.errors import OutputError, UsageError, WorkerError
from fastconv.job import ShardResult, ShardTask

ASK_SECONDS = 1.0  # who the workers are is asked so often
ANSWER_SECONDS = 10.0  # an answer that does not come in this time is asked for anew
TELL_SECONDS = 0.5
TELLING_MAX = 64  # workers that may tell as often; more of them tell less often
# A function that a worker cannot load, since it has no fastconv or another one, ends that worker.
# So what is sent is one that every Python has, and the failure is the task's.
AT_WORKER = "__import__('fastconv.engines.dask_task', fromlist=['_']).write_and_tell(*given)"
# Of the same task: it was to be done anew since the client lost its scheduler, or somebody
# cancelled it.
AGAIN_MAX = 20
# Nobody but this process starts a local cluster's workers, and it does so at once.
LOCAL_SECONDS = 30.0


class DaskEngine:
    """Has shards written by the workers of a cluster, whose client stays its owner's. At most
    ``workers`` threads of it, where that is said.

    How long is waited, Dask's configuration says: ``fastconv.wait-for-workers`` while there is no
    worker (300 s), ``fastconv.scheduler-silence`` while the scheduler does not answer (60 s).
    For workers of a ``local`` cluster, which this process started, at most 30 s are waited.
    """

    def __init__(
        self,
        client: distributed.Client,
        workers: int | None = None,
        last_words: Callable[[], str] = lambda: "",
        local: bool = False,
    ) -> None:
        if client.asynchronous or client.status == "closed":
            what = "an asynchronous client" if client.asynchronous else "a client that is closed"
            raise UsageError(
                f"engine is {what}; give a Client that is connected, of the usual kind"
            )
        self._client, self._most, self._last_words = client, workers, last_words
        self._pulse = _Pulse(client, last_words, local)

    def workers_for(self, shards: int) -> int:
        self._pulse.ask_now()
        return max(1, min(self._threads(), shards))

    def _threads(self) -> int:
        threads = sum(self._pulse.threads.values())
        return min(threads, self._most or threads)

    def write(self, order: Order) -> Iterator[ShardResult]:
        """As Engine says. Raises WorkerError where a shard's workers died again and again, and
        OutputError where there are no workers, or no scheduler, for too long."""
        pulse = self._pulse
        shown = Shown(order, self.workers_for(len(order.tasks)))
        heard: dict[str, tuple[Any, ...]] = {}  # by the shard's name, as is the next
        answers: dict[str, tuple[str, bytes]] = {}
        turns = dict.fromkeys((task.name for task in order.tasks), 0)
        watch, phase = order.watch, order.watch.current

        with laid_out(order) as job, self._heard(job[2], heard, answers, pulse):

            def submit(task: ShardTask) -> Future[Any]:
                turns[task.name] += 1
                key = f"fastconv-{task.name}-{turns[task.name]}-{job[2]}"
                seconds = TELL_SECONDS * max(1.0, self._threads() / TELLING_MAX)
                given = (*job, arguments(task), seconds)
                return self._begun(key, given, lambda: answers.pop(task.name, None))

            def room() -> int:
                return TASKS_A_WORKER * self._threads() if pulse.connected else 0

            flow = Flow(order.tasks, submit, room)

            def tick() -> None:
                waiting = pulse.check()
                if (waiting or phase) != watch.current:
                    watch.phase(waiting or phase)
                for task in flow.in_hand:
                    if told_of := heard.pop(task.name, None):
                        who, row, *counts = told_of
                        shown.seats.at(who, row if row < 0 else task.start + row, *counts)
                shown.seats.leave(lambda who: who.split()[0] in pulse.threads)
                shown.tick()

            for task, future in flow.run(tick):
                heard.pop(task.name, None)
                try:
                    who, answer = future.result()
                except (CancelledError, asyncio.CancelledError, OSError) as error:
                    # The scheduler was lost, and is back, or will be. What a worker makes of the
                    # first task all the same is the same shard.
                    if turns[task.name] > AGAIN_MAX:
                        raise WorkerError(
                            f"{task.name}: its task was lost {AGAIN_MAX} times: {error}"
                        ) from None
                    flow.again(task)
                    continue
                except distributed.KilledWorker as error:
                    last = getattr(error.last_worker, "address", error.last_worker)
                    raise WorkerError(
                        f"{task.name}: every worker that was to write it died, "
                        f"{error.allowed_failures + 1} of them, the last one {last}; the shard was "
                        f"not written. A lack of memory is a usual cause; that worker's log says "
                        f"more"
                    ) from None
                except CANNOT_LOAD as error:
                    raise not_loaded(error) from None
                except Exception as error:  # of Dask's own
                    if not pulse.connected:
                        flow.again(task)
                        continue
                    raise WorkerError(
                        f"{task.name}: Dask could not have it written: "
                        f"{type(error).__name__}: {error}"
                    ) from error
                result = told(answer, task)
                shown.done(who, result)
                yield result
        shown.ended()

    def _begun(
        self, key: str, given: tuple[Any, ...], told: Callable[[], tuple[str, bytes] | None]
    ) -> Future[Any]:
        """A task that Dask has. To take it back is to forget its future: what nobody wants any more
        is not done. Its result is what was ``told``; only where that did not come is it fetched."""
        client = self._client

        async def done() -> Any:
            # Retries are for tasks that raise, which ours do not.
            future = client.submit(eval, AT_WORKER, {"given": given}, key=key, pure=False)
            with client.as_current():  # it need not be the default one, which wait() takes
                ended = distributed.wait(future)
            await ended
            if future.status == "finished" and (heard := told()) is not None:
                return heard[0], pickle.loads(heard[1])
            return await future

        return _soon(client, done())

    @contextmanager
    def _heard(
        self,
        topic: str,
        heard: dict[str, tuple[Any, ...]],
        answers: dict[str, tuple[str, bytes]],
        pulse: _Pulse,
    ) -> Iterator[None]:
        """Take what workers tell."""
        client = self._client

        def hear(event: tuple[float, Any]) -> None:
            with suppress(ValueError, TypeError):
                who, name, *facts = event[1]
                if len(facts) == 1:
                    answers[name] = (who, facts[0])
                else:
                    heard[name] = (who, *facts)

        def subscribe() -> None:
            client.subscribe_topic(topic, hear)

        pulse.on_return = subscribe
        subscribe()
        try:
            yield
        finally:
            pulse.on_return = lambda: None
            with suppress(Exception):  # the scheduler may be gone
                client.unsubscribe_topic(topic)


class _Pulse:
    """What is known of a cluster without ever waiting for it: the workers' threads by their
    addresses, and when it last answered."""

    def __init__(
        self, client: distributed.Client, last_words: Callable[[], str], local: bool = False
    ) -> None:
        self._client, self._last_words, self._local = client, last_words, local
        self.threads: dict[str, int] = {}
        self.on_return: Callable[[], None] = lambda: None
        self._silence = seconds_of("fastconv.scheduler-silence", "60s")
        self._patience = seconds_of("fastconv.wait-for-workers", "300s")
        if local:
            self._patience = min(self._patience, LOCAL_SECONDS)
        self._asked = self._checked = time.monotonic()
        # How long the one has not been heard, and the others were none. Only time in which this was
        # looked at counts: a job that is suspended, or waits for its disk, has not waited for them.
        self._silent = self._alone = 0.0
        self._answer: Future[Any] | None = None
        self._connection = client.scheduler_comm

    @property
    def connected(self) -> bool:
        return bool(self._client.status == "running")

    def ask_now(self) -> None:
        """Wait for an answer, but not for long; check() says what follows from none."""
        answer = _soon(self._client, self._question())
        with suppress(Exception):
            self.threads = dict(answer.result(ANSWER_SECONDS))
            self._silent = 0.0
        self._checked, self._alone = time.monotonic(), 0.0

    async def _question(self) -> Any:
        # A client that looks for its scheduler has none to ask.
        if not self.connected:
            raise OSError("not connected")
        return await asyncio.wait_for(self._client.scheduler.ncores(workers=None), ANSWER_SECONDS)

    def check(self) -> str:
        """Why the job waits, in words; empty where it does not. Raises OutputError where it has
        waited long enough."""
        now, client = time.monotonic(), self._client
        passed, self._checked = min(now - self._checked, ASK_SECONDS), now
        self._silent += passed
        if self._answer is not None and self._answer.done():
            answer, self._answer = self._answer, None
            with suppress(Exception, CancelledError):
                self.threads = dict(answer.result())
                self._silent = 0.0
        closed = client.status in ("closed", "closing")
        if not closed and self._answer is None and now - self._asked >= ASK_SECONDS:
            self._asked = now
            self._answer = _soon(client, self._question())
        if self.connected and client.scheduler_comm is not self._connection:
            self._connection = client.scheduler_comm
            self.on_return()
        self._alone = 0.0 if self.threads else self._alone + passed
        silent = self._silent
        if closed or silent > self._silence:
            raise OutputError(
                f"the scheduler of the cluster has not answered for {silent:.0f} s: it ended, or "
                f"the network is cut{self._last_words()}. Shards that are done are whole; run the "
                f"same command again, with a scheduler that answers, to go on"
            )
        if silent > ANSWER_SECONDS / 2:
            return f"waiting for the scheduler to answer (at most {self._silence:.0f} s)"
        if self._alone > self._patience and self._local:
            raise WorkerError(
                f"the workers of the local cluster ended, and none has come back for "
                f"{self._patience:.0f} s{self._last_words()}. Shards that are done are whole; run "
                f"the same command again to go on. A lack of memory is a usual cause"
            )
        if self._alone > self._patience:
            raise OutputError(
                f"the cluster has had no worker for {self._patience:.0f} s; start some, then run "
                f"the same command again to go on. Set DASK_FASTCONV__WAIT_FOR_WORKERS, as in 2h, "
                f"to wait longer"
            )
        if not self.threads:
            return f"waiting for a worker of the cluster (at most {self._patience:.0f} s)"
        return ""


def _soon(client: distributed.Client, doing: Coroutine[Any, Any, Any]) -> Future[Any]:
    """Have the client's own thread do this."""
    try:
        return asyncio.run_coroutine_threadsafe(doing, client.loop.asyncio_loop)
    except RuntimeError:  # that thread is gone
        doing.close()
        raise OutputError(
            "the client of the cluster was closed before the job was done; give another, to go on"
        ) from None


def seconds_of(name: str, default: str) -> float:
    """A time in Dask's configuration. UsageError where it is none."""
    said = dask.config.get(name, default)
    try:
        return float(parse_timedelta(said, default="s"))
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"{name} in Dask's configuration is no time: {said!r}") from None
