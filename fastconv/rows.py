"""The rows of a plan, one record each, into a shard's file."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NoReturn

from fastconv import _jpeg, _shard
from fastconv._tfrecord import RecordFile
from fastconv.board import RECORDS
from fastconv.errors import LEAVE_OUT, BadImageError, InputError
from fastconv.images import refuse_bomb
from fastconv.job import Job, ShardResult, ShardTask
from fastconv.recipe import FILE_BYTES_MAX, Recipe

if TYPE_CHECKING:
    from fastconv.remake import Made, Remaker
    from fastconv.spooled import Spooled


class RowWriter:
    """Writes records by one recipe. Images whose bytes are kept never leave the native loop; the
    others come out of it one by one, and go back as what was made of them."""

    def __init__(self, job: Job, board: memoryview, skip_bad: bool, recipe: Recipe) -> None:
        self.recipe = recipe
        self._job, self._board, self._skip_bad = job, board, skip_bad
        self._keys = tuple(key.encode() for key in job.facts["keys"])
        self._remaker_made: Remaker | None = None
        self._spooled: Spooled | None = None

    @property
    def _remaker(self) -> Remaker:
        if self._remaker_made is None:  # not before the first image that needs it: it loads NumPy
            from fastconv.remake import Remaker

            self._remaker_made = Remaker(self.recipe)
        return self._remaker_made

    def write(self, task: ShardTask, file: RecordFile, result: ShardResult) -> None:
        """Write a task's rows, and count in `result` what happened to images on the way. Raises
        BadImageError, unless such images are skipped, InputError, and OSError of the output."""
        job = self._job
        if task.start < task.stop and job.in_store(task.start):
            from fastconv.spooled import Spooled  # loads what few jobs need

            if self._spooled is None:
                self._spooled = Spooled(job, FILE_BYTES_MAX)
            columns, portions = self._spooled.of(task)
        else:
            columns, portions = job.columns, iter([(task.start, task.stop)])
        loop = _shard.ShardLoop(
            columns, self._keys, file, self._board, self.recipe.limits(), job.facts["gray_block"]
        )
        for start, stop in portions:
            self._write(loop, start, stop, file, result)

    def _write(
        self, loop: _shard.ShardLoop, row: int, stop: int, file: RecordFile, result: ShardResult
    ) -> None:
        job = self._job
        while True:
            row, why = loop.run(row, stop)
            if why == _shard.DONE:
                return
            try:
                if why == _shard.FOREIGN:
                    made, was = self._remaker.foreign(loop.image())
                    result.repaired.append((row, job.describe(row), was))
                elif why == _shard.LIMIT:
                    made = self._remaker.jpeg(loop.image(), loop.facts)
                else:
                    self._refuse(loop, row, why, file)
                self._append(loop, row, made, result)
            except BadImageError as error:
                reason = str(error)
                if not self._skip_bad:
                    raise BadImageError(
                        f"{job.describe(row)}: bad image: {reason}. {LEAVE_OUT}"
                    ) from None
                result.skipped.append((row, job.describe(row), reason))
                self._board[RECORDS] += 1
            except MemoryError:  # no fault of the image's, so that it must not be skipped
                raise InputError(
                    f"{job.describe(row)}: there is not enough memory for it; give fewer "
                    f"--workers, or let images of so many pixels be bad, with --max-pixels"
                ) from None
            row += 1

    def _append(self, loop: _shard.ShardLoop, row: int, made: Made, result: ShardResult) -> None:
        for change in made.changes:
            result.changes[change] = result.changes.get(change, 0) + 1
        boxes = None
        if made.moves_boxes:
            own = self._job.boxes(row)
            boxes = made.boxes(own)
            result.boxes_lost += len(own) - len(boxes)
        loop.append(row, made.data, made.height, made.width, made.gray, boxes)

    def _refuse(self, loop: _shard.ShardLoop, row: int, why: int, file: RecordFile) -> NoReturn:
        """Raise what keeps a row from being written."""
        if why == _shard.BAD:
            refuse_bomb(*loop.facts[:2], self.recipe.pixels_max)
            raise BadImageError(_jpeg.REASONS[loop.jpeg_status])
        if why == _shard.WRITE:
            try:
                file.fail()
            except OSError as error:
                if error.errno == errno.ENOMEM:
                    raise MemoryError from None
                raise
        if why == _shard.CHANGED:
            raise self._job.changed(row, loop.found_bytes)
        raise self._job.unreadable(row, "opened" if why == _shard.OPEN else "read", loop.errno)
