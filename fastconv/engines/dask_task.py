"""A shard on a worker of a Dask cluster, which tells twice a second how far it is."""

from __future__ import annotations

import pickle
import threading
from contextlib import suppress
from typing import Any

from distributed import get_worker

from fastconv.board import BYTES, RECORDS, ROW, STATE
from fastconv.engines.task import Answer, write_one

# A shard that is done sooner tells nothing on the way.
FIRST_SECONDS = 0.1
# The scheduler keeps what is told for a while, so that long answers go Dask's usual way.
TOLD_BYTES_MAX = 16 << 10


def write_and_tell(
    tool: str, out: str, job: str, task: tuple[Any, ...], seconds: float
) -> tuple[str, Answer]:
    """write_one; under the topic ``job`` this worker logs, every so many seconds, an event [who it
    is, the shard, the row in hand of the shard's, records, bytes, state], and at the end [who it
    is, the shard, the pickled answer]. Returns who it is, its address and the thread, and the
    answer: for whom the event did not reach, at the cost of two more messages there and back."""
    worker = get_worker()
    who = f"{worker.address} {threading.get_ident()}"
    ended = threading.Event()

    def log(*facts: Any) -> None:
        with suppress(Exception):  # nothing depends on it
            worker.log_event(job, [who, task[0], *facts])

    def tell(board: memoryview) -> None:
        wait = min(FIRST_SECONDS, seconds)
        while not ended.wait(wait):
            log(*(board[slot] for slot in (ROW, RECORDS, BYTES, STATE)))
            wait = seconds

    def watched(board: memoryview) -> None:
        threading.Thread(target=tell, args=(board,), name="fastconv-tells", daemon=True).start()

    try:
        answer = write_one(tool, out, job, task, watched)
    finally:
        ended.set()
    told = pickle.dumps(answer)
    if len(told) <= TOLD_BYTES_MAX:
        log(told)
    return who, answer
