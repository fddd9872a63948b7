"""A share of a planned job's shards, written by this machine's processes beside those of others.

What is written down is in a journal of the share's own, and unfinished files have a name that
nobody else gives: so shares need no locks to be kept apart. Where one shard is written by two, both
give it the same bytes.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastconv.arrays.plan_at import is_finished, opened, plan_path
from fastconv.arrays.share_report import ShareReport, share_report
from fastconv.atomic import output_error
from fastconv.conversion import kept_of
from fastconv.errors import (
    LEAVE_OUT,
    LEAVE_OUT_OF_SHARE,
    BadImageError,
    InputError,
    OutputError,
    UsageError,
)
from fastconv.goal import Goal
from fastconv.image_options import check_whole
from fastconv.job import ShardResult, ShardTask
from fastconv.journal import ShareJournal
from fastconv.manifest import locked
from fastconv.options import PathLike
from fastconv.output import FolderOutput
from fastconv.past import read_past
from fastconv.planfile import PlanFile
from fastconv.planned import PLANNED, job_folder
from fastconv.progress import OnProgress, Watch
from fastconv.recruits import Recruits
from fastconv.runs import Samples, run_facts
from fastconv.summary import journal_line
from fastconv.workers import usable_cores
from fastconv.writing import CrewWork

START = ("fastconv.planfile", "open_plan")
HOST_LETTERS_MAX = 32


def write_share(
    plan: PathLike,
    k: int = 1,
    n: int = 1,
    *,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
    recruits: Recruits | None = None,
) -> ShareReport:
    """Write what is not done of share ``k`` of ``n`` (k from 1 to n) of the shards of a ``plan``
    (fastconv.write_plan): its file, or the output's folder.

    Shares may be written at once, on several machines, overlap, be ended at any moment and be
    repeated. Where the job is finished already, nothing is done, and the report says so. Raises
    UsageError, InputError, OutputError (WorkerError among them) and KeyboardInterrupt, as
    fastconv.convert does.
    """
    _check_share(k, n)
    if workers is not None:
        check_whole("workers", workers, 1, 99_999)
    watch = Watch(on_progress)
    watch.phase("looking at what is done")
    path = plan_path(plan)
    with recruits or Recruits(workers or usable_cores(), START[0]) as crew:
        share = _Share(path, k, n, watch)
        if is_finished(path.parent):
            return share.nothing_to_do()
        try:
            return share.carry_out(workers or usable_cores(), crew)
        except (OutputError, InputError) as error:
            if is_finished(path.parent):  # meanwhile: so this share's shards are there, too
                return share.nothing_to_do()
            share.explain(error)
            if isinstance(error, BadImageError):
                advice = str(error).replace(LEAVE_OUT, LEAVE_OUT_OF_SHARE)
                raise BadImageError(advice) from None
            raise


def _check_share(k: int, n: int) -> None:
    for value in (k, n):
        if not isinstance(value, int) or isinstance(value, bool):
            raise UsageError(f"--only is K/N, two whole numbers, not {k!r}/{n!r}")
    if not 1 <= k <= n:
        raise UsageError(
            f"--only {k}/{n}: K is from 1 to N; where an array's numbers begin at 0, add 1"
        )


def share_of(tasks: list[ShardTask], k: int, n: int) -> list[ShardTask]:
    """Share k of n: each n-th shard from the k-th on. So no share has more than one shard more than
    another, of the large splits as of the small ones, and of the shards at a part's end."""
    return tasks[k - 1 :: n]


class _Share:
    """One share, at work."""

    def __init__(self, path: Path, k: int, n: int, watch: Watch) -> None:
        self._path, self._root, self._k, self._n, self._watch = path, path.parent, k, n, watch
        self._identity = ""
        host = re.sub(r"[^\w-]", "-", socket.gethostname(), flags=re.ASCII)[:HOST_LETTERS_MAX]
        self._tag = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"

    def carry_out(self, workers: int, recruits: Recruits) -> ShareReport:
        # First without a lock, which makes the folder that it is for.
        self._identity = opened(self._path).identity
        with locked(self._root, shared=True):
            plan, past = opened(self._path), read_past(self._root)
            self._identity = plan.identity
            tasks = share_of(plan.tasks, self._k, self._n)
            output = FolderOutput(self._root)
            kept, rewritten = kept_of(output, past, tasks, plan.layout, plan.skip_bad)
            todo = [task for task in tasks if task.name not in kept]
            results = dict(kept)
            workers = min(workers, len(todo))
            if todo:
                job = job_folder(self._identity)
                goal = Goal(str(self._root), plan.layout, job, f"{self._tag}.")
                with self._folder(goal.partial):
                    self._write(plan, goal, todo, workers, recruits, results)
            self._watch.phase("done")
            in_order = [results[task.name] for task in tasks]
            place = (self._root, self._k, self._n)
            return share_report(
                place, in_order, list(kept.values()), rewritten, workers, False, self._watch
            )

    def nothing_to_do(self) -> ShareReport:
        """The report where the whole job is finished."""
        place = (self._root, self._k, self._n)
        return share_report(place, [], [], (), 0, True, self._watch)

    @contextmanager
    def _folder(self, folder: Path) -> Iterator[None]:
        """The folder of this plan's unfinished files. Whoever replaces the plan, or finishes the
        job, takes it away, so that nothing of this share can get its name any more; it is made
        here only, and not again. At the end this share's own files go, and no others: whether
        those of another share are being written, nobody can tell. The folder stays, empty or not:
        another share may be between two shards."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(error.filename or folder, error) from None
        if opened(self._path).identity != self._identity:  # it was replaced before the mkdir
            raise OutputError(f"{self._path}: was replaced")
        try:
            yield
        finally:
            with suppress(OSError):
                for entry in folder.iterdir():
                    if entry.name.startswith(self._tag):
                        entry.unlink(missing_ok=True)

    def _write(
        self,
        plan: PlanFile,
        goal: Goal,
        todo: list[ShardTask],
        workers: int,
        recruits: Recruits,
        results: dict[str, ShardResult],
    ) -> None:
        """Have shards written, each noted when it is whole and added to ``results``."""
        share, watch, kept = f"{self._k}/{self._n}", self._watch, len(results)
        header = {PLANNED: self._identity, "share": share}
        journal = ShareJournal(self._root, self._tag, goal.partial, header)
        samples = Samples(watch)

        def note_run(finished: bool) -> None:
            done = len(results) - kept
            run = run_facts(watch, samples, finished, workers, done, kept)
            journal.add({"run": {**run, "share": share}})

        rows, arguments = plan.tasks[-1].stop, (str(self._path), goal)
        crew = CrewWork(START, plan.fd, arguments, _describing(plan), plan.output_bytes, rows)
        total = len(todo) + kept
        watch.phase(f"writing {len(todo):,} of {total:,} shards" if kept else "writing")
        try:
            for result in crew.write(todo, workers, watch, recruits, samples):
                journal.add(journal_line(result))
                results[result.task.name] = result
            watch.phase("finishing")
            note_run(finished=True)
        except BaseException:
            if len(results) > kept:  # how fast it was is worth no more than a try
                with suppress(OSError, OutputError):
                    note_run(finished=False)
            raise
        finally:
            journal.close()

    def explain(self, error: Exception) -> None:
        """Raise what an error comes from, where it comes from the plan being another one now."""
        if not self._identity:
            return
        with suppress(InputError, OutputError):
            if opened(self._path).identity == self._identity:
                return
        raise OutputError(
            f"{self._root}: was planned anew or cleared while this share was at work, which "
            f"therefore ends; nothing of it is in the new output. Begin the share again ({error})"
        ) from None


def _describing(plan: PlanFile) -> Callable[[int], str]:
    tasks = plan.tasks

    def describe(row: int) -> str:
        (task,) = (task for task in tasks if task.start <= row < task.stop)
        return plan.job_of(task).describe(row - task.start)

    return describe
