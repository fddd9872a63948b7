"""The Dask cluster that a command line names: reached, or started here, and left again."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import resource_tracker
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from fastconv.errors import OutputError, UsageError

if TYPE_CHECKING:  # loaded when they are needed: Dask is an extra, and slow to load
    from fastconv.engine import Order
    from fastconv.engines.dask import DaskEngine
    from fastconv.job import ShardResult

CLOSE_SECONDS = 5.0
# Dask's own time to connect is over by then; what it does besides, it does not bound.
GRACE_SECONDS = 3.0
NOISY = ("distributed", "tornado", "bokeh", "asyncio")


class Cluster:
    """An engine (fastconv.engine.Engine): the workers of the scheduler at an address, or so many
    that are started on this machine, which takes a second or two and goes on while the job is
    planned. Leaving the context ends what it started.

    Raises UsageError where Dask is missing or the address is none, and OutputError where nobody
    answers there within Dask's ``distributed.comm.timeouts.connect``.
    """

    def __init__(self, scheduler: str | None, local_workers: int | None) -> None:
        self._scheduler, self._local_workers = scheduler, local_workers
        self._option = "--local-cluster" if scheduler is None else "--scheduler"
        self._started: list[Any] = []  # to be closed, the last one first
        self._folder = ""
        self._engine: DaskEngine | None = None
        self._error: BaseException | None = None
        self._starting = threading.Thread(target=self._start, daemon=True)

    def __enter__(self) -> Cluster:
        _load(self._option)
        self._words = _LastWords()
        if self._scheduler is not None:  # a wrong address is told before a long listing
            self._connect()
        else:
            self._folder = tempfile.mkdtemp(prefix="fastconv-dask-")
            _start_tracker()
            self._starting.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._starting.ident is not None:
            self._starting.join(CLOSE_SECONDS)
        for part in reversed(self._started):
            with suppress(Exception):
                part.close(timeout=CLOSE_SECONDS)
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def workers_for(self, shards: int) -> int:
        return self._ready().workers_for(shards)

    def write(self, order: Order) -> Iterator[ShardResult]:
        return self._ready().write(order)

    def _ready(self) -> DaskEngine:
        if self._starting.ident is not None:
            self._starting.join()
        if self._error is not None:
            raise OutputError(
                f"{self._option}: the cluster did not start: {self._error}{self._words.said()}"
            ) from None
        assert self._engine is not None
        return self._engine

    def _connect(self) -> None:
        from distributed import Client

        from fastconv.engines.dask import DaskEngine, seconds_of

        address = str(self._scheduler)
        if "@" in address:  # what may stand before it is nobody else's business
            raise UsageError(
                "--scheduler: an address of a Dask scheduler has no user and no password; it is "
                "like tcp://host:8786"
            )
        no_address = f"--scheduler {address!r}: is no address of a Dask scheduler; it is like "
        if not address.strip():
            raise UsageError(f"{no_address}tcp://host:8786")
        seconds = seconds_of("distributed.comm.timeouts.connect", "30s")
        answer: SimpleQueue[Any] = SimpleQueue()

        def connect() -> None:
            try:
                answer.put(Client(address, set_as_default=False))
            except BaseException as error:
                answer.put(error)

        # Where something answers that is no scheduler, this would wait for as long as that lives.
        threading.Thread(target=connect, name="fastconv-connects", daemon=True).start()
        try:
            client = answer.get(timeout=seconds + GRACE_SECONDS)
        except Empty:
            raise OutputError(
                f"--scheduler {address}: no scheduler answers there within {seconds:g}s: what "
                f"answers there is no Dask scheduler, or it hangs"
            ) from None
        if isinstance(client, (ValueError, TypeError)):
            if address.startswith("tls:"):
                raise UsageError(
                    f"--scheduler {address}: Dask has no certificates for it; name them in its "
                    f"configuration, distributed.comm.tls"
                )
            raise UsageError(f"{no_address}tcp://host:8786")
        if isinstance(client, BaseException):
            raise OutputError(
                f"--scheduler {address}: no scheduler answers there within {seconds:g}s: "
                f"{client}; see that it runs, and that this machine reaches it"
            )
        self._started.append(client)
        self._engine = DaskEngine(client, last_words=self._words.said)

    def _start(self) -> None:
        # A terminal's ^C goes to all processes that it sees. Those of the cluster are ended by this
        # one, and have nothing to say: they inherit what this thread blocks, as do Dask's threads,
        # which start them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            from distributed import Client, LocalCluster

            from fastconv.engines.dask import DaskEngine

            cluster = LocalCluster(
                n_workers=self._local_workers,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=None,
                # What it answers on without a dashboard: any port, and for this machine alone.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                local_directory=self._folder,
                memory_limit=0,  # a worker's memory does not grow with its work
                silence_logs=logging.CRITICAL,
            )
            self._started.append(cluster)
            client = Client(cluster, set_as_default=False)
            self._started.append(client)
            self._engine = DaskEngine(client, last_words=self._words.said, local=True)
        except BaseException as error:
            self._error = error


class _LastWords(logging.Handler):
    """Takes what Dask logs, which would be written across the display, and keeps the last of it for
    an error that may follow."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last = ""
        # Some loggers have handlers of their own, by Dask's configuration.
        for name in [*logging.root.manager.loggerDict]:
            if name.split(".")[0] in NOISY:
                logger = logging.getLogger(name)
                logger.handlers.clear()
                logger.propagate = name not in NOISY
        for name in NOISY:
            logger = logging.getLogger(name)
            logger.handlers[:] = [self]
            logger.propagate = False
        warnings.filterwarnings("ignore", module="distributed")

    def emit(self, record: logging.LogRecord) -> None:
        self._last = record.getMessage().partition("\n")[0]

    def said(self) -> str:
        return f" (Dask says: {self._last})" if self._last else ""


def _start_tracker() -> None:
    """Start multiprocessing's tracker: before SIGINT is blocked, for whoever starts it unblocks
    that. It would warn, on the terminal, of what workers that were killed left, and removes it."""
    before = os.environ.get("PYTHONWARNINGS")
    mute = "ignore::UserWarning:multiprocessing.resource_tracker"
    os.environ["PYTHONWARNINGS"] = f"{before},{mute}" if before else mute
    try:
        resource_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _load(option: str) -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError(f"{option} needs Dask: pip install 'fastconv[dask]'") from None
