"""Requests on threads that hold nobody up: Ctrl-C, or an error, is heard at once, whatever a store
that hangs makes of the others. They end with the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

HASTE_SECONDS = 8.0
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


def within(do: Callable[[], R], seconds: float) -> R:
    """What ``do`` returns within so many seconds; TimeoutError after them."""
    answer: SimpleQueue[tuple[R | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            answer.put((do(), None))
        except BaseException as error:  # whoever waits raises it
            answer.put((None, error))

    threading.Thread(target=work, name="fastconv-store", daemon=True).start()
    try:
        result, error = answer.get(timeout=max(0.0, seconds))
    except Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # it is there


class Haste:
    """Of a job that ended in an error: what is tidied up then may take little time altogether, as
    it may be the store that is the matter. For the whole process."""

    def __init__(self) -> None:
        self._until: float | None = None

    def begin(self) -> None:
        if self._until is None:
            self._until = time.monotonic() + HASTE_SECONDS

    def end(self) -> None:
        self._until = None

    @property
    def seconds(self) -> float | None:
        """How many are left; None where there is no haste."""
        return None if self._until is None else self._until - time.monotonic()


HASTE = Haste()


def heeding(do: Callable[[], R]) -> R:
    """What ``do`` returns, which may wait for a store."""
    return on_threads(lambda _: do(), [None], 1)[0]
