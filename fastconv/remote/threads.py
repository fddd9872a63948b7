"""Requests on threads that hold nobody up: Ctrl-C, or an error, is heard at once, whatever a store
that hangs makes of the others. They end with the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

GRACE_SECONDS = 0.5  # for requests under way where their answers are of no use any more


def on_threads(do: Callable[[T], R], items: Iterable[T], count: int) -> list[R]:
    """What ``do`` returns of each item, in order, `count` of them at once. The first error that is
    met is raised, and then no more are begun."""
    todo = list(items)
    results: list[R | None] = [None] * len(todo)
    ahead = iter(range(len(todo)))
    lock = threading.Lock()
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                with lock:
                    number = next(ahead, None)
                if number is None:
                    break
                results[number] = do(todo[number])
        except BaseException as error:  # whoever waits raises it
            ended.put(error)
        else:
            ended.put(None)

    threads = [
        threading.Thread(target=work, name="fastconv-store", daemon=True)
        for _ in range(min(count, len(todo)))
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            error = ended.get()
            if error is not None:
                raise error
    except BaseException:
        stop.set()
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        raise
    return results  # type: ignore[return-value]  # each is there


def heeding(do: Callable[[], R]) -> R:
    """What ``do`` returns, which may wait for a store."""
    return on_threads(lambda _: do(), [None], 1)[0]
