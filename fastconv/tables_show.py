"""The tables of ``fastconv show``: records a row each, or the features of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from fastconv.errors import one_line
from fastconv.pictures.features import Feature
from fastconv.pictures.shown import Shown

TEXT_MAX = 60  # characters of a cell
NUMBERS = ("record", "offset", "bytes", "H x W", "boxes")
ALWAYS = ("record", "bytes", "label", "H x W")
COLUMNS = (
    *("shard", "record", "offset", "bytes", "file name", "label", "class", "text", "H x W"),
    "boxes",
)


def records_table(records: Iterable[Shown], with_shards: bool) -> Table:
    """A row for each record; with the shard's name where they are of several. A column in which
    nothing would stand is left out."""
    rows = [_row(record) for record in records]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in COLUMNS:
        filled = with_shards if name == "shard" else any(row[name] for row in rows)
        if filled or name in ALWAYS:
            justify: Literal["left", "right"] = "right" if name in (*NUMBERS, "label") else "left"
            table.add_column(name, justify=justify, no_wrap=name in NUMBERS, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[str(column.header)]) for column in table.columns))
    return table


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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("feature", overflow="fold")
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
