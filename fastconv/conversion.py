"""The job, top to bottom: list, plan, write, and say what was done."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastconv import manifest as files
from fastconv.board import ROW, Board
from fastconv.job import Job, ShardResult, ShardTask, shard_tasks, share_plans
from fastconv.options import Options
from fastconv.preflight import check_space, need_of
from fastconv.prepare import Prepared, prepare
from fastconv.progress import OnProgress, Watch
from fastconv.records import SLIM, class_entries
from fastconv.recruits import Recruits
from fastconv.report import Report
from fastconv.summary import class_counts, facts, make_manifest, make_report, shard_line
from fastconv.workers import SHARD_MODULE, Crew, started_ahead, usable_cores


def convert(options: Options, on_progress: OnProgress | None = None) -> Report:
    """Convert a dataset to TFRecord shards with their indexes, labels and a manifest.

    ``on_progress`` is called with a Progress a few times a second, in the calling thread; what it
    raises ends the job. Nothing is printed; no signal handler, start method or thread of the
    caller's is touched, and no ``__main__`` guard is needed: workers are fresh interpreters.

    Raises UsageError, InputError (BadImageError among them), OutputError (WorkerError among
    them), and KeyboardInterrupt. Then no shard that is not whole has its final name.
    """
    watch = Watch(on_progress)
    with started_ahead(options.workers) as recruits:
        return carry_out(prepare(options, watch), watch, recruits)


def carry_out(prepared: Prepared, watch: Watch, recruits: Recruits) -> Report:
    """The writing part of convert."""
    options = prepared.options
    out = options.out_path
    tasks = shard_tasks(list(prepared.plans))
    written = [
        *(f"{folder}/{task.name}" for task in tasks for folder in files.FOLDERS),
        files.LABELS,
        files.MANIFEST,
    ]
    with files.locked(out):
        return _carry_out(prepared, watch, recruits, out, tasks, written)


def _carry_out(
    prepared: Prepared,
    watch: Watch,
    recruits: Recruits,
    out: Path,
    tasks: list[ShardTask],
    written: list[str],
) -> Report:
    options = prepared.options
    header = {**facts(prepared), "files": written}
    if options.space_check:  # before an old output makes way for one that does not fit
        need = need_of(prepared.plans, options.recipe)
        freed = files.removable(out) if options.overwrite else (0, 0)
        check_space(out, need.bytes, need.files, need.exact, freed)
    files.clear_for(out, written, options.overwrite)
    workers = min(options.workers or usable_cores(), len(tasks))
    journal = files.Journal(out, header)
    try:
        results = _write(prepared, out, tasks, workers, watch, recruits, journal)
        watch.phase("finishing")
        counts = class_counts(prepared, results)
        report = make_report(prepared, results, counts, out, workers)
        labels = prepared.dataset.classes.names
        journal.finish(make_manifest(prepared, header, report, results, counts), labels)
        watch.phase("done")
    finally:
        journal.close()
        with suppress(OSError):  # whatever ended the job is the error to report
            files.remove_partial(out)
    return replace(report, seconds=watch.seconds, phases=watch.phases)


def _write(
    prepared: Prepared,
    out: Path,
    tasks: list[ShardTask],
    workers: int,
    watch: Watch,
    recruits: Recruits,
    journal: files.Journal,
) -> list[ShardResult]:
    """Have every shard written; results in the order of the tasks."""
    options, dataset = prepared.options, prepared.dataset
    recipe = options.recipe
    entries = class_entries(dataset.classes, options.label_offset)
    if recipe.alters:  # then records say what is stored; otherwise what slim says of every image
        entries += class_entries(dataset.classes, options.label_offset, gray=True)
    watch.phase("writing")
    with ExitStack() as stack:
        plan_fd = share_plans(
            list(prepared.plans), dataset.classes, SLIM, entries, options.label_offset
        )
        stack.callback(os.close, plan_fd)
        board = Board.create(workers)
        stack.callback(os.close, board.fd)
        job = Job(plan_fd)

        def in_hand(worker: int, task: ShardTask | None) -> str:
            row = board.of(worker)[ROW]
            if task is None:
                return " before it had a shard in hand"
            if not task.start <= row < task.stop:
                return f" with {task.name} in hand, at none of its records; it was not written"
            return (
                f" with {job.describe(row)} in hand, record {row - task.start} of {task.name}, "
                f"which was not written"
            )

        def arguments(worker: int) -> tuple[Any, ...]:
            skip = options.on_error == "skip"
            return worker, str(out), str(out / files.PARTIAL), skip, recipe

        start = (SHARD_MODULE, "open_job")
        crew = stack.enter_context(
            Crew(workers, start, arguments, (plan_fd, board.fd), in_hand, recruits)
        )
        recruits.dismiss()
        results: dict[str, ShardResult] = {}
        starts, names = [task.start for task in tasks], [task.name for task in tasks]
        totals = (sum(len(plan.order) for plan in prepared.plans), prepared.output_bytes)
        for task, result in crew.run(
            tasks, lambda: watch.writing(board, starts, names, len(results), totals)
        ):
            results[task.name] = result
            journal.add({"shard": shard_line(result)})
    return [results[task.name] for task in tasks]
