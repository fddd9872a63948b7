"""The job, top to bottom: list, plan, see what is there, write the rest, say what was done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from fastconv import manifest as files
from fastconv.beside import asked_metadata, beside, file_names, with_checksums
from fastconv.engine import Engine, LocalEngine, Order
from fastconv.errors import OutputError
from fastconv.job import ShardResult, ShardTask
from fastconv.layout import Layout
from fastconv.options import Options
from fastconv.outline import Outline
from fastconv.output import Output, output_of
from fastconv.past import Past
from fastconv.planned import PLANNED
from fastconv.preflight import Need, need_of
from fastconv.prepare import Prepared, prepare
from fastconv.progress import OnProgress, Watch
from fastconv.report import ClassCounts, Report
from fastconv.runs import Samples, run_facts
from fastconv.summary import (
    class_counts,
    facts,
    journal_line,
    make_manifest,
    make_report,
    result_of,
)

Rewritten = tuple[tuple[str, str], ...]  # shards, each with the reason


def convert(options: Options, on_progress: OnProgress | None = None, engine: Any = None) -> Report:
    """Convert a dataset to TFRecord shards with their indexes, labels and a manifest, or go on
    with doing so where an earlier run of the same job ended.

    ``on_progress`` is called with a Progress a few times a second, in the calling thread; what it
    raises ends the job. Nothing is printed; no signal handler, start method or thread of the
    caller's is touched, and no ``__main__`` guard is needed: workers are fresh interpreters.

    ``engine``: what has the shards written in their place: a concurrent.futures.Executor or a
    distributed.Client (docs/library.md, "Engines"), which stays the caller's. OUT and the source
    must be in folders that its workers see under the same paths.

    Raises UsageError, InputError (BadImageError among them), OutputError (WorkerError among
    them), and KeyboardInterrupt. Then no shard that is not whole has its final name.
    """
    watch = Watch(on_progress)
    if engine is not None:
        from fastconv.engines import engine_for

        chosen = engine_for(engine, options.workers)
        return carry_out(prepare(options, watch), watch, chosen)
    with LocalEngine(options.workers) as local:
        return carry_out(prepare(options, watch), watch, local)


def carry_out(prepared: Prepared, watch: Watch, engine: Engine) -> Report:
    """The writing part of convert."""
    options = prepared.options
    header = facts(prepared)

    def need(done: Collection[str]) -> Need:
        return need_of(prepared.plans, options.recipe, done, options.places.compressed)

    def write(tasks: list[ShardTask], samples: Samples) -> Iterator[ShardResult]:
        return engine.write(Order(prepared, header, tasks, watch, samples))

    work = Work(options, Outline.of(prepared), header, need, engine.workers_for, write)
    return work_through(work, output_of(options.out_path), watch)


@dataclass(frozen=True, slots=True)
class Work:
    """A job that is planned. ``header``: what its manifest says before anything is written;
    ``need(done)``: what the shards take that are not among these names; ``workers_for(shards)``:
    how many workers are at work on so many; ``write(tasks, samples)`` has shards written;
    ``refuse(tasks, rewritten)``, if it is there, is called with shards that are to be written
    before anything is changed, to raise what is to be said."""

    options: Options
    outline: Outline
    header: dict[str, Any]
    need: Callable[[Collection[str]], Need]
    workers_for: Callable[[int], int]
    write: Callable[[list[ShardTask], Samples], Iterator[ShardResult]]
    refuse: Callable[[list[ShardTask], Rewritten], None] | None = None


def work_through(work: Work, output: Output, watch: Watch) -> Report:
    """Do what of a job is not done, and write its manifest."""
    with output.locked(watch.phase):
        report = _work_through(work, output, watch)
    return replace(report, seconds=watch.seconds, phases=watch.phases)


def _work_through(work: Work, output: Output, watch: Watch) -> Report:
    options, outline, places = work.options, work.outline, work.options.places
    tasks = outline.tasks
    past = None if options.overwrite else output.look_back(work.header, options.resume)
    header = header_of(work.header, places, past, tasks)
    kept, rewritten = kept_of(output, past, tasks, places, options.on_error == "skip")
    todo = [task for task in tasks if task.name not in kept]
    if todo and work.refuse:
        work.refuse(todo, rewritten)
    workers = work.workers_for(len(todo))
    if options.space_check and todo:  # before an old output makes way for one that does not fit
        if past:
            output.remove_unfinished()
        output.check_space(work.need(kept.keys()), options.overwrite)
    if options.overwrite:
        output.clear_for(header["files"])

    def account(results: dict[str, ShardResult]) -> tuple[Report, dict[str, ClassCounts]]:
        in_order = [results[task.name] for task in tasks]
        counts = class_counts(outline, in_order)
        report = make_report(outline, places, in_order, counts, output.place, workers)
        return replace(
            report,
            kept_shards=len(kept),
            kept_records=sum(result.records for result in kept.values()),
            kept_bytes=sum(result.bytes for result in kept.values()),
            rewritten=rewritten,
        ), counts

    if past and past.is_finished and not todo:
        amiss = output.not_as_written(beside(past.facts, outline.classes))
        if not amiss:
            with suppress(OSError, OutputError):  # of a run that ended between its last two steps
                output.remove_unfinished()
            return account(kept)[0]
        rewritten = (*rewritten, *((name, "is not as it was written") for name in amiss))
    runs = output.read_runs() if past else []
    samples = Samples(watch)
    journal = output.journal(
        places.folders, header, [journal_line(result) for result in kept.values()]
    )
    results = dict(kept)

    def note_run(finished: bool) -> None:
        done = len(results) - len(kept)
        this = run_facts(watch, samples, finished, workers, done, len(kept))
        output.write_runs([*runs, this])

    try:
        if todo:
            watch.phase(f"writing {len(todo):,} of {len(tasks):,} shards" if kept else "writing")
            for result in work.write(todo, samples):
                results[result.task.name] = result
                journal.add(journal_line(result))
        watch.phase("finishing")
        report, counts = account(results)
        in_order = [results[task.name] for task in tasks]
        note_run(finished=True)
        manifest = make_manifest(header, report, in_order, counts)
        others = beside(manifest, outline.classes)
        journal.finish(with_checksums(manifest, others), others)
        watch.phase("done")
    except BaseException:
        if len(results) > len(kept):  # what it did is not for nothing, if the next one goes on
            with suppress(OSError, OutputError):
                note_run(finished=False)
        raise
    finally:
        journal.close()
        with suppress(OSError, OutputError):  # whatever ended the job is the error to report
            output.remove_unfinished()
    return report


def header_of(
    facts: dict[str, Any], places: Layout, past: Past | None, tasks: list[ShardTask]
) -> dict[str, Any]:
    """A journal's first line: the manifest's beginning, with the files that the job may write, and
    the plan that the shards were begun by."""
    header = dict(facts)
    header["metadata"] = asked_metadata(places, past.facts if past else {})
    header["files"] = [
        *(path for task in tasks for path in places.files(task.name)),
        files.RUNS,
        *file_names(header),
        files.MANIFEST,
    ]
    if past and past.planned:
        header[PLANNED] = past.planned
    return header


def kept_of(
    output: Output, past: Past | None, tasks: list[ShardTask], places: Layout, skips: bool
) -> tuple[dict[str, ShardResult], Rewritten]:
    """(the shards that need not be written again, those that must be although they were done, with
    the reasons). ``skips``: whether shards may have left images out."""
    kept, rewritten = {}, []
    for task in tasks:
        line = past.shards.get(task.name) if past else None
        if line is None:
            continue
        reason = output.what_is_amiss(places, line)
        if not reason and line["skipped"] and not skips:
            reason = "has images skipped, which --on-error stop does not allow"
        if reason:
            rewritten.append((task.name, reason))
        else:
            kept[task.name] = result_of(task, line)
    return kept, tuple(rewritten)
