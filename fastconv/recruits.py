"""Worker processes, started ahead of their work: so their start passes beside something else.

They are started as fresh interpreters, not forked and not by way of multiprocessing: so nothing is
asked of the caller's ``__main__``, start method, threads or signal handlers.
"""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from fastconv.errors import WorkerError

LEAVE_SECONDS = 0.5
EARLY_MAX = 8  # beyond these, a process is started only when it is known that it has work
START = (
    "import sys; sys.path[:] = {path!r}; from fastconv.worker import main; "
    "main({fd}, {parent}, {preload!r})"
)


@dataclass(slots=True)
class Recruit:
    """A process that waits to be told what to do, and the way to tell it."""

    process: subprocess.Popen[bytes]
    connection: Connection

    def begin(self, start: tuple[str, str], arguments: tuple[Any, ...], fds: Sequence[int]) -> None:
        """Name the function that is called once, as (module, name): its arguments are the open
        files, under whatever numbers they have there, and then ``arguments``."""
        with suppress(BrokenPipeError, ConnectionResetError):  # it died: its first task shows it
            self.connection.send((*start, arguments, len(fds)))
            if fds:
                fd = os.dup(self.connection.fileno())
                with socket.socket(fileno=fd) as ours:
                    socket.send_fds(ours, [b"\0"], list(fds))


def hire(preload: str = "") -> Recruit:
    """Start a process, which imports module ``preload`` while it waits. Raises WorkerError."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # Numbers below 3 are the worker's standard streams, which may be closed here.
        handed = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
        code = START.format(
            path=[entry for entry in sys.path if isinstance(entry, str)],
            fd=handed,
            parent=os.getpid(),
            preload=preload,
        )
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(handed,),
                # A worker is one thread: what NumPy's libraries start beside it only costs.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # so that a terminal's Ctrl-C reaches the parent alone
            )
        except OSError as error:
            raise WorkerError(f"a worker cannot be started: {error}") from None
        finally:
            os.close(handed)
        return Recruit(process, Connection(ours.detach()))


def dismiss(recruits: Sequence[Recruit]) -> None:
    """End processes at once, whatever they are doing."""
    for recruit in recruits:
        recruit.process.kill()
        recruit.connection.close()
    deadline = time.monotonic() + LEAVE_SECONDS
    for recruit in recruits:
        try:
            recruit.process.wait(timeout=max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            # It is in the kernel, syncing to a slow disk or a dead one: that must not hold up
            # whoever pressed Ctrl-C. It dies as soon as it comes back.
            threading.Thread(target=recruit.process.wait, daemon=True).start()


class Recruits:
    """Processes started ahead, for whoever takes them; leaving the context ends the others."""

    def __init__(self, count: int = 0, preload: str = "") -> None:
        self._preload = preload
        self._waiting: list[Recruit] = []
        try:
            for _ in range(min(count, EARLY_MAX)):
                self._waiting.append(hire(preload))
        except BaseException:
            dismiss(self._waiting)
            raise

    def __enter__(self) -> Recruits:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()

    def dismiss(self) -> None:
        """End those that nobody took."""
        dismiss(self._waiting)
        self._waiting.clear()

    def take(self) -> Recruit:
        """One that was started, or a new one where there is none left."""
        return self._waiting.pop(0) if self._waiting else hire(self._preload)
