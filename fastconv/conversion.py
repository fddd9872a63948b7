"""The job, top to bottom: list, plan, see what is there, write the rest, say what was done."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastconv import manifest as files
from fastconv.beside import asked_metadata, beside, file_names, not_as_written, with_checksums
from fastconv.errors import OutputError
from fastconv.job import ShardResult, ShardTask, shard_tasks
from fastconv.journal import Journal
from fastconv.options import Options
from fastconv.past import Past, look_back, what_is_amiss
from fastconv.preflight import check_space, need_of
from fastconv.prepare import Prepared, prepare
from fastconv.progress import OnProgress, Watch
from fastconv.recruits import Recruits
from fastconv.report import ClassCounts, Report
from fastconv.runs import Samples, read_runs, run_facts, write_runs
from fastconv.summary import (
    class_counts,
    facts,
    journal_line,
    make_manifest,
    make_report,
    result_of,
)
from fastconv.workers import started_ahead, usable_cores
from fastconv.writing import write_shards


def convert(options: Options, on_progress: OnProgress | None = None) -> Report:
    """Convert a dataset to TFRecord shards with their indexes, labels and a manifest, or go on
    with doing so where an earlier run of the same job ended.

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
    tasks = shard_tasks(list(prepared.plans))
    with files.locked(prepared.options.out_path):
        report = _carry_out(prepared, tasks, facts(prepared), watch, recruits)
    return replace(report, seconds=watch.seconds, phases=watch.phases)


def _carry_out(
    prepared: Prepared,
    tasks: list[ShardTask],
    header: dict[str, Any],
    watch: Watch,
    recruits: Recruits,
) -> Report:
    options, out = prepared.options, prepared.options.out_path
    past = None if options.overwrite else look_back(out, header, options.resume)
    labels = prepared.dataset.classes.names
    header["metadata"] = asked_metadata(options.places, past.facts if past else {})
    header["files"] = [
        *(path for task in tasks for path in options.places.files(task.name)),
        files.RUNS,
        *file_names(header),
        files.MANIFEST,
    ]
    kept, rewritten = _kept(out, past, tasks, options)
    todo = [task for task in tasks if task.name not in kept]
    workers = min(options.workers or usable_cores(), len(todo))
    if options.space_check and todo:  # before an old output makes way for one that does not fit
        if past:
            files.make_room(out)
        need = need_of(prepared.plans, options.recipe, kept.keys(), options.places.compressed)
        freed = files.removable(out) if options.overwrite else (0, 0)
        check_space(out, need.bytes, need.files, need.exact, freed)
    if options.overwrite:
        files.clear_for(out, header["files"])

    def account(results: dict[str, ShardResult]) -> tuple[Report, dict[str, ClassCounts]]:
        in_order = [results[task.name] for task in tasks]
        counts = class_counts(prepared, in_order)
        report = make_report(prepared, in_order, counts, out, workers)
        return replace(
            report,
            kept_shards=len(kept),
            kept_records=sum(result.records for result in kept.values()),
            kept_bytes=sum(result.bytes for result in kept.values()),
            rewritten=rewritten,
        ), counts

    if past and past.is_finished and not todo:
        amiss = not_as_written(out, beside(past.facts, labels))
        if not amiss:
            return account(kept)[0]
        rewritten = (*rewritten, *((name, "is not as it was written") for name in amiss))
    runs = read_runs(out) if past else []
    samples = Samples(watch)
    journal = Journal(
        out, options.places.folders, header, [journal_line(result) for result in kept.values()]
    )
    results = dict(kept)

    def note_run(finished: bool) -> None:
        done = len(results) - len(kept)
        this = run_facts(watch, samples, finished, workers, done, len(kept))
        write_runs(out, [*runs, this])

    try:
        watch.phase(f"writing {len(todo):,} of {len(tasks):,} shards" if kept else "writing")
        if todo:
            for result in write_shards(prepared, out, todo, workers, watch, recruits, samples):
                results[result.task.name] = result
                journal.add(journal_line(result))
        watch.phase("finishing")
        report, counts = account(results)
        in_order = [results[task.name] for task in tasks]
        note_run(finished=True)
        manifest = make_manifest(prepared, header, report, in_order, counts)
        others = beside(manifest, labels)
        journal.finish(with_checksums(manifest, others), others)
        watch.phase("done")
    except BaseException:
        if len(results) > len(kept):  # what it did is not for nothing, if the next one goes on
            with suppress(OSError, OutputError):
                note_run(finished=False)
        raise
    finally:
        journal.close()
        with suppress(OSError):  # whatever ended the job is the error to report
            files.remove_partial(out)
    return report


def _kept(
    out: Path, past: Past | None, tasks: list[ShardTask], options: Options
) -> tuple[dict[str, ShardResult], tuple[tuple[str, str], ...]]:
    """(the shards that need not be written again, those that must be although they were done, with
    the reasons)."""
    kept, rewritten = {}, []
    for task in tasks:
        line = past.shards.get(task.name) if past else None
        if line is None:
            continue
        reason = what_is_amiss(out, options.places, line)
        if not reason and line["skipped"] and options.on_error != "skip":
            reason = "has images skipped, which --on-error stop does not allow"
        if reason:
            rewritten.append((task.name, reason))
        else:
            kept[task.name] = result_of(task, line)
    return kept, tuple(rewritten)
