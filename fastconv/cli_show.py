"""``fastconv show``: what is in shards, in a table, on a sheet of pictures, in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from fastconv.cli_options import SHOW_OPTIONS, on_disk, with_options
from fastconv.cli_output import columns as columns_of_output
from fastconv.cli_output import outcome, picture, pictures_wanted, terminal_window
from fastconv.errors import InputError, UsageError

if TYPE_CHECKING:
    from fastconv.pictures.places import Place
    from fastconv.pictures.shown import Shown
    from fastconv.show import Looked

WIDE = 160  # columns where no terminal says how many there are
ONE_SIDE = 512  # pixels of the only picture


@click.command()
@click.argument("path", callback=on_disk)
@click.option("--record", type=click.IntRange(0), metavar="N", help="All features of record N.")
@click.option(
    "--class",
    "of_class",
    metavar="NAME",
    help="Only records of this class: its name (a WNID), its label, or its whole text.",
)
@click.option("--random", type=click.IntRange(1), metavar="N", help="N records at random.")
@click.option("--seed", type=click.IntRange(0), metavar="N", help="The seed of --random [0].")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="The first N records [20].")
@click.option(
    "--sheet",
    metavar="FILE",
    help="Write the records' pictures to this .png or .jpg file.",
    callback=on_disk,
)
@click.option(
    "--columns", type=click.IntRange(1, 64), metavar="N", help="Pictures in a row of it [a few]."
)
@click.option(
    "--side",
    type=click.IntRange(48, 1024),
    metavar="N",
    help="Pixels of a picture's longer side [224; 512 for one].",
)
@click.option(
    "--picture/--no-picture",
    "wanted",
    default=None,
    help="Show the pictures in the terminal, or do not [where it can].",
)
@with_options(*SHOW_OPTIONS)
def show(
    path: str,
    record: int | None,
    sheet: str | None,
    columns: int | None,
    side: int | None,
    wanted: bool | None,
    quiet: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Show what is in PATH: its records in a table, one of them, or their pictures.

    PATH is a shard, an output of fastconv's, or a folder of TFRecord files, whoever wrote them.
    Pictures are as they are stored, with their boxes.
    """
    from fastconv.options import clean_path
    from fastconv.pictures.sheet import (
        PICTURES_MAX,
        check_size,
        contact_sheet,
        save_sheet,
        sheet_format,
    )
    from fastconv.show import damage, look, one, pick, refuse_sheet, totals

    if record is not None and (given["random"] or given["limit"] or given["of_class"] is not None):
        raise UsageError("--record is one record; --class, --random and --limit choose others")
    if as_json and wanted:
        raise UsageError("--json and --picture cannot both be printed; use --sheet")
    if given["seed"] is not None and given["random"] is None:
        raise UsageError("--seed is of --random, which is not given")
    how = None if quiet or as_json else pictures_wanted(wanted)
    if sheet is None and how is None and (columns or side):
        option = "--columns" if columns else "--side"
        raise UsageError(f"{option} is of pictures, and none are shown; give --sheet or --picture")
    target = clean_path(sheet, "--sheet", absolute=False) if sheet is not None else None
    if target is not None:
        sheet_format(target)
    looked = look(path)
    if target is not None:
        refuse_sheet(target, looked)
    if record is not None:
        place, payload = one(looked, record)
        side = side or ONE_SIDE
        places, what = [place], ""
    else:
        picked = pick(
            looked,
            limit=given["limit"],
            of_class=given["of_class"],
            at_random=given["random"],
            seed=given["seed"] or 0,
        )
        places, what = picked.places, picked.what
        side = side or (ONE_SIDE if len(places) == 1 else 224)
    if target is not None and len(places) > PICTURES_MAX:
        raise UsageError(f"a sheet takes {PICTURES_MAX:,} pictures, not {len(places):,}")
    if target is not None and not places:
        raise InputError(f"{path}: holds no records, so there is nothing to put on a sheet")
    if target is not None:
        check_size(len(places), columns, side, target)
    kept: list[Shown] = []
    records = looked.picker.shown(places)
    if target is not None:
        title = _title(looked, places, what)
        drawn = contact_sheet(_kept(records, kept), columns=columns, side=side, title=title)
        save_sheet(drawn, target)
    else:
        kept = [one.without_image() for one in records]
    summary: dict[str, Any]
    room = columns_of_output(WIDE)
    if record is not None:
        summary, table, lines = _of_one(kept[0], payload, places[0])
        damaged = None
    else:
        count, damaged = damage(looked)
        if damaged is not None and as_json:
            raise damaged
        summary = {**totals(looked, count), "shown": [one.as_dict() for one in kept]}
        table, lines = _of_many(looked, kept, count, what, room)
    if target is not None:
        summary["sheet"] = str(target)
        lines.append(f"{target}: a sheet of {len(kept):,} picture{'s' if len(kept) > 1 else ''}")
    outcome(summary, lines, quiet, as_json, table, room)
    if how is not None:
        _show_pictures(looked, places, how, side, columns)
    if damaged is not None:
        raise damaged
    return 0


def _kept(records: Iterable[Shown], kept: list[Shown]) -> Iterator[Shown]:
    for one in records:
        kept.append(one.without_image())
        yield one


def _title(looked: Looked, places: list[Place], what: str) -> str:
    if not what:
        return f"{places[0].shard}: record {places[0].record}"
    return f"{looked.path}: {what}"


def _of_one(record: Shown, payload: bytes, place: Place) -> tuple[dict[str, Any], Any, list[str]]:
    from fastconv.display import size
    from fastconv.pictures.features import features_of
    from fastconv.pictures.pick import where
    from fastconv.pictures.shown import parsed
    from fastconv.tables_show import features_table

    features = features_of(parsed(payload, where(place)))
    summary = {
        "path": str(place.shard),
        **record.as_dict(),
        "features": [one.as_dict() for one in features],
    }
    count = f"{len(features):,} feature{'' if len(features) == 1 else 's'}"
    return summary, features_table(features), [f"{where(place)}: {count}, {size(place.size)}"]


def _of_many(
    looked: Looked, kept: list[Shown], count: int | None, what: str, room: int
) -> tuple[Any, list[str]]:
    from fastconv.comparison.sides import named
    from fastconv.display import size
    from fastconv.tables_show import records_table

    shards = len(looked.sizes)
    parts = [] if looked.single else [f"{shards:,} shard{'' if shards == 1 else 's'}"]
    if count is not None:
        parts.append(f"{count:,} record{'' if count == 1 else 's'}")
    else:
        parts.append("records not counted")
    parts.append(size(looked.bytes))
    lines = [f"{looked.path}: {', '.join(parts)}; shown: {what}"]
    if looked.passed_over:
        why = "the manifest does not name them" if looked.is_output else "no TFRecord files"
        lines.append(f"passed over, as {why}: {named(list(looked.passed_over))}")
    return records_table(kept, shards > 1, room), lines


def _show_pictures(
    looked: Looked, places: list[Place], how: str, side: int, columns: int | None
) -> None:
    """Rows of a sheet, one after the other, so that each fits into the window."""
    from fastconv.pictures.sheet import GAP, MARGIN, contact_sheet
    from fastconv.pictures.terminal import SIGNS, escapes

    room = terminal_window()
    fit = max(1, (room.width - 2 * MARGIN + GAP) // (side + GAP))
    columns = min(columns or fit, fit, max(len(places), 1))
    for begin in range(0, len(places), columns):
        row = looked.picker.shown(places[begin : begin + columns])
        # Letters of coloured signs could not be read.
        strip = contact_sheet(row, columns=columns, side=side, captions=how != SIGNS)
        picture(escapes(strip, how, room))
