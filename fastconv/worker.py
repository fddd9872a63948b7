"""A worker process, from its first line: `python -c "…; from fastconv.worker import main; …"`.

It takes tasks from a socket, and answers each. It imports no more than its task needs, has no
signal handlers of its own, and dies with its parent.
"""

from __future__ import annotations

import importlib
import os
import signal
from multiprocessing.connection import Connection

from fastconv import _process
from fastconv.errors import FastconvError


def main(socket_fd: int, parent: int) -> None:
    """Serve one parent until it closes the socket.

    The first message names a function as ("module", "name", arguments); called with them it
    returns the function that is then called for each task. Answers: ("done", result),
    ("refused", a FastconvError's class name, its text), or ("crashed", a traceback).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    _process.die_with_parent()
    if os.getppid() != parent:
        return
    connection = Connection(socket_fd)
    try:
        serve = _answer(_begin, connection.recv())
        while True:
            task = connection.recv()
            # A start that failed is told when it can be heard: as the answer to a task.
            connection.send(_answer(serve[1], task) if serve[0] == "done" else serve)
    except (EOFError, ConnectionError):
        return


def _begin(start: tuple[str, str, tuple[object, ...]]) -> object:
    module, name, arguments = start
    return getattr(importlib.import_module(module), name)(*arguments)


def handed_down(function: object) -> object:
    """The start of a worker whose parent says with a function itself what it is to do."""
    return function


def _answer(serve: object, task: object) -> tuple[object, ...]:
    try:
        return ("done", serve(task))  # type: ignore[operator]
    except FastconvError as error:
        return ("refused", type(error).__name__, str(error))
    except Exception:  # whatever it is, the parent tells it; here nobody would see it
        import traceback

        return ("crashed", traceback.format_exc())
