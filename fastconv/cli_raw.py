"""``fastconv raw``: class folders for PyTorch, and what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from fastconv.cli_options import (
    JOB_OPTIONS,
    OUT,
    SHOW_OPTIONS,
    SOURCE_OPTIONS,
    WORKERS,
    on_error,
    with_options,
)
from fastconv.cli_output import consoles, outcome, say

if TYPE_CHECKING:
    from fastconv.folders.prepare import Prepared
    from fastconv.folders.report import FolderReport

SHOWN_AT_MOST = 5


@click.command()
@with_options(*SOURCE_OPTIONS)
@with_options(OUT)
@click.option(
    "--links",
    is_flag=True,
    help="Make symbolic links onto the images of a SOURCE that is folders; write no image.",
)
@with_options(on_error("an image without a label, or a bad box file"))
@with_options(WORKERS)
@with_options(*JOB_OPTIONS)
@with_options(*SHOW_OPTIONS)
def raw(dry_run: bool, quiet: bool, as_json: bool, no_space_check: bool, **given: Any) -> int:
    """Write SOURCE's images to class folders: DIR/train/<class>/, DIR/validation/<class>/.

    Bytes and times of the images stay as they are. Boxes go to DIR/boxes.csv, the classes to
    DIR/labels.txt. SOURCE is a folder, as for fastconv shards.
    """
    from fastconv.options import FolderOptions
    from fastconv.recruits import Recruits

    options = FolderOptions(space_check=not no_space_check, **given)
    from fastconv.folders.prepare import prepare
    from fastconv.folders.whole import PIECES, carry_out, started_ahead

    # Processes start while this one loads the rest, and lists the source.
    with Recruits() if dry_run else started_ahead(options.workers) as recruits:
        from fastconv.display import display_for
        from fastconv.progress import Watch
        from fastconv.tables import source_lines

        _, status = consoles()
        with display_for(status, quiet) as display:
            watch = Watch(display.show, PIECES)
            prepared = prepare(options, watch, to_write=not dry_run)
            if not quiet:
                say(status, source_lines(prepared.dataset, prepared.checked))
                say(status, [f"note: {archive}" for archive in prepared.dataset.cut])
            if not dry_run:
                report = carry_out(prepared, watch, recruits)
    if dry_run:
        outcome(_plan(prepared), _plan_lines(prepared), quiet, as_json)
        return 0
    outcome(report.as_dict(), _lines(report), quiet, as_json)
    return report.exit_code


def _plan(prepared: Prepared) -> dict[str, Any]:
    from fastconv.preflight import room_at, shortage

    options, need = prepared.options, prepared.need(set())
    room = room_at(options.out_path)
    missing = shortage(options.out_path, need.bytes, need.files, need.exact)
    facts = prepared.facts()
    return {
        "out": str(options.out_path),
        "links": options.links,
        "source": facts["source"],
        "classes": facts["classes"],
        "splits": facts["plan"],
        "boxes": prepared.box_count,
        "bytes_needed": need.bytes,
        "bytes_free": room.bytes,
        "files_needed": need.files,
        "files_free": room.files,
        "fits": missing is None,
    }


def _plan_lines(prepared: Prepared) -> list[str]:
    from fastconv.display import size
    from fastconv.preflight import room_at, shortage

    options, need = prepared.options, prepared.need(set())
    what = "links" if options.links else "files"
    lines = [
        f"{split['split']}: {split['images']:,} {what} in {len(classes):,} class folders, "
        f"{size(split['bytes'])}"
        for split in prepared.facts()["plan"]
        for classes in [{part.klass for part in prepared.parts if part.split == split["split"]}]
    ]
    if prepared.boxes:
        lines.append(f"boxes.csv: {prepared.box_count:,} boxes")
    room = room_at(options.out_path)
    free = "an unknown space" if room.bytes is None else size(room.bytes)
    missing = shortage(options.out_path, need.bytes, need.files, need.exact)
    line = f"disk at {options.out_path}: about {size(need.bytes)} needed, {free} free"
    return [*lines, f"{line}; THIS DOES NOT FIT: {missing.text}" if missing else line]


def _lines(report: FolderReport) -> list[str]:
    from fastconv.display import duration, size

    what = "links" if report.links else "files"
    lines = [
        f"{split.split}: {split.written:,} {what} in {split.classes:,} class folders, "
        f"{size(split.bytes)}"
        for split in report.splits
    ]
    if report.boxes:
        lines.append(f"boxes.csv: {report.boxes:,} boxes")
    lines += [f"odd: {text}" for text in report.odd]
    lines += _some("skipped", [f"{note.image} ({note.reason})" for note in report.skipped])
    lines += _some("rewritten", [f"{name}: {reason}" for name, reason in report.rewritten])
    if report.kept_parts == report.parts:
        by = "names and where they lead" if report.links else "names and sizes"
        wrote = "none of them was written" if report.rewritten else "nothing was written"
        return [*lines, f"{report.out}: all {what} were there, whole by {by}; {wrote}"]
    if report.kept_parts:
        lines.append(f"resumed: {report.kept_images:,} of {report.written:,} {what} kept")
    images, seconds = report.written - report.kept_images, max(report.seconds, 1e-9)
    workers = f"{report.workers} worker{'s' if report.workers > 1 else ''}"
    speed = "" if report.links else f", {size((report.bytes - report.kept_bytes) / seconds)}/s"
    lines.append(
        f"{report.out}: {images:,} {what} in {duration(report.seconds)} with {workers}: "
        f"{images / seconds:,.0f} {what}/s{speed}"
    )
    return lines


def _some(kind: str, texts: list[str]) -> list[str]:
    lines = [f"{kind}: {text}" for text in texts[:SHOWN_AT_MOST]]
    if len(texts) > SHOWN_AT_MOST:
        lines.append(f"{kind}: and {len(texts) - SHOWN_AT_MOST:,} more; --json has them all")
    return lines
