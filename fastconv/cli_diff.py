"""``fastconv diff``: two outputs compared, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from fastconv.cli_options import PROCESSES, SHOW_OPTIONS, on_disk, with_options
from fastconv.cli_output import consoles, outcome

if TYPE_CHECKING:
    from fastconv.comparison import Difference, DiffReport


@click.command()
@click.argument("a", callback=on_disk)
@click.argument("b", callback=on_disk)
@click.option("--bytes", "same_bytes", is_flag=True, help="Equal features are not enough.")
@click.option(
    "--any-order",
    is_flag=True,
    help="Match records by a key wherever they stand: for other shard counts or another shuffle.",
)
@click.option(
    "--key",
    multiple=True,
    metavar="FEATURE",
    help="The key for --any-order; may be repeated [image/filename, and the class if needed].",
)
@click.option(
    "--ignore", multiple=True, metavar="FEATURE", help="Pass this feature over; may be repeated."
)
@click.option(
    "--float-tolerance",
    type=float,
    default=0.0,
    metavar="X",
    help="Floats that differ by no more than X are equal [0: the same bits].",
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="How many differences are shown; all are counted.",
)
@with_options(PROCESSES, *SHOW_OPTIONS)
def diff(a: str, b: str, quiet: bool, as_json: bool, **given: Any) -> int:
    """Compare A and B: are they the same dataset? Exit code 0 if they are, 5 if not.

    Each is an output of fastconv's, a folder of TFRecord files, whoever wrote them, or one such
    file. Where bytes differ, record k is compared with record k, feature by feature.
    """
    from fastconv.comparison import diff as compare
    from fastconv.display import display_for

    _, status = consoles()
    with display_for(status, quiet) as display:
        report = compare(a, b, on_progress=display.show, **given)
    outcome(report.as_dict(), _lines(report), quiet, as_json)
    return report.exit_code


def _lines(report: DiffReport) -> Iterator[str]:
    for difference in report.differences:
        yield from _difference(difference)
    if report.total > len(report.differences):
        more = report.total - len(report.differences)
        yield f"and {more:,} more difference{'s' if more > 1 else ''}; see --limit"
    for note in report.notes:
        yield f"note: {note}"
    files = (
        f"{report.files_a:,}"
        if report.files_a == report.files_b
        else f"{report.files_a:,} | {report.files_b:,}"
    )
    yield f"files: {files}, of them with the same bytes: {report.equal_files:,}"
    if report.records:
        text = f"records compared: {report.records:,}"
        if report.other_bytes:
            text += f"; same records, other bytes: {report.other_bytes:,}"
        if report.elsewhere:
            text += f"; at another place: {report.elsewhere:,}"
        yield text
    if report.features:
        parts = (f"{name} {count:,}" for name, count in report.features.items())
        yield f"features that differ: {', '.join(parts)}"
    yield f"{report.a} | {report.b}: {_verdict(report)}"


def _verdict(report: DiffReport) -> str:
    if report.same:
        if report.files_a == report.files_b == report.equal_files:
            return "the same, byte for byte"
        return "the same records"
    names = {
        "record": "records differ",
        "bytes": "records differ in bytes",
        "only in A": "records only in A",
        "only in B": "records only in B",
        "file": "files only on one side",
        "damaged": "damaged files",
        "index": "indexes differ",
        "labels": "labels differ",
    }
    return "NOT the same: " + ", ".join(
        f"{names[kind]}: {count:,}" for kind, count in report.counts.items()
    )


def _difference(difference: Difference) -> Iterator[str]:
    a, b = difference.a, difference.b
    keys = [difference.key_a, difference.key_b]
    if keys[0] == keys[1] or a is None or b is None:
        keys = [keys[0] or keys[1]]
    key = f" ({' | '.join(one or 'no name' for one in keys)})" if any(keys) else ""
    if a is None or b is None:
        side, place = ("A", a) if b is None else ("B", b)
        if difference.kind == "damaged":
            yield f"damaged in {side}: {difference.text}"
        else:
            yield f"only in {side}: {place}{key}"
        return
    where = f"{a}" if (a.file, a.record) == (b.file, b.record) else f"{a} | {b}"
    text = f": {difference.text}" if difference.text else ""
    yield f"differs: {where}{key}{text}"
    shown = difference.features
    if len(keys) > 1 and len(shown) > 1:
        # Two different images: that all else differs, too, is no news.
        names = ", ".join(one.feature for one in shown[1:])
        shown = shown[:1]
    else:
        names = ""
    for one in shown:
        yield f"  {one.feature}: {one.a or 'not there'} | {one.b or 'not there'}"
    if names:
        yield f"  and {names}"
