"""Engines that others wrote: a pool of processes, a cluster. What they need of one is that it calls
a function somewhere, and says what came of it."""

from __future__ import annotations

import sys
from concurrent.futures import Executor
from typing import Any

from fastconv.engine import Engine, LocalEngine
from fastconv.errors import UsageError


def engine_for(given: Any, workers: int | None) -> Engine:
    """The engine that a caller means: None for this machine's processes, an executor of
    concurrent.futures' kind, a client of a Dask cluster, or what has an Engine's methods itself.
    ``workers``: how many it is to be taken to have, where that is said. Raises UsageError."""
    if given is None:
        return LocalEngine(workers)
    if isinstance(given, Executor):
        from fastconv.engines.futures import ExecutorEngine

        return ExecutorEngine(given, workers)
    dask = sys.modules.get("distributed")  # who has a client has loaded it
    if dask is not None and isinstance(given, dask.Client):
        from fastconv.engines.dask import DaskEngine

        return DaskEngine(given, workers)
    if callable(getattr(given, "write", None)) and callable(getattr(given, "workers_for", None)):
        engine: Engine = given
        return engine
    raise UsageError(
        f"engine is a concurrent.futures.Executor or a distributed.Client, not {given!r}"
    )
