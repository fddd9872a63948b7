"""One shard and its index, from the first byte to their final names: what a worker does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from fastconv._tfrecord import RecordFile, crc32c
from fastconv.atomic import output_error, sync_folder, write_file
from fastconv.board import IDLE, NO_ROW, ROW, STATE, SYNCING, WRITING, Board
from fastconv.errors import InputError
from fastconv.job import Job, ShardResult, ShardTask
from fastconv.recipe import FILE_BYTES_MAX, Recipe
from fastconv.rows import RowWriter

# Large enough that a system call costs nothing beside it, small enough to stay in the processor's
# cache between reading and writing (docs/performance.md).
FLUSH_BYTES = 512 << 10


def open_job(
    plan_fd: int, board_fd: int, worker: int, out: str, partial: str, skip_bad: bool, recipe: Recipe
) -> Callable[[ShardTask], ShardResult]:
    """What a worker process calls once: returns the function that it calls for each shard."""
    job = Job(plan_fd)
    board = Board.attach(board_fd).of(worker)
    rows = RowWriter(job, board, skip_bad, recipe)

    def write(task: ShardTask) -> ShardResult:
        try:
            return write_shard(job, task, Path(out), Path(partial), board, rows)
        except InputError as error:
            if task.expected is None:
                raise
            return ShardResult(task, refused=str(error))  # others may be as they were

    return write


def write_shard(
    job: Job, task: ShardTask, out: Path, partial: Path, board: memoryview, rows: RowWriter
) -> ShardResult:
    """Write `out`/data_dir/<name> and `out`/idx_dir/<name>, by way of the folder `partial`.

    Raises BadImageError (unless `rows` skips such images), InputError and OutputError; neither file
    has its final name then.
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
            if not rows.recipe.alters:
                sizes = job.columns["size"][task.start : task.stop]
                file.allocate(sum(size for size in sizes if size <= FILE_BYTES_MAX))
            rows.write(task, file, result)
            board[ROW], board[STATE] = NO_ROW, SYNCING
            file.finish()
            _must_be(task, file)
        finally:
            os.close(fd)
        # The index first: a shard that is there always has its index. Both names are to last before
        # the journal claims them.
        lines = file.index()
        write_file(out / "idx_dir" / task.name, lines, partial / f"{task.name}.index")
        sync_folder(out / "idx_dir")
        temporary.replace(final)
        sync_folder(final.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise output_error(final, error) from None
        raise
    board[STATE] = IDLE
    job.let_go()
    result.records, result.bytes, result.crc32c = file.records, file.bytes, file.crc32c
    result.index_crc32c = crc32c(lines)
    return result


def _must_be(task: ShardTask, file: RecordFile) -> None:
    if task.expected not in (None, (file.bytes, file.crc32c)):
        size, crc = task.expected or (0, 0)
        raise InputError(
            f"its images give other bytes than when it was first written "
            f"({file.bytes} of CRC32C {file.crc32c:08x}, not {size} of {crc:08x}): the source's "
            f"images are not the same, or what decodes and encodes them"
        )
