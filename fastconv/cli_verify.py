"""``fastconv verify``: an output checked, and repaired, and what is said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fastconv.cli_options import PROCESSES, SHOW_OPTIONS, SOURCE_PATHS, on_disk, with_options
from fastconv.cli_output import consoles, outcome

if TYPE_CHECKING:
    from fastconv.checking.findings import VerifyReport

SHOWN_AT_MOST = 40


@click.command()
@click.argument("out", callback=on_disk)
@click.option("--decode", is_flag=True, help="Decode every image.")
@click.option(
    "--against-source", is_flag=True, help="Compare every record with the source it came from."
)
@click.option(
    "--repair",
    is_flag=True,
    help="Write what is bad or missing again, from the source that the manifest remembers.",
)
@click.option("--source", metavar="PATH", help="Where SOURCE is now; all of its parts.")
@with_options(*SOURCE_PATHS)
@click.option("--columns", metavar="FILE", help="Where the table of added features is now.")
@with_options(PROCESSES, *SHOW_OPTIONS)
def verify(out: str, repair: bool, quiet: bool, as_json: bool, **given: Any) -> int:
    """Check what is in OUT: every frame, checksum, Example, index, image header.

    OUT is an output of fastconv's, a folder of TFRecord files, whoever wrote them, or one such
    file. Exit code 0 where nothing is wrong, 5 where anything is.
    """
    from fastconv.checking.whole import MODULE
    from fastconv.recruits import Recruits
    from fastconv.workers import usable_cores

    # Processes start while this one loads the rest.
    with Recruits(given["workers"] or usable_cores(), MODULE) as recruits:
        from fastconv.display import display_for

        if repair:
            from fastconv.repair import verify_and_repair as check
        else:
            from fastconv.checking.whole import verify as check
        _, status = consoles()
        with display_for(status, quiet) as display:
            report = check(out, on_progress=display.show, recruits=recruits, **given)
    outcome(report.as_dict(), _lines(report), quiet, as_json)
    return report.exit_code


def _lines(report: VerifyReport) -> list[str]:
    from fastconv.display import duration, size

    lines = [str(finding) for finding in report.findings[:SHOWN_AT_MOST]]
    if report.found > len(lines):
        lines.append(f"and {report.found - len(lines):,} more findings; --json has more of them")
    lines += [f"repaired: {name}" for name in report.repaired[:SHOWN_AT_MOST]]
    if len(report.repaired) > SHOWN_AT_MOST:
        lines.append(f"repaired: and {len(report.repaired) - SHOWN_AT_MOST:,} more files")
    lines.append(f"held to: {'; '.join(report.checked)}")
    speed = size(report.bytes / max(report.seconds, 1e-9))
    workers = f"{report.workers} worker{'s' if report.workers > 1 else ''}"
    verdict = "nothing is wrong"
    if report.found:
        verdict = f"{report.found:,} finding{'s' if report.found > 1 else ''}"
        if report.bad_shards or report.bad_indexes:
            bad = len(report.bad_shards), len(report.bad_indexes)
            verdict += f"; bad or missing: {bad[0]:,} shards, {bad[1]:,} indexes"
    lines.append(
        f"{report.out}: {report.shards:,} shards, {report.records:,} records, "
        f"{size(report.bytes)} in {duration(report.seconds)} with {workers} ({speed}/s): {verdict}"
    )
    return lines
