"""Shares put together to the output that one machine would have written: ``fastconv finish``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from fastconv.arrays.plan_at import is_finished, local_path, opened
from fastconv.arrays.shares import share_of
from fastconv.atomic import output_error, sync_folder
from fastconv.conversion import Rewritten, Work, work_through
from fastconv.errors import InputError, OutputError
from fastconv.job import ShardResult, ShardTask
from fastconv.manifest import JOURNAL, RAW, kind_of, locked, remove_partial, root_of
from fastconv.options import PathLike
from fastconv.output import output_of
from fastconv.planfile import PlanFile
from fastconv.planned import PLAN, remove_planned, share_journals
from fastconv.preflight import Need
from fastconv.progress import OnProgress, Watch
from fastconv.remembered import remembered_options
from fastconv.report import Report
from fastconv.runs import Samples

SHOWN = 4


def finish(out: PathLike, on_progress: OnProgress | None = None) -> Report | None:
    """Make the shards that shares have written (fastconv.write_share) the output that
    fastconv.convert makes: the manifest, and the files beside the shards. Then the plan and the
    shares' journals go. The source is not needed. Returns what convert returns; None where it was
    finished already.

    Raises OutputError where shards are missing, with nothing changed; InputError where there is
    neither a plan nor a finished output.
    """
    watch = Watch(on_progress)
    watch.phase("looking at what is done")
    root = root_of(local_path(out, "OUT"))
    if kind_of(root) == RAW:
        raise InputError(f"{root}: holds class folders, by `fastconv raw`, which have no plan")
    if is_finished(root):
        _clear_away(root)
        return None
    return work_through(_work(opened(root / PLAN), root), output_of(root), watch)


def _work(plan: PlanFile, root: Path) -> Work:
    tasks = plan.tasks

    def refuse(missing: list[ShardTask], rewritten: Rewritten) -> None:
        raise _missing(root, plan.identity, tasks, missing, rewritten)

    def need(_done: Collection[str]) -> Need:
        return Need(0, 0, exact=False)

    def write(missing: list[ShardTask], _samples: Samples) -> Iterator[ShardResult]:
        raise _missing(root, plan.identity, tasks, missing, ())

    options = remembered_options(plan.header, root, {})
    return Work(options, plan.outline(), plan.header, need, lambda _shards: 0, write, refuse)


def _missing(
    root: Path,
    identity: str,
    tasks: list[ShardTask],
    missing: list[ShardTask],
    rewritten: Rewritten,
) -> OutputError:
    """What to say about shards that are not there, and how they can be made."""
    names, why = {task.name for task in missing}, dict(rewritten)
    shown = [f"{task.name} ({why.get(task.name, 'was not written')})" for task in missing[:SHOWN]]
    more = ", …" if len(missing) > SHOWN else ""
    n = _usual_n(root, identity)
    plan = root / PLAN
    how = f"fastconv shards --plan {plan} --only K/N, for each K from 1 to N"
    if n:
        shares = [k for k in range(1, n + 1) if names & {t.name for t in share_of(tasks, k, n)}]
        listed = " and ".join(f"--only {k}/{n}" for k in shares[:SHOWN])
        listed += f" and … ({len(shares):,} of {n:,} shares)" if len(shares) > SHOWN else ""
        how = f"fastconv shards --plan {plan} {listed}"
    return OutputError(
        f"{root}: {len(missing):,} of {len(tasks):,} shards are missing: {', '.join(shown)}{more}; "
        f"make them with {how}, then finish again"
    )


def _usual_n(root: Path, identity: str) -> int:
    """Of how many shares most shares were one; 0 where there was none."""
    counts: Counter[int] = Counter()
    try:
        for facts, _ in share_journals(root, identity):
            _, _, n = str(facts.get("share")).partition("/")
            if n.isascii() and n.isdigit() and 1 <= int(n) < 10**6:
                counts[int(n)] += 1
    except OSError as error:
        raise output_error(error.filename or root, error) from None
    return counts.most_common(1)[0][0] if counts else 0


def _clear_away(root: Path) -> None:
    """What an earlier finish left that ended right after the manifest was there."""
    if not (root / JOURNAL).exists():
        return
    with locked(root):
        if not is_finished(root):
            raise OutputError(
                f"{root}: another fastconv began to write here; wait until it ends, then finish "
                f"again"
            )
        try:
            remove_planned(root)
            (root / JOURNAL).unlink(missing_ok=True)
            remove_partial(root)
        except OSError as error:
            raise output_error(error.filename or root, error) from None
        sync_folder(root)
