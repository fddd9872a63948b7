"""Bad or missing shards, indexes and labels written again, to the bytes that they had."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastconv import manifest as files
from fastconv.atomic import output_error, sync_folder, write_file
from fastconv.beside import beside, file_names, not_as_written
from fastconv.checking.findings import Finding, VerifyReport
from fastconv.checking.outputs import Output, look_at
from fastconv.checking.whole import Checked, check, prepared_again, report_of, what_for
from fastconv.errors import FastconvError, InputError
from fastconv.index import index_of
from fastconv.job import shard_tasks
from fastconv.layout import INDEXES
from fastconv.options import PathLike, clean_path
from fastconv.prepare import Prepared
from fastconv.progress import OnProgress, Watch
from fastconv.recruits import Recruits
from fastconv.workers import usable_cores
from fastconv.writing import write_shards


def verify_and_repair(
    out: PathLike,
    *,
    decode: bool = False,
    against_source: bool = False,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
    recruits: Recruits | None = None,
    **source: PathLike | None,
) -> VerifyReport:
    """Check an output as fastconv.verify does; then write bad and missing shards again from their
    source, indexes from their shards, and labels.txt, each to the very bytes that the manifest
    remembers; and check those again. The report is of what is wrong after that.

    A shard of which the source gives other bytes now is left as it is, and told of. Raises what
    verify raises, and OutputError where something cannot be written. A file has its name only when
    it is whole and right.
    """
    watch = Watch(on_progress)
    folder = clean_path(out, "OUT", absolute=False)
    output = look_at(folder)
    past = output.past
    if past is None or not past.is_finished:
        raise InputError(
            f"{folder}: has no {files.MANIFEST} of a finished conversion, so there is nothing to "
            f"repair it by; run the same fastconv shards again, which goes on where it ended"
        )
    with files.locked(output.root):
        source_job = prepared_again(output, watch, workers, source) if against_source else None
        checked = check(
            output, watch, workers, decode=decode, prepared=source_job, recruits=recruits
        )
        held_to = what_for(output, decode, against_source)
        first = report_of(output, checked, held_to)
        if not first.found:
            return replace(first, seconds=watch.seconds)
        bad = set(first.bad_shards)
        small = set(file_names(past.facts))
        labels_bad = any(finding.file in small for finding in first.findings)
        prepared = source_job
        if (bad or labels_bad) and prepared is None:
            prepared = prepared_again(output, watch, workers, source)
        refused: list[Finding] = []
        try:
            _make(output.root / files.PARTIAL)
            written = _indexes(output, [name for name in first.bad_indexes if name not in bad])
            if prepared is not None and labels_bad:
                written += _beside(output.root, past.facts, prepared)
            if prepared is not None and bad:
                mended, refused = _shards(output, prepared, bad, workers, watch)
                written += mended
        finally:
            with suppress(OSError):
                files.remove_partial(output.root)
        again = look_at(folder)
        names = bad | set(first.bad_indexes)
        second = check(again, watch, workers, decode=decode, prepared=source_job, only=names)
    report = report_of(again, Checked(checked.shards | second.shards, checked.workers), held_to)
    return replace(
        report,
        findings=(*refused, *report.findings),
        found=report.found + len(refused),
        repaired=tuple(written),
        seconds=watch.seconds,
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from None


def _indexes(output: Output, names: list[str]) -> list[str]:
    """Indexes of shards that are whole."""
    written = []
    for name in names:
        path = output.shards[name]
        if path is None:
            continue
        folder = output.root / INDEXES
        _make(folder)
        with suppress(FastconvError):  # of a shard that is damaged since, which the check tells
            write_file(folder / name, index_of(path), output.root / files.PARTIAL / f"{name}.index")
            sync_folder(folder)
            written.append(f"{INDEXES}/{name}")
    return written


def _beside(root: Path, manifest: dict[str, Any], prepared: Prepared) -> list[str]:
    """labels.txt and metadata that are not as they were written."""
    written = []
    made = beside(manifest, prepared.dataset.classes.names)
    for name in not_as_written(root, made):
        write_file(root / name, made[name], root / files.PARTIAL / Path(name).name)
        sync_folder((root / name).parent)
        written.append(name)
    return written


def _shards(
    output: Output, prepared: Prepared, names: set[str], workers: int | None, watch: Watch
) -> tuple[list[str], list[Finding]]:
    """(files that were written, shards that could not be)."""
    tasks = [
        replace(task, expected=_expected(output.said.get(task.name)))
        for task in shard_tasks(list(prepared.plans))
        if task.name in names
    ]
    places = prepared.options.places
    for folder in places.folders:
        _make(output.root / folder)
    watch.phase(f"repairing {len(tasks):,} shards")
    count = min(workers or usable_cores(), len(tasks))
    written, refused = [], []
    with Recruits() as fresh:
        for result in write_shards(prepared, output.root, tasks, count, watch, fresh):
            name = result.task.name
            if result.refused:
                refused.append(
                    Finding(places.shard_file(name), f"was not repaired: {result.refused}")
                )
            else:
                written += places.files(name)
    return sorted(written), sorted(refused, key=str)


def _expected(said: dict[str, Any] | None) -> tuple[int, int] | None:
    return (said["bytes"], int(said["crc32c"], 16)) if said else None
