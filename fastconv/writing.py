"""Shards of a plan, written by a crew of worker processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from fastconv.board import Board
from fastconv.goal import Goal
from fastconv.job import Job, ShardResult, ShardTask, share_plans
from fastconv.prepare import Prepared
from fastconv.progress import Watch
from fastconv.records import class_entries, column_entries, loop_keys
from fastconv.recruits import Recruits
from fastconv.remote.path import Place
from fastconv.runs import Samples
from fastconv.workers import SHARD_MODULE, Crew


def share_plan(prepared: Prepared, facts: dict[str, Any] | None = None) -> int:
    """The plan of a job, as share_plans leaves it, with these facts beside those of its own."""
    options, dataset = prepared.options, prepared.dataset
    schema, first = options.record_schema, options.first_label
    entries = class_entries(dataset.classes, schema, first)
    if options.recipe.alters:  # records say what is stored; otherwise what slim says of every image
        entries += class_entries(dataset.classes, schema, first, gray=True)
    return share_plans(
        list(prepared.plans),
        dataset.classes,
        first,
        loop_keys(schema),
        entries,
        column_entries(prepared.added),
        facts=facts,
    )


def write_shards(
    prepared: Prepared,
    out: Place,
    tasks: list[ShardTask],
    workers: int,
    watch: Watch,
    recruits: Recruits,
    samples: Samples | None = None,
) -> Iterator[ShardResult]:
    """Have shards written, and yield the result of each as it is whole under its final name, in
    any order. ``samples`` are taken of how far each worker is. Raises what write_shard raises, and
    WorkerError."""
    options = prepared.options
    plan_fd = share_plan(prepared)
    try:
        goal, skip = Goal(str(out), options.places), options.on_error == "skip"
        crew = CrewWork(
            (SHARD_MODULE, "open_job"),
            plan_fd,
            (goal, skip, options.recipe),
            Job.attached(plan_fd).describe,
            prepared.output_bytes,
            sum(len(plan.order) for plan in prepared.plans),
        )
        yield from crew.write(tasks, workers, watch, recruits, samples)
    finally:
        os.close(plan_fd)


@dataclass(frozen=True, slots=True)
class CrewWork:
    """Shards of a plan in an open file, for a crew. ``start``: the function, as (module, name),
    that a worker calls with the plan, the board, its number and ``arguments``; ``describe(row)``:
    an image's whereabouts; the whole plan is about ``all_bytes`` of ``all_rows``."""

    start: tuple[str, str]
    plan_fd: int
    arguments: tuple[Any, ...]
    describe: Callable[[int], str]
    all_bytes: int
    all_rows: int

    def write(
        self,
        tasks: list[ShardTask],
        workers: int,
        watch: Watch,
        recruits: Recruits,
        samples: Samples | None = None,
    ) -> Iterator[ShardResult]:
        """As write_shards does."""
        with ExitStack() as stack:
            board = Board.create(workers)
            stack.callback(os.close, board.fd)

            def in_hand(worker: int, task: ShardTask | None) -> str:
                row = board.row(worker)
                if task is None:
                    return " before it had a shard in hand"
                if not task.start <= row < task.stop:
                    return f" with {task.name} in hand, at none of its records; it was not written"
                return (
                    f" with {self.describe(row)} in hand, record {row - task.start} of "
                    f"{task.name}, which was not written"
                )

            def arguments(worker: int) -> tuple[Any, ...]:
                return worker, *self.arguments

            crew = stack.enter_context(
                Crew(workers, self.start, arguments, (self.plan_fd, board.fd), in_hand, recruits)
            )
            recruits.dismiss()
            starts, names = [task.start for task in tasks], [task.name for task in tasks]
            rows = sum(task.stop - task.start for task in tasks)
            totals = (rows, self.all_bytes * rows // max(self.all_rows, 1))
            done = 0

            def on_tick() -> None:
                watch.writing(board, starts, names, done, totals)
                if samples is not None:
                    samples.take(board)

            if samples is not None:
                samples.take(board)
            for _, result in crew.run(tasks, on_tick):
                done += 1  # on_tick reads it
                yield result
            if samples is not None:
                samples.take(board, last=True)
