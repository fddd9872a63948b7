"""A shard on a worker of a Dask cluster, which tells twice a second how far it is."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

from distributed import get_worker

from fastconv.board import BYTES, RECORDS, ROW, STATE
from fastconv.engines.task import Answer, write_one


def write_and_tell(
    tool: str, out: str, job: str, task: tuple[Any, ...], seconds: float
) -> tuple[str, Answer]:
    """write_one; under the topic ``job`` this worker logs, every so many seconds, an event (who it
    is, the shard, the row in hand of the shard's, records, bytes, state). Returns who it is, too:
    its address and the thread."""
    worker = get_worker()
    who = f"{worker.address} {threading.get_ident()}"
    ended = threading.Event()

    def tell(board: memoryview) -> None:
        while True:
            facts = [board[slot] for slot in (ROW, RECORDS, BYTES, STATE)]
            with suppress(Exception):  # nothing depends on it
                worker.log_event(job, [who, task[0], *facts])
            if ended.wait(seconds):
                return

    def watched(board: memoryview) -> None:
        threading.Thread(target=tell, args=(board,), name="fastconv-tells", daemon=True).start()

    try:
        return who, write_one(tool, out, job, task, watched)
    finally:
        ended.set()
