"""The tables of ``fastconv show``: records a row each, or the features of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from fastconv.errors import one_line
from fastconv.pictures.features import Feature
from fastconv.pictures.shown import Shown


def records_table(records: Iterable[Shown], with_shards: bool) -> Table:
    """A row for each record; with the shard's name where they are of several."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    if with_shards:
        table.add_column("shard", overflow="fold")
    for name in ("record", "offset", "bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("file name", overflow="fold")
    table.add_column("label", justify="right", overflow="fold")
    table.add_column("class", overflow="fold")
    table.add_column("text", overflow="fold")
    table.add_column("H x W", justify="right", no_wrap=True)
    table.add_column("boxes", justify="right", no_wrap=True)
    for record in records:
        cells = [record.shard] if with_shards else []
        cells += [
            str(record.record),
            "" if record.offset is None else str(record.offset),
            str(record.size),
            record.filename or "",
            "" if record.label is None else str(record.label),
            record.synset or "",
            record.text if record.text and record.text != record.synset else "",
            _sides(record),
            str(len(record.boxes) or ""),
        ]
        table.add_row(*map(_cell, cells))
    return table


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
