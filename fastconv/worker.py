"""A worker process, from its first line: `python -c "…; from fastconv.worker import main; …"`.

It takes tasks from a socket, and answers each. It imports no more than its task needs, has no
signal handlers of its own, and dies with its parent.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
from contextlib import suppress
from multiprocessing.connection import Connection

from fastconv import _process
from fastconv.errors import FastconvError


def main(socket_fd: int, parent: int, preload: str = "") -> None:
    """Serve one parent until it closes the socket. Module `preload` is imported at once.

    The first message names a function as ("module", "name", arguments, number of open files); the
    files follow. Called with them and the arguments it returns the function that is then called
    for each task. Answers: ("done", result),
    ("refused", a FastconvError's class name, its text), or ("crashed", a traceback).
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    _process.die_with_parent()
    if os.getppid() != parent:
        return
    connection = Connection(socket_fd)
    if preload:
        with suppress(Exception):  # what is wrong with it is told when it is asked for
            importlib.import_module(preload)
    try:
        module, name, arguments, files = connection.recv()
        fds = _received(socket_fd, files) if files else []
        serve = _answer(_begin, (module, name, (*fds, *arguments)))
        while True:
            task = connection.recv()
            # A start that failed is told when it can be heard: as the answer to a task.
            connection.send(_answer(serve[1], task) if serve[0] == "done" else serve)
    except (EOFError, ConnectionError):
        return


def _received(socket_fd: int, count: int) -> list[int]:
    with socket.socket(fileno=os.dup(socket_fd)) as ours:
        _, fds, _, _ = socket.recv_fds(ours, 1, count)
    return fds


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
