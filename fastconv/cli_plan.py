"""``fastconv plan``, shares of a plan's shards, and ``fastconv finish``: job arrays."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from fastconv.cli_options import OUT, SHARDS_OPTIONS, SHOW_OPTIONS, with_options
from fastconv.cli_output import consoles, outcome, prepare_and_say
from fastconv.errors import UsageError

if TYPE_CHECKING:
    from fastconv.arrays.share_report import ShareReport

WITH_PLAN = ("plan", "only", "workers", "quiet", "as_json")  # what counts beside --plan
NOTES_SHOWN = 5


@click.command()
@with_options(OUT)
@with_options(*SHARDS_OPTIONS)
def plan(dry_run: bool, quiet: bool, as_json: bool, no_space_check: bool, **given: Any) -> int:
    """Plan the shards of SOURCE, for a job array to write: a share each with fastconv shards.

    The plan is written to DIR/plan; with --layout tfds to the folder of the dataset's version.
    SOURCE is what fastconv shards takes, and the options are the same.
    """
    from fastconv.arrays.planning import in_a_folder, put_plan
    from fastconv.display import display_for
    from fastconv.options import Options
    from fastconv.progress import Watch
    from fastconv.tables import plan_dict, plan_table

    options = Options(space_check=not no_space_check, **given)
    in_a_folder(options)
    _, status = consoles()
    with display_for(status, quiet) as display:
        watch = Watch(display.show)
        prepared = prepare_and_say(options, watch, status, dry_run, quiet)
        table, lines = plan_table(prepared)
        summary = plan_dict(prepared)
        if not dry_run:
            planned = put_plan(prepared, watch)
            lines += _next(str(planned.path), planned.shards, planned.kept, planned.finished)
            summary |= {
                "plan": None if planned.finished else str(planned.path),
                "shards": planned.shards,
                "kept_shards": planned.kept,
                "finished": planned.finished,
            }
    outcome(summary, lines, quiet, as_json, table)
    return 0


def _next(path: str, shards: int, kept: int, finished: bool) -> list[str]:
    """What was planned, and what to run."""
    root = path.rpartition("/")[0] or "."
    if finished:
        return [f"{root}: all {shards:,} shards and the manifest are there; nothing is to be done"]
    done = f", {kept:,} of them done already" if kept else ""
    return [
        f"{path}: the plan of {shards:,} shards{done}",
        f"next: fastconv shards --plan {shlex.quote(path)} --only K/N, for each K from 1 to N",
        f"then: fastconv finish {shlex.quote(root)}",
    ]


def require_out(context: click.Context) -> None:
    """Say of `fastconv shards` without --plan what click says where --out is missing."""
    if context.params["out"] is None:
        (out,) = (option for option in context.command.params if option.name == "out")
        raise click.MissingParameter(ctx=context, param=out)


def share(
    context: click.Context,
    named: str | None,
    only: str | None,
    workers: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """`fastconv shards --plan`."""
    if named is None:
        raise UsageError(
            "--only is for a share of a plan's shards; name the plan, with --plan, or write one "
            "with fastconv plan"
        )
    beside = [
        _as_given(context, option) if isinstance(option, click.Option) else "SOURCE"
        for option in context.command.params
        if option.name not in WITH_PLAN
        and context.get_parameter_source(str(option.name)) != ParameterSource.DEFAULT
    ]
    if beside:
        raise UsageError(
            f"{', '.join(beside)} and --plan: the plan says what is to be done; give these to "
            f"fastconv plan"
        )
    k, n = (1, 1) if only is None else _numbers(only)
    from fastconv.recruits import Recruits
    from fastconv.workers import usable_cores

    if workers is not None and workers < 1:
        raise UsageError(f"--workers is a whole number from 1 on, not {workers}")
    # Processes start while this one loads the rest.
    with Recruits(workers or usable_cores(), "fastconv.planfile") as recruits:
        from fastconv.arrays.shares import write_share
        from fastconv.display import display_for

        _, status = consoles()
        with display_for(status, quiet) as display:
            report = write_share(
                named, k, n, workers=workers, on_progress=display.show, recruits=recruits
            )
    outcome(report.as_dict(), _share_lines(report), quiet, as_json)
    return report.exit_code


def _as_given(context: click.Context, option: click.Option) -> str:
    """An option by the name that it was given by, of those of a switch."""
    off = option.secondary_opts and not context.params[str(option.name)]
    return str((option.secondary_opts if off else option.opts)[0])


def _numbers(only: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", only)
    if match is None:
        raise UsageError(f"--only is K/N, such as 3/16: share 3 of 16; not {only!r}")
    return int(match[1]), int(match[2])


def _share_lines(report: ShareReport) -> list[str]:
    from fastconv.display import duration, size

    share = f"{report.out}: share {report.share}/{report.shares}"
    if report.finished:
        return [f"{share}: the whole output is finished already; nothing was to be done"]
    if not report.shards:
        return [f"{share} has no shards: there are fewer shards than shares"]
    lines = [f"rewritten: {name} {why}" for name, why in report.rewritten[:NOTES_SHOWN]]
    if len(report.rewritten) > NOTES_SHOWN:
        lines.append(f"rewritten: and {len(report.rewritten) - NOTES_SHOWN:,} more")
    if report.kept_shards == report.shards:
        lines.append(f"{share}: all of its {report.shards:,} shards were there already")
    else:
        seconds = max(report.seconds, 1e-9)
        kept = f" ({report.kept_shards:,} of them kept)" if report.kept_shards else ""
        workers = f"{report.workers} worker{'s' if report.workers > 1 else ''}"
        lines.append(
            f"{share}: {report.shards:,} shards{kept}, {report.written_now:,} images in "
            f"{duration(report.seconds)} with {workers}: {report.written_now / seconds:,.0f} "
            f"images/s, {size(report.bytes_now / seconds)}/s"
        )
    for kind, notes in (("repaired", report.repaired), ("skipped", report.skipped)):
        lines += [f"{kind}: {note.image} ({note.reason})" for note in notes[:NOTES_SHOWN]]
        if len(notes) > NOTES_SHOWN:
            lines.append(f"{kind}: and {len(notes) - NOTES_SHOWN} more")
    return lines


@click.command()
@click.argument("out")
@with_options(*SHOW_OPTIONS)
def finish(out: str, quiet: bool, as_json: bool) -> int:
    """Make the shards that a job array wrote to OUT whole: manifest, labels, metadata.

    OUT then holds what fastconv shards writes on one machine. Where shards are missing, they are
    named, and the shares that make them.
    """
    from fastconv.arrays.finishing import finish as put_together
    from fastconv.display import display_for

    _, status = consoles()
    with display_for(status, quiet) as display:
        report = put_together(out, display.show)
    if report is None:
        text = f"{out}: is finished already; nothing was to be done"
        outcome({"out": out, "exit_code": 0, "finished_before": True}, [text], quiet, as_json)
        return 0
    from fastconv.tables import report_table

    table, lines = report_table(report)
    outcome({**report.as_dict(), "finished_before": False}, lines, quiet, as_json, table)
    return report.exit_code
