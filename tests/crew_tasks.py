"""What the workers of tests/test_workers.py do: found by name, in a fresh interpreter."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastconv import errors
from fastconv.shared import attach

Task = Callable[[Any], Any]


def squares() -> Task:
    return lambda n: n * n


def echo(*arguments: Any) -> Task:
    return lambda task: (arguments, task)


def process() -> Task:
    def task(_: object) -> int:
        time.sleep(0.02)
        return os.getpid()

    return task


def sleep() -> Task:
    return lambda seconds: time.sleep(seconds)


def column(fd: int) -> Task:
    columns, _, _ = attach(fd)
    return lambda row: columns["a"][row]


def refuse() -> Task:
    """Raises the error of fastconv's that the task names."""

    def task(name: str) -> None:
        raise getattr(errors, name)(f"{name} of a task, with ü")

    return task


def crash() -> Task:
    def task(word: str) -> None:
        raise LookupError(f"no such thing: {word}")

    return task


def leave() -> Task:
    return lambda code: os._exit(code)


def exit() -> Task:
    def task(code: int) -> None:
        raise SystemExit(code)

    return task


def kill() -> Task:
    """Sends itself a signal; if that is none that ends it, the task is done."""

    def task(number: int) -> str:
        os.kill(os.getpid(), number)
        time.sleep(0.05)
        return "alive"

    return task


def unpicklable() -> Task:
    return lambda task: threading.Lock()


def blocked() -> Task:
    """Does nothing that an interrupt or a polite signal could end."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    return lambda seconds: time.sleep(seconds)


def damaged_start() -> Task:
    raise errors.InputError("the plan is damaged")


def path() -> Task:
    import sys

    return lambda task: sys.path


def standard_streams() -> Task:
    return lambda task: [str(Path(f"/proc/self/fd/{fd}").readlink()) for fd in range(3)]


def with_process(n: int) -> tuple[int, int]:
    return n * n, os.getpid()


def refused_from_three(n: int) -> int:
    if n >= 3:
        raise errors.InputError(f"{n} is refused")
    return n
