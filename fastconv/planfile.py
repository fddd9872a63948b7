"""A plan in a file: what machines without a common memory work from.

The file is a segment as workers share it (fastconv.shared), with the job's facts beside the
columns. Whoever writes a shard reads the rows of that shard, and the small tables; nobody holds the
whole of it (docs/formats.md, "plan").
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastconv import shared
from fastconv.board import FIRST, Board
from fastconv.errors import InputError
from fastconv.goal import Goal
from fastconv.image_options import ImageOptions, given_again
from fastconv.job import Job, ShardResult, ShardTask
from fastconv.layout import Layout
from fastconv.manifest import TOOL
from fastconv.outline import Outline, tasks_of_facts
from fastconv.prepare import Prepared
from fastconv.recipe import Recipe
from fastconv.regular import regular
from fastconv.remote.path import RemotePath
from fastconv.rows import RowWriter
from fastconv.shard import write_shard
from fastconv.writing import share_plan

PLAN_FORMAT = 1
# One value a row; and the arrays of which row r has values from its start on to the next one's:
# how many of the array's items are one value.
ROWS = ("container", "offset", "size", "klass")
LISTS = {"name": 1, "box": 4, "extra": 1}

Read = Callable[[int, int], bytes]


def plan_segment(prepared: Prepared, header: dict[str, Any], identity: str = "") -> int:
    """An open file with the plan of a job and its facts, the manifest's ``header`` and the plan's
    ``identity`` among them; the caller closes it."""
    facts = {"format": PLAN_FORMAT, "tool": TOOL, "identity": identity, "header": header}
    facts["bytes"] = prepared.output_bytes
    return share_plan(prepared, {"plan": {**facts, "outline": Outline.of(prepared).as_facts()}})


class PlanFile:
    """A plan of which parts are read: ``read(start, stop)`` gives those bytes of it, ``shown`` is
    its name for people. Raises InputError for what is no plan, or is cut off. ``fd``: the open file
    that it is read from, where it is one."""

    fd = -1

    def __init__(self, read: Read, size: int, shown: str) -> None:
        self._read, self._shown = read, shown
        try:
            facts, self._places = shared.header(read, size)
            self.facts = {key: value for key, value in facts.items() if key != "plan"}
            told = facts["plan"]
            if told["format"] != PLAN_FORMAT or told["tool"] != TOOL:
                raise InputError(
                    f"{shown}: was written by {told['tool']}, and this is {TOOL}: plan and shares "
                    f"must be of one version; plan anew with this one"
                )
            self.header: dict[str, Any] = told["header"]
            self.identity, self.output_bytes = str(told["identity"]), int(told["bytes"])
            self._outline = told["outline"]
            self.layout = Layout.of_facts(self.header)
            self.skip_bad = self.header["options"]["on_error"] == "skip"
            if not all(map(self._has, (*ROWS, "name_start", "box_start"))):
                raise ValueError("a column is missing")
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._damaged() from None
        self._small: dict[str, memoryview] | None = None

    @classmethod
    def at(cls, path: Path) -> PlanFile:
        """The plan in a file. Raises InputError where there is none."""
        try:
            fd = regular(str(path), os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{path}: cannot be opened: {error.strerror}") from None
        return cls.opened(fd, str(path))

    @classmethod
    def opened(cls, fd: int, shown: str) -> PlanFile:
        """The plan in an open file, which is closed when it is needed no more."""
        reader = _Reader(fd, shown)
        try:
            size = os.fstat(fd).st_size
        except OSError as error:
            raise InputError(f"{shown}: cannot be read: {error.strerror}") from None
        plan = cls(reader.read, size, shown)
        plan.fd = fd
        return plan

    @property
    def tasks(self) -> list[ShardTask]:
        """The shards of all splits, with rows counted through them."""
        try:
            return tasks_of_facts(self._outline)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise self._damaged() from None

    @classmethod
    def in_store(cls, path: RemotePath) -> PlanFile:
        """The plan in an object. Raises InputError where there is none."""
        from fastconv.remote.store import open_store

        try:
            store = open_store(path)
            size = store.size(path.key)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None

        def read(start: int, stop: int) -> bytes:
            try:
                return store.read_range(path.key, start, stop)
            except OSError as error:
                raise InputError(f"{path}: cannot be read: {error.strerror}") from None

        return cls(read, size, str(path))

    @property
    def recipe(self) -> Recipe:
        return ImageOptions(**given_again(self.header["options"]["images"])).recipe

    def outline(self) -> Outline:
        """All but where the images are."""
        klass = np.frombuffer(self._column("klass"), np.int32)
        box_start = np.frombuffer(self._column("box_start"), np.int64)
        try:
            outline = Outline.of_facts(self._outline, klass, box_start)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise self._damaged() from None
        if sum(len(split.klass) for split in outline.splits) != len(klass):
            raise self._damaged()
        return outline

    def job_of(self, task: ShardTask) -> Job:
        """The rows of a shard, counted from 0, with all that writing them needs."""
        if self._small is None:
            per_row = {*ROWS, *LISTS, *(f"{name}_start" for name in LISTS)}
            names = [name for name in self._places if name not in per_row]
            self._small = {name: self._column(name) for name in names}
        columns = dict(self._small)
        for name in ROWS:
            columns[name] = self._column(name, task.start, task.stop)
        for name, width in LISTS.items():
            if not self._has(f"{name}_start"):
                continue
            starts = np.frombuffer(
                self._column(f"{name}_start", task.start, task.stop + 1), np.int64
            )
            first, end = int(starts[0]), int(starts[-1])
            if not 0 <= first <= end:
                raise self._damaged()
            columns[name] = self._column(name, width * first, width * end)
            columns[f"{name}_start"] = memoryview((starts - first).tobytes()).cast("q")
        return Job(columns, self.facts)

    def _has(self, name: str) -> bool:
        return name in self._places

    def _column(self, name: str, start: int = 0, stop: int | None = None) -> memoryview:
        """Items [start, stop) of a column; all of them where no end is given."""
        code, at, size = self._places[name]
        width: int = memoryview(b"").cast(code).itemsize
        begin, end = at + width * start, at + (size if stop is None else width * stop)
        if not at <= begin <= end <= at + size:
            raise self._damaged()
        return memoryview(self._read(begin, end)).cast(code)

    def _damaged(self) -> InputError:
        return InputError(
            f"{self._shown}: is no plan of fastconv's, or is damaged; write it anew with "
            f"fastconv plan"
        )


class _Reader:
    """Parts of an open file, which it closes when nobody needs it any more."""

    def __init__(self, fd: int, shown: str) -> None:
        self._fd, self._shown = fd, shown

    def __del__(self) -> None:
        with suppress(OSError):  # it was only read
            os.close(self._fd)

    def read(self, start: int, stop: int) -> bytes:
        parts = []
        while start < stop:
            try:
                part = os.pread(self._fd, stop - start, start)
            except OSError as error:
                raise InputError(f"{self._shown}: cannot be read: {error.strerror}") from None
            if not part:
                raise InputError(f"{self._shown}: is shorter than it was; write it anew")
            parts.append(part)
            start += len(part)
        return b"".join(parts)


def open_plan(
    plan_fd: int, board_fd: int, worker: int, shown: str, goal: Goal
) -> Callable[[ShardTask], ShardResult]:
    """What a worker process of this machine calls once: returns the function that it calls for each
    shard of a plan in a file."""
    plan = PlanFile.opened(plan_fd, shown)
    board = Board.attach(board_fd).of(worker)

    def write(task: ShardTask) -> ShardResult:
        board[FIRST] = task.start
        return write_planned(plan, task, goal, board)

    return write


def write_planned(plan: PlanFile, task: ShardTask, goal: Goal, board: memoryview) -> ShardResult:
    """Write a shard from a plan in a file: write_shard, with rows of the whole plan in its result.
    Rows on the ``board`` are counted from the shard's first."""
    job = plan.job_of(task)
    rows = RowWriter(job, board, plan.skip_bad, plan.recipe)
    part = replace(task, start=0, stop=task.stop - task.start)
    result = write_shard(job, part, goal, board, rows)
    first = task.start
    repaired = [(row + first, image, why) for row, image, why in result.repaired]
    skipped = [(row + first, image, why) for row, image, why in result.skipped]
    return replace(result, task=task, repaired=repaired, skipped=skipped)
