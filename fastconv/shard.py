"""One shard and its index, from the first byte to their final names: what a worker does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fastconv import _jpeg, _shard
from fastconv._tfrecord import RecordFile
from fastconv.atomic import AGAIN, output_error, write_file
from fastconv.board import IDLE, NO_ROW, RECORDS, ROW, STATE, SYNCING, WRITING, Board
from fastconv.errors import BadImageError, InputError
from fastconv.job import Job, ShardTask

# Large enough that a system call costs nothing beside it, small enough to stay in the processor's
# cache between reading and writing (docs/performance.md).
FLUSH_BYTES = 512 << 10


@dataclass(slots=True)
class ShardResult:
    """What was written. ``crc32c`` is of the whole file; ``repaired`` and ``skipped`` hold
    (row of the plan, whereabouts, reason) of images."""

    task: ShardTask
    records: int = 0
    bytes: int = 0
    crc32c: int = 0
    repaired: list[tuple[int, str, str]] = field(default_factory=list)
    skipped: list[tuple[int, str, str]] = field(default_factory=list)


def open_job(
    plan_fd: int, board_fd: int, worker: int, out: str, partial: str, skip_bad: bool
) -> Callable[[ShardTask], ShardResult]:
    """What a worker process calls once: returns the function that it calls for each shard."""
    job = Job(plan_fd)
    board = Board.attach(board_fd).of(worker)

    def write(task: ShardTask) -> ShardResult:
        return write_shard(job, task, Path(out), Path(partial), board, skip_bad)

    return write


def write_shard(
    job: Job, task: ShardTask, out: Path, partial: Path, board: memoryview, skip_bad: bool
) -> ShardResult:
    """Write `out`/data_dir/<name> and `out`/idx_dir/<name>, by way of the folder `partial`.

    Raises BadImageError (unless `skip_bad`), InputError and OutputError; neither file has its
    final name then.
    """
    final = out / "data_dir" / task.name
    temporary = partial / f"{task.name}.shard"
    result = ShardResult(task)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise output_error(final, error) from None
    try:
        try:
            file = RecordFile(fd, FLUSH_BYTES)
            board[ROW], board[STATE] = NO_ROW, WRITING
            file.allocate(sum(job.columns["size"][task.start : task.stop]))
            _write_rows(job, task, file, board, skip_bad, result)
            board[ROW], board[STATE] = NO_ROW, SYNCING
            file.finish()
        finally:
            os.close(fd)
        # The index first: a shard that is there always has its index.
        index = out / "idx_dir" / task.name
        write_file(index, file.index(), partial / f"{task.name}.index")
        temporary.replace(final)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise output_error(final, error) from None
        raise
    board[STATE] = IDLE
    job.let_go()
    result.records, result.bytes, result.crc32c = file.records, file.bytes, file.crc32c
    return result


def _write_rows(
    job: Job,
    task: ShardTask,
    file: RecordFile,
    board: memoryview,
    skip_bad: bool,
    result: ShardResult,
) -> None:
    keys = tuple(key.encode() for key in job.facts["keys"].values())
    loop = _shard.ShardLoop(job.columns, keys, file, board)
    row = task.start
    while True:
        row, why = loop.run(row, task.stop)
        if why == _shard.DONE:
            return
        try:
            if why == _shard.FOREIGN:
                from fastconv.images import repair

                data, height, width, was = repair(loop.image())
                loop.append(row, data, height, width)
                result.repaired.append((row, job.describe(row), was))
            else:
                _refuse(job, loop, row, why, file)
        except BadImageError as error:
            reason = str(error)
            if not skip_bad:
                raise BadImageError(
                    f"{job.describe(row)}: bad image: {reason}. Mend or remove it, or leave such "
                    f"images out with --on-error skip; then {AGAIN}"
                ) from None
            result.skipped.append((row, job.describe(row), reason))
            board[RECORDS] += 1
        row += 1


def _refuse(job: Job, loop: _shard.ShardLoop, row: int, why: int, file: RecordFile) -> None:
    """Raise what keeps a row from being written."""
    if why == _shard.BAD:
        raise BadImageError(_jpeg.REASONS[loop.jpeg_status])
    if why == _shard.WRITE:
        file.fail()
    where = job.describe(row)
    if why == _shard.CHANGED:
        raise InputError(
            f"{where}: should have {job.columns['size'][row]} bytes, but {loop.found_bytes} are "
            f"there: the source was cut off or changed since it was listed"
        )
    doing = "opened" if why == _shard.OPEN else "read"
    raise InputError(f"{where}: cannot be {doing}: {os.strerror(loop.errno)}")
