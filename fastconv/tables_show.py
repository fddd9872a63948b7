"""The tables of ``fastconv show``: records a row each, or the features of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from fastconv.errors import one_line
from fastconv.pictures.features import Feature
from fastconv.pictures.shown import Shown

TEXT_MAX = 60  # characters of a cell
GAP = 2  # between columns
NUMBERS = ("record", "offset", "bytes", "label", "H x W", "boxes")
ALWAYS = ("record", "bytes")
COLUMNS = (
    *("shard", "record", "offset", "bytes", "file name", "label", "class", "text", "H x W"),
    "boxes",
)
# Where there is no room for all, these are cut, down to so many characters, then those left out.
CUT = {"text": 12, "file name": 17, "shard": 20, "class": 9}
LEFT_OUT = ("offset", "bytes", "class", "text", "boxes", "shard", "H x W")


def records_table(records: Iterable[Shown], with_shards: bool, room: int) -> Table:
    """A row for each record, in `room` columns of the terminal; with the shard's name where they
    are of several. A column in which nothing would stand is left out."""
    rows = [_row(record) for record in records]
    filled = [
        name
        for name in COLUMNS
        if (with_shards if name == "shard" else name in ALWAYS or any(row[name] for row in rows))
    ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, width in _widths(rows, filled, room).items():
        justify: Literal["left", "right"] = "right" if name in NUMBERS else "left"
        table.add_column(name, justify=justify, no_wrap=True, overflow="ellipsis", width=width)
    for row in rows:
        table.add_row(*(_cell(row[str(column.header)]) for column in table.columns))
    return table


def _widths(rows: list[dict[str, str]], names: list[str], room: int) -> dict[str, int]:
    """By column, for those that there is room for."""
    full = {
        name: max(cell_len(name), *(cell_len(one_line(row[name])) for row in rows), 0)
        for name in names
    }
    widths = full
    for gone in ("", *LEFT_OUT):
        full.pop(gone, None)
        widths = dict(full)
        missing = sum(widths.values()) + GAP * len(widths) - room
        for name, least in CUT.items():
            if name in widths and missing > 0:
                less = min(missing, max(widths[name] - least, 0))
                widths[name] -= less
                missing -= less
        if missing <= 0:
            break
    return widths


def _row(record: Shown) -> dict[str, str]:
    """By column."""
    return {
        "shard": record.shard,
        "record": str(record.record),
        "offset": "" if record.offset is None else str(record.offset),
        "bytes": str(record.size),
        "file name": _short(record.filename),
        "label": "" if record.label is None else _short(str(record.label)),
        "class": _short(record.synset),
        "text": _short(record.text) if record.text != record.synset else "",
        "H x W": _sides(record),
        "boxes": str(len(record.boxes) or ""),
    }


def _sides(record: Shown) -> str:
    if record.height is None or record.width is None:
        return ""
    return f"{record.height} x {record.width}"


def features_table(features: Sequence[Feature]) -> Table:
    """A row for each feature of a record."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("feature", no_wrap=True, overflow="ellipsis")
    table.add_column("kind")
    table.add_column("count", justify="right")
    table.add_column("values", overflow="fold")
    for one in features:
        table.add_row(*map(_cell, (one.name, one.kind, f"{one.count:,}", one.shown)))
    return table


def _cell(text: str) -> Text:
    return Text(one_line(text))


def _short(text: str | None) -> str:
    """As much of a text as a table takes."""
    text = text or ""
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"
