"""What an engine's worker does: one shard of a plan that lies where the worker can read it.

Its arguments and its answer are plain values, so that a worker with another fastconv can say so.
"""

from __future__ import annotations

import functools
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastconv import errors
from fastconv.board import NO_ROW, ROW, SLOTS
from fastconv.errors import FastconvError, OutputError
from fastconv.goal import Goal
from fastconv.job import ShardTask
from fastconv.layout import Layout
from fastconv.manifest import TOOL
from fastconv.planfile import PlanFile, write_planned
from fastconv.remote.path import Place, RemotePath

# A network file system may hide for so long what another machine has just made.
SEEN_WITHIN_SECONDS = 5.0

DONE, REFUSED, CRASHED = "done", "refused", "crashed"
Answer = tuple[Any, ...]  # (one of these, who answers, and what came of it)


def write_one(
    tool: str,
    out: str,
    job: str,
    task: tuple[Any, ...],
    watched: Callable[[memoryview], object] | None = None,
) -> Answer:
    """Write a shard of the plan that lies in the folder ``job`` of the output ``out``. ``tool`` is
    the fastconv that made it; ``watched`` is told the board of this shard before it begins.

    Answers: ("done", who, ShardResult), ("refused", who, a FastconvError's class name, its text),
    or ("crashed", who, a traceback).
    """
    who = (socket.gethostname(), os.getpid(), threading.get_ident())
    try:
        if tool != TOOL:
            raise OutputError(
                f"the worker on host {who[0]} has {TOOL}, and this is {tool}: both must be of one "
                f"version; install the same on the workers"
            )
        plan = open_plan(out, job)
        board = memoryview(bytearray(8 * SLOTS)).cast("q")
        board[ROW] = NO_ROW
        if watched is not None:
            watched(board)
        # Another may write the same shard, whom the engine takes for dead.
        goal = Goal(out, plan.layout, job, f"{secrets.token_hex(4)}.")
        return (DONE, who, write_planned(plan, ShardTask(*task), goal, board))
    except FastconvError as error:
        return (REFUSED, who, type(error).__name__, str(error))
    except Exception:  # whatever it is, the parent tells it
        import traceback

        return (CRASHED, who, traceback.format_exc())


@functools.lru_cache(maxsize=2)
def open_plan(out: str, job: str) -> PlanFile:
    """A job's plan, opened once in a process. Raises OutputError where the worker does not see it,
    and InputError where it is damaged."""
    path = plan_path(out, job)
    if isinstance(path, RemotePath):
        return PlanFile.in_store(path)
    deadline = time.monotonic() + SEEN_WITHIN_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise OutputError(
                f"the worker on host {socket.gethostname()} does not see "
                f"{path if Path(out).exists() else out}: "
                f"the output, and the source, must be in folders that all workers see under the "
                f"same paths; name such a folder with --out"
            )
        time.sleep(0.1)
        with suppress(OSError):  # which has network file systems look again
            next(path.parent.parent.iterdir(), None)
    return PlanFile.at(path)


def plan_path(out: str, job: str) -> Place:
    """Where the plan of a job lies while it runs."""
    goal = Goal(out, Layout(), job)
    return goal.plan


def error_of(name: str, text: str) -> FastconvError:
    """The error that a worker named."""
    kind = getattr(errors, name, OutputError)
    error: FastconvError = kind(text)
    return error
