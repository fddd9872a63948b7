"""The Dask cluster that a command line names: reached, or started here, and left again."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fastconv.errors import OutputError, UsageError

if TYPE_CHECKING:  # loaded when they are needed: Dask is an extra, and slow to load
    from fastconv.engine import Order
    from fastconv.engines.dask import DaskEngine
    from fastconv.job import ShardResult

CLOSE_SECONDS = 5.0
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
        import dask
        from distributed import Client

        from fastconv.engines.dask import DaskEngine

        seconds = dask.config.get("distributed.comm.timeouts.connect")
        try:
            client = Client(self._scheduler, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise OutputError(
                f"--scheduler {self._scheduler}: no scheduler answers there within {seconds}: "
                f"{error}; see that it runs, and that this machine reaches it"
            ) from None
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"--scheduler {self._scheduler}: is no address of a Dask scheduler: {error}; it is "
                f"like tcp://host:8786"
            ) from None
        self._started.append(client)
        self._engine = DaskEngine(client, last_words=self._words.said)

    def _start(self) -> None:
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
            self._engine = DaskEngine(client, last_words=self._words.said)
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


def _load(option: str) -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise UsageError(f"{option} needs Dask: pip install 'fastconv[dask]'") from None
