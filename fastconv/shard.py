"""One shard and its index, from the first byte to their final names: what a worker does."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from fastconv._tfrecord import RecordFile, crc32c
from fastconv.atomic import output_error, sync_folder, write_file
from fastconv.board import IDLE, NO_ROW, ROW, STATE, SYNCING, WRITING, Board
from fastconv.errors import InputError, OutputError
from fastconv.goal import Goal
from fastconv.job import Job, ShardResult, ShardTask
from fastconv.recipe import FILE_BYTES_MAX, Recipe
from fastconv.remote.path import is_remote, remote_path
from fastconv.rows import RowWriter

# Large enough that a system call costs nothing beside it, small enough to stay in the processor's
# cache between reading and writing (docs/performance.md).
FLUSH_BYTES = 512 << 10


def open_job(
    plan_fd: int,
    board_fd: int,
    worker: int,
    goal: Goal,
    skip_bad: bool,
    recipe: Recipe,
) -> Callable[[ShardTask], ShardResult]:
    """What a worker process calls once: returns the function that it calls for each shard."""
    job = Job.attached(plan_fd)
    board = Board.attach(board_fd).of(worker)
    rows = RowWriter(job, board, skip_bad, recipe)

    def write(task: ShardTask) -> ShardResult:
        try:
            return write_shard(job, task, goal, board, rows)
        except InputError as error:
            if task.expected is None:
                raise
            return ShardResult(task, refused=str(error))  # others may be as they were

    return write


def write_shard(
    job: Job,
    task: ShardTask,
    goal: Goal,
    board: memoryview,
    rows: RowWriter,
) -> ShardResult:
    """Write a shard and its index to their places, by way of the folder of unfinished files.

    Raises BadImageError (unless `rows` skips such images), InputError and OutputError; neither file
    has its final name then.
    """
    if is_remote(goal.out):
        return _write_object(job, task, goal, board, rows)
    out, places = Path(goal.out), goal.places
    final = out / places.shard_file(task.name)
    temporary = goal.unfinished(f"{task.name}.shard")
    result = ShardResult(task)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise output_error(final, error) from None
    try:
        try:
            board[ROW], board[STATE] = NO_ROW, WRITING
            write = _write_compressed if places.compressed else _write_plain
            lines = write(job, task, fd, board, rows, result)
            _must_be(task, result)
        finally:
            os.close(fd)
        # The index first: a shard that is there always has its index. Both names are to last before
        # the journal claims them.
        if places.indexes:
            index = out / places.indexes / task.name
            write_file(index, lines, goal.unfinished(f"{task.name}.index"))
            sync_folder(index.parent)
            result.index_crc32c = crc32c(lines)
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
    return result


def _write_object(
    job: Job, task: ShardTask, goal: Goal, board: memoryview, rows: RowWriter
) -> ShardResult:
    """The same in an object store, by way of an upload that is finished, or aborted."""
    from fastconv.remote.store import open_store
    from fastconv.remote.upload import UploadPipe

    root, places = remote_path(goal.out, "--out"), goal.places
    final, result = root / places.shard_file(task.name), ShardResult(task)
    board[ROW], board[STATE] = NO_ROW, WRITING
    write = _write_compressed if places.compressed else _write_plain
    try:
        store = open_store(root)
        with UploadPipe(store, final.key, 2 * _image_bytes(job, task)) as pipe:
            lines = write(job, task, pipe.fd, board, rows, result, to_disk=False)
            _must_be(task, result)
            if goal.job:  # its plan goes with its job: one that another has replaced ends here
                store.size(remote_path(str(goal.plan), "--out").key)
            if places.indexes:
                store.put((root / places.indexes / task.name).key, lines)
                result.index_crc32c = crc32c(lines)
    except OSError as error:
        raise output_error(final, error) from None
    if (pipe.bytes, pipe.crc32c) != (result.bytes, result.crc32c):
        raise OutputError(f"{final}: is not what was written; do not use it")
    board[STATE] = IDLE
    job.let_go()
    return result


def _image_bytes(job: Job, task: ShardTask) -> int:
    sizes = job.columns["size"][task.start : task.stop]
    return sum(size for size in sizes if size <= FILE_BYTES_MAX)


def _write_plain(
    job: Job,
    task: ShardTask,
    fd: int,
    board: memoryview,
    rows: RowWriter,
    result: ShardResult,
    to_disk: bool = True,
) -> bytes:
    """Write the records to an open file, and wait until they are on disk, if it is there. Returns
    their index."""
    file = RecordFile(fd, FLUSH_BYTES)
    if to_disk and not rows.recipe.alters:
        file.allocate(_image_bytes(job, task))
    rows.write(task, file, result)
    board[ROW], board[STATE] = NO_ROW, SYNCING
    if to_disk:
        file.finish()
    else:
        file.flush()
    result.records, result.bytes, result.crc32c = file.records, file.bytes, file.crc32c
    return file.index()


def _write_compressed(
    job: Job,
    task: ShardTask,
    fd: int,
    board: memoryview,
    rows: RowWriter,
    result: ShardResult,
    to_disk: bool = True,
) -> bytes:
    """The same through GZIP: what is counted are the bytes of the file."""
    from fastconv.gzipped import GzipPipe

    with GzipPipe(fd) as pipe:
        file = RecordFile(pipe.fd, FLUSH_BYTES)
        rows.write(task, file, result)
        file.flush()
    board[ROW], board[STATE] = NO_ROW, SYNCING
    if to_disk:
        os.fsync(fd)
    result.records, result.bytes, result.crc32c = file.records, pipe.bytes, pipe.crc32c
    return b""


def _must_be(task: ShardTask, file: ShardResult) -> None:
    if task.expected not in (None, (file.bytes, file.crc32c)):
        size, crc = task.expected or (0, 0)
        raise InputError(
            f"its images give other bytes than when it was first written "
            f"({file.bytes} of CRC32C {file.crc32c:08x}, not {size} of {crc:08x}): the source's "
            f"images are not the same, or what decodes and encodes them"
        )
