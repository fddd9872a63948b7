"""``fastconv report``: a page that says what an output holds."""

from __future__ import annotations

from typing import Any

import click

from fastconv.cli_options import PROCESSES, SHOW_OPTIONS, on_disk, with_options
from fastconv.cli_output import consoles, outcome


@click.command()
@click.argument("out", callback=on_disk)
@click.option(
    "--html",
    required=True,
    metavar="FILE",
    help="The page; an earlier one there is replaced.",
    callback=on_disk,
)
@click.option("--title", metavar="TEXT", help="Its title [the name of OUT's folder].")
@click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Check the output as fastconv verify does, and say what was found.",
)
@click.option(
    "--sample-records",
    type=click.IntRange(1),
    metavar="N",
    help="Read the sizes and boxes of about N records [all].",
)
@click.option(
    "--licence-file", metavar="FILE", help="The dataset's licence, a text, in place of ImageNet's."
)
@click.option(
    "--citation-file", metavar="FILE", help="How it is cited, a text, in place of ImageNet's."
)
@with_options(PROCESSES, *SHOW_OPTIONS)
def report(out: str, html: str, quiet: bool, as_json: bool, **given: Any) -> int:
    """Write a page about OUT: what it holds, how it was made, whether it is whole.

    OUT is an output of fastconv's, a folder of TFRecord files, whoever wrote them, or one such
    file. The page is one HTML file that opens from disk and loads nothing. Exit code 5 where
    verifying finds something; the page is written all the same.
    """
    from fastconv.display import display_for, duration, size
    from fastconv.page.damage import counted
    from fastconv.page.write import write_report

    _, status = consoles()
    with display_for(status, quiet) as display:
        written = write_report(out, html, on_progress=display.show, **given)
    found = {None: "not verified", 0: "nothing is wrong"}.get(
        written.found, counted(written.found or 0, "finding")
    )
    line = (
        f"{written.html}: {size(written.bytes)}, of {counted(written.shards, 'shard')} with "
        f"{counted(written.records, 'record')}, in {duration(written.seconds)}: {found}"
    )
    outcome(written.as_dict(), [line], quiet, as_json)
    return written.exit_code
