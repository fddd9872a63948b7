"""The job, top to bottom: list, see what is there, write the rest, say what was done."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastconv import manifest as files
from fastconv.beside import not_as_written
from fastconv.board import ROW, Board
from fastconv.errors import InputError
from fastconv.folders.boxes import BOXES
from fastconv.folders.part import Part, encoded
from fastconv.folders.past import Due, Past, look_back, what_is_amiss
from fastconv.folders.plan import rows_of
from fastconv.folders.prepare import Prepared, prepare
from fastconv.folders.publish import Publisher
from fastconv.folders.report import FolderReport, SplitFolders, part_line
from fastconv.job import Job, share_plans
from fastconv.journal import Journal, labels_text
from fastconv.options import FolderOptions
from fastconv.preflight import check_space
from fastconv.progress import OnProgress, Watch
from fastconv.recruits import Recruits
from fastconv.report import ImageNote, odd_of, odd_of_all
from fastconv.workers import Crew, usable_cores

MODULE = "fastconv.folders.write"  # what the workers need
PIECES = "class folders"


def write_folders(options: FolderOptions, on_progress: OnProgress | None = None) -> FolderReport:
    """Write a dataset's class folders with their labels, boxes and a manifest, or go on with doing
    so where an earlier run of the same job ended.

    ``on_progress`` is called as by fastconv.convert. A file has its name in a class folder only
    when all of it is on disk. Raises UsageError, InputError, OutputError (WorkerError among
    them), and KeyboardInterrupt.
    """
    watch = Watch(on_progress, PIECES)
    with started_ahead(options.workers) as recruits:
        return carry_out(prepare(options, watch), watch, recruits)


def started_ahead(workers: int | None) -> Recruits:
    return Recruits(workers or usable_cores(), MODULE)


def carry_out(prepared: Prepared, watch: Watch, recruits: Recruits) -> FolderReport:
    """The writing part of write_folders."""
    with files.locked(prepared.options.out_path):
        report = _carry_out(prepared, watch, recruits)
    return replace(report, seconds=watch.seconds, phases=watch.phases)


def _carry_out(prepared: Prepared, watch: Watch, recruits: Recruits) -> FolderReport:
    options, out, parts = prepared.options, prepared.options.out_path, prepared.parts
    header = prepared.facts()
    past = look_back(out, header, options.resume)
    if past is not None:
        watch.phase("comparing")
    kept, rewritten = _kept(prepared, past)
    todo = [part for part in parts if part.number not in kept]
    workers = min(options.workers or usable_cores(), len(todo))
    if past and todo:
        files.make_room(out)
    if options.space_check and todo:
        need = prepared.need(kept)
        check_space(out, need.bytes, need.files, need.exact)
    report = replace(
        _report(prepared, workers),
        kept_parts=len(kept),
        kept_images=sum(part.images for part in parts if part.number in kept),
        kept_bytes=sum(part.bytes for part in parts if part.number in kept),
        rewritten=rewritten,
    )
    labels = prepared.dataset.classes.names
    beside = {
        files.LABELS: labels_text(labels),
        **({BOXES: prepared.boxes} if prepared.boxes else {}),
    }
    if past is not None and past.is_finished and not todo:
        amiss = not_as_written(out, beside)
        if not amiss:
            with suppress(OSError):  # of a run that ended between its last two steps
                files.remove_partial(out)
            return report
        again = ((name, "is not as it was written") for name in amiss)
        report = replace(report, rewritten=(*rewritten, *again))
    claimed = [{"part": part_line(part)} for part in parts if part.number in kept]
    journal = Journal(out, (), header, claimed)
    try:
        if todo:
            watch.phase(f"writing {len(todo):,} of {len(parts):,} {PIECES}" if kept else "writing")
            _write(prepared, out, todo, workers, watch, recruits, journal)
        watch.phase("finishing")
        journal.finish(_manifest(prepared, header, report), beside)
        watch.phase("done")
    finally:
        journal.close()
        with suppress(OSError):  # whatever ended the job is the error to report
            files.remove_partial(out)
    return report


def _kept(prepared: Prepared, past: Past | None) -> tuple[set[int], tuple[tuple[str, str], ...]]:
    """(numbers of the parts that need not be written again; names of those that must be although
    they were done, with the reasons)."""
    if past is None:
        return set(), ()
    amiss = what_is_amiss(prepared.options.out_path, prepared.parts, _due(prepared))
    done = [part for part in prepared.parts if part.key in past.done]
    kept = {part.number for part in done if part.number not in amiss}
    return kept, tuple((p.name, amiss[p.number]) for p in done if p.number in amiss)


def _due(prepared: Prepared) -> Callable[[Part], Due]:
    def of(part: Part) -> Due:
        catalog, rows = rows_of(prepared.plans, part)
        names = list(catalog.names.take(rows))
        if not prepared.options.links:
            return dict(zip(names, catalog.size[rows].tolist(), strict=True))
        folders = [encoded(place.path.rstrip("/")) for place in catalog.containers]
        places = catalog.container[rows].tolist()
        return {
            name: folders[place] + b"/" + name for name, place in zip(names, places, strict=True)
        }

    return of


def _write(
    prepared: Prepared,
    out: Path,
    todo: list[Part],
    workers: int,
    watch: Watch,
    recruits: Recruits,
    journal: Journal,
) -> None:
    """Have parts written, placed and claimed. Raises what a worker raises, and WorkerError."""
    with ExitStack() as stack:
        plan_fd = share_plans(list(prepared.plans), prepared.dataset.classes, 0, [], [])
        stack.callback(os.close, plan_fd)
        board = Board.create(workers)
        stack.callback(os.close, board.fd)
        publisher = stack.enter_context(Publisher(out, journal))
        crew = stack.enter_context(
            Crew(
                workers,
                (MODULE, "open_job"),
                lambda worker: (worker, str(out), str(out / files.PARTIAL), prepared.options.links),
                (plan_fd, board.fd),
                _in_hand(board, Job.attached(plan_fd)),
                recruits,
            )
        )
        recruits.dismiss()
        starts, names = [part.start for part in todo], [part.name for part in todo]
        totals = sum(part.images for part in todo), sum(part.bytes for part in todo)
        done = 0

        def on_tick() -> None:
            publisher.check()
            watch.writing(board, starts, names, done, totals)

        try:
            for part, _ in crew.run(todo, on_tick):
                done += 1  # on_tick reads it
                publisher.add(part)
        except InputError:  # what was written before is good, and need not be written again
            publisher.finish()
            raise
        watch.phase("waiting for the disk")
        publisher.finish()


def _in_hand(board: Board, job: Job) -> Callable[[int, Part | None], str]:
    def in_hand(worker: int, part: Part | None) -> str:
        row = board.of(worker)[ROW]
        if part is None:
            return " before it had a class folder in hand"
        if not part.start <= row < part.stop:
            return f" with {part.name} in hand, at none of its images; it was not written"
        return f" with {job.describe(row)} in hand, of {part.name}, which was not written"

    return in_hand


def _report(prepared: Prepared, workers: int) -> FolderReport:
    dataset = prepared.dataset
    splits, skipped, odd = [], [], []
    for catalog in dataset.catalogs:
        unlabelled = [
            ImageNote(catalog.split, image, "has no label") for image in catalog.unlabelled
        ]
        classes = int((catalog.class_counts(len(dataset.classes)) > 0).sum())
        splits.append(
            SplitFolders(catalog.split, classes, len(catalog) + len(unlabelled), len(catalog),
                         len(unlabelled), len(catalog.boxes), int(catalog.size.sum()))
        )  # fmt: skip
        skipped += unlabelled
        odd += odd_of(catalog)
    return FolderReport(
        prepared.options.out_path,
        prepared.options.links,
        tuple(splits),
        tuple(skipped),
        dataset.bad_boxes,
        (*odd, *odd_of_all(prepared.plans, dataset)),
        prepared.box_count,
        len(prepared.parts),
        workers,
        cut_archives=dataset.cut,
    )


def _manifest(prepared: Prepared, header: dict[str, Any], report: FolderReport) -> dict[str, Any]:
    data = report.as_dict()
    return {
        **header,
        "totals": report.totals(),
        "splits": data["splits"],
        "odd": data["odd"],
        "skipped": data["skipped_images"],
        "bad_boxes": data["bad_boxes"],
        "cut_archives": data["cut_archives"],
        "parts": [part_line(part) for part in prepared.parts],
    }
