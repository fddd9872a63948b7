"""A plan written for a job array: ``fastconv plan``."""

from __future__ import annotations

import mmap
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastconv.atomic import sync_folder, write_file
from fastconv.beside import beside
from fastconv.conversion import header_of, kept_of
from fastconv.errors import InputError, OutputError, UsageError
from fastconv.job import ShardTask
from fastconv.journal import Journal
from fastconv.manifest import PARTIAL
from fastconv.options import Options
from fastconv.outline import Outline
from fastconv.output import FolderOutput
from fastconv.past import Past
from fastconv.planfile import PlanFile, plan_segment
from fastconv.planned import PLAN, PLANNED
from fastconv.preflight import need_of
from fastconv.prepare import Prepared, prepare
from fastconv.progress import OnProgress, Watch
from fastconv.remote.path import RemotePath
from fastconv.summary import facts, journal_line


@dataclass(frozen=True, slots=True)
class Planned:
    """What fastconv.write_plan returns. ``path``: the plan's; ``shards``: how many there are in
    all, of which ``kept`` are whole already; ``finished``: whether the output is whole, so that
    there is no plan, and none is needed."""

    path: Path
    shards: int
    kept: int
    finished: bool


def write_plan(options: Options, on_progress: OnProgress | None = None) -> Planned:
    """Plan a conversion whose shards are written in shares (fastconv.write_share), wherever the
    output's folder can be reached, and put together by fastconv.finish.

    The plan is written to the folder of the manifest, whole or not at all. Where that holds what
    the same job left or planned, what is done is kept. Raises what fastconv.convert raises.
    """
    in_a_folder(options)
    watch = Watch(on_progress)
    return put_plan(prepare(options, watch), watch)


def in_a_folder(options: Options) -> Path:
    """The folder that the plan goes to. UsageError where OUT is in an object store."""
    root = options.out_path
    if isinstance(root, RemotePath):
        raise UsageError(
            f"--out {root}: shares of a plan need a folder that all machines reach; to an object "
            f"store, many machines write with fastconv shards --scheduler"
        )
    return root


def put_plan(prepared: Prepared, watch: Watch) -> Planned:
    """The writing part of write_plan."""
    output = FolderOutput(in_a_folder(prepared.options))
    with output.locked(watch.phase):
        planned = _put_plan(prepared, output)
    watch.phase("done")
    return planned


def _put_plan(prepared: Prepared, output: FolderOutput) -> Planned:
    options, outline, header = prepared.options, Outline.of(prepared), facts(prepared)
    places, root, tasks = options.places, output.place, outline.tasks
    past = None if options.overwrite else output.look_back(header, options.resume)
    kept, _ = kept_of(output, past, tasks, places, options.on_error == "skip")
    path = root / PLAN
    planned = Planned(path, len(tasks), len(kept), False)
    if past and _is_finished(output, past, outline, tasks, kept):
        return Planned(path, len(tasks), len(kept), True)
    if past and past.planned and _is_there(path, past.planned, header):
        return planned
    if options.space_check and len(kept) < len(tasks):
        need = need_of(prepared.plans, options.recipe, kept.keys(), places.compressed)
        output.check_space(need, options.overwrite)
    first = header_of(header, places, past, tasks)
    if options.overwrite:
        output.clear_for(first["files"])
    identity = first.pop(PLANNED, None) or secrets.token_hex(8)
    done = [journal_line(result) for result in kept.values()]
    try:
        # Twice, so that no journal that names a plan ever stands beside a manifest before the job
        # array is through: whoever finds these two, and no plan, knows it for finished.
        Journal(root, places.folders, first, done).close()
        Journal(root, places.folders, {**first, PLANNED: identity}, done).close()
        _write(prepared, header, identity, root)
    finally:
        with suppress(OSError, OutputError):  # whatever ended it is the error to report
            output.remove_unfinished()
    return planned


def _is_finished(
    output: FolderOutput,
    past: Past,
    outline: Outline,
    tasks: list[ShardTask],
    kept: Collection[str],
) -> bool:
    if not past.is_finished or len(kept) < len(tasks):
        return False
    return not output.not_as_written(beside(past.facts, outline.classes))


def _is_there(path: Path, identity: str, header: dict[str, Any]) -> bool:
    """Whether the plan is the one that would be written."""
    try:
        plan = PlanFile.at(path)
    except InputError:
        return False
    return plan.identity == identity and plan.header == header


def _write(prepared: Prepared, header: dict[str, Any], identity: str, root: Path) -> None:
    fd = plan_segment(prepared, header, identity)
    try:
        # Not closed here: what is raised on the way holds on to parts of it.
        memory = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
        write_file(root / PLAN, memoryview(memory), root / PARTIAL / PLAN)
        sync_folder(root)
    finally:
        os.close(fd)
