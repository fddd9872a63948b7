"""The images of one part as files, in a folder of unfinished ones: what a worker does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from fastconv import _raw
from fastconv.atomic import output_error
from fastconv.board import IDLE, NO_ROW, RECORDS, ROW, STATE, WRITING, Board
from fastconv.errors import InputError
from fastconv.folders.part import Part, encoded, open_folder
from fastconv.job import Job


def open_job(
    plan_fd: int, board_fd: int, worker: int, out: str, partial: str, links: bool
) -> Callable[[Part], None]:
    """What a worker process calls once: returns the function that it calls for each part."""
    job = Job.attached(plan_fd)
    board = Board.attach(board_fd).of(worker)
    writer = Writer(job, board, Path(out), Path(partial))
    return writer.link if links else writer.write


class Writer:
    """Fills the folder ``partial``/<part.unfinished>. The files have their names in it; giving
    them their places is the parent's."""

    def __init__(self, job: Job, board: memoryview, out: Path, partial: Path) -> None:
        self._job, self._board, self._out, self._partial = job, board, out, partial
        self._inside = open_folder(partial, str(partial))
        self._loop = _raw.FileLoop(job.columns, board)

    def write(self, part: Part) -> None:
        """Write a part's files, with their bytes and times. Raises InputError and OutputError."""
        folder = self._begin(part)
        try:
            row, why = self._loop.run(folder, part.start, part.stop)
            if why != _raw.DONE:
                self._refuse(part, row, why)
        finally:
            os.close(folder)
        self._end()

    def link(self, part: Part) -> None:
        """Make a part's symbolic links, onto the files that the plan names. Raises OutputError."""
        folder = self._begin(part)
        row = part.start
        try:
            for row in range(part.start, part.stop):
                os.symlink(target(self._job, row), encoded(self._job.name(row)), dir_fd=folder)
                self._board[ROW] = row
                self._board[RECORDS] += 1
        except OSError as error:
            raise output_error(self._final(part, row), error) from None
        finally:
            os.close(folder)
        self._end()

    def _begin(self, part: Part) -> int:
        self._board[ROW], self._board[STATE] = NO_ROW, WRITING
        name = part.unfinished
        return open_folder(self._partial / name, name, self._inside, make=True)

    def _end(self) -> None:
        self._board[ROW], self._board[STATE] = NO_ROW, IDLE
        self._job.let_go()

    def _final(self, part: Part, row: int) -> Path:
        return self._out / part.split / part.klass / self._job.name(row)

    def _refuse(self, part: Part, row: int, why: int) -> NoReturn:
        """Raise what keeps a row from being written."""
        if why == _raw.WRITE:
            number = self._loop.write_errno
            raise output_error(self._final(part, row), OSError(number, os.strerror(number)))
        if why == _raw.NAME:  # which the plan refuses, and nobody comes so far
            raise InputError(f"{self._job.describe(row)}: has a name that no file can have")
        if why == _raw.CHANGED:
            raise self._job.changed(row, self._loop.found_bytes)
        doing = "opened" if why == _raw.OPEN else "read"
        raise self._job.unreadable(row, doing, self._loop.source_errno)


def target(job: Job, row: int) -> bytes:
    """What a row's link leads to: the path of its image, absolute."""
    container = job.columns["container"][row]
    folder = job.text("path", job.columns["container_file"][container])
    return encoded(f"{folder.rstrip('/')}/{job.name(row)}")
