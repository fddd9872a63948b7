"""Columns of a table, CSV or Parquet, that become features of the images it names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastconv.catalog import Catalog, Classes, Int32Array, Int64Array, describe
from fastconv.errors import InputError
from fastconv.names import Names, match
from fastconv.options import clean_source
from fastconv.schema import Kind, Schema
from fastconv.sources.fetched import on_disk

if TYPE_CHECKING:
    from fastconv.sources.kinds_of_cells import Cells
    from fastconv.sources.table import Table

# Of an added feature in a record, besides its name and its values; and of a number.
ENTRY_BYTES, VALUE_BYTES = 16, 4
NO_FOLDER, OTHER_FOLDER = -1, -2
# What stands before a class's folder, where it says of which split the image is.
SPLITS = {"train": "train", "validation": "validation", "val": "validation"}


@dataclass(frozen=True, slots=True)
class AddedColumn:
    """A feature that is added: its ``name`` and kind; ``values``: int64 or float32 of shape (m,),
    or m texts; row r of the table has those from ``starts[r]`` to ``starts[r + 1]``, int64. Its
    last row is that of images without one, and has none."""

    name: str
    kind: Kind
    starts: Int64Array
    values: npt.NDArray[np.int64] | npt.NDArray[np.float32] | Names

    def taken(self, rows: Int64Array) -> tuple[Int64Array, Any]:
        """(how many values each of these rows has, all of these)."""
        counts = np.diff(self.starts)[rows]
        before = np.cumsum(counts) - counts
        places = np.repeat(self.starts[rows] - before, counts) + np.arange(counts.sum())
        if isinstance(self.values, Names):
            return counts, self.values.take(places)
        return counts, self.values[places]


@dataclass(frozen=True, slots=True)
class Added:
    """Features that are added. ``rows``: of each catalog, the table's row of each image, int64
    (n,); ``unused``: rows of the table whose images are not here."""

    columns: tuple[AddedColumn, ...] = ()
    rows: tuple[Int64Array, ...] = ()
    unused: int = 0

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """Of each feature its ``kind``, and whether it is ``single``: one value in every record."""
        facts = {}
        for column in self.columns:
            counts = np.diff(column.starts)
            single = all(bool((counts[rows] == 1).all()) for rows in self.rows)
            facts[column.name] = {"kind": column.kind, "single": single}
        return facts

    def bytes_of(self, catalog: int) -> int:
        """About how many bytes are added to all records of a catalog, counted from 0."""
        total = 0
        for column in self.columns:
            rows = self.rows[catalog]
            values = column.taken(rows)[1]
            total += (ENTRY_BYTES + len(column.name.encode())) * len(rows)
            total += len(values.blob) if isinstance(values, Names) else VALUE_BYTES * len(values)
        return total

    def digest(self) -> str:
        """SHA-256 of what is added to which image."""
        sha = hashlib.sha256(repr(self.facts).encode())
        for column in self.columns:
            for rows in self.rows:
                counts, values = column.taken(rows)
                sha.update(counts.data)
                parts = (values.starts, values.blob) if isinstance(values, Names) else (values,)
                for part in parts:
                    sha.update(np.ascontiguousarray(part).data)
        return sha.hexdigest()


def read_columns(schema: Schema, catalogs: Sequence[Catalog], classes: Classes) -> Added:
    """The features that a schema adds to the images of these catalogs.

    Raises InputError, naming file and line or row, for a table that cannot be read, that names an
    image twice, that lacks an image where that is not allowed, or that has one row for several.
    """
    if schema.table is None:
        return Added()
    from fastconv.sources.table import read_table  # what few jobs need is not loaded for all

    wanted = [schema.table.key, *(column.column for column in schema.columns)]
    with on_disk(clean_source(schema.table.file, "the table of --schema")) as local:
        return _added(schema, read_table(local, wanted), catalogs, classes)


def _added(schema: Schema, table: Table, catalogs: Sequence[Catalog], classes: Classes) -> Added:
    from fastconv.sources.kinds_of_cells import values_of

    assert schema.table is not None
    keys, *cells = table.columns
    names, groups = _keys(table, keys, classes)
    rows = [_rows_of(catalog, names, groups, len(classes)) for catalog in catalogs]
    used = np.bincount(np.concatenate([np.empty(0, np.int32), *(r[r >= 0] for r in rows)]),
                       minlength=len(names))  # fmt: skip
    if used.max(initial=0) > 1:
        _refuse_shared(table, keys.values, int(np.flatnonzero(used > 1)[0]), catalogs, rows)
    if schema.table.missing == "stop":
        for catalog, row in zip(catalogs, rows, strict=True):
            _refuse_missing(table, catalog, row)
    columns = []
    for column in schema.columns:
        kind, starts, values = values_of(cells.pop(0), column, table.where)
        columns.append(AddedColumn(column.feature, kind, np.append(starts, starts[-1]), values))
    all_rows = tuple(np.where(row < 0, len(names), row).astype(np.int64) for row in rows)
    return Added(tuple(columns), all_rows, int((used == 0).sum()))


# ---- whose row it is ----------------------------------------------------------------------------


def _keys(table: Table, keys: Cells, classes: Classes) -> tuple[Names, Int32Array]:
    """The images' names that a table has, and of each what stands before it: its class's folder,
    or before that also its split's."""
    index, count = classes.index, len(classes)
    names, groups = [], []
    for number, key in enumerate(keys.values):
        if not isinstance(key, str) or not key:
            raise InputError(f"{table.where(number)}: has no name of an image")
        folder, _, base = key.rpartition("/")
        group = NO_FOLDER
        if folder:
            before, _, name = folder.rpartition("/")
            group = index.get(name, OTHER_FOLDER)
            split = SPLITS.get(before.rpartition("/")[2])
            if split and group >= 0:
                group += _split_base(split, count)
        names.append(base.encode("utf-8", "surrogateescape"))
        groups.append(group)
    made, of = Names.of(names), np.array(groups, np.int32)
    same = match(made, of, made, of, whole=True)  # the last row of the same name
    if len(twice := np.flatnonzero(same != np.arange(len(made)))):
        first = int(twice[0])
        raise InputError(
            f"{table.where(first)}: names {keys.values[first]!r}, and so does "
            f"{table.row_name(int(same[first]))}; leave one of them"
        )
    return made, of


def _split_base(split: str, classes: int) -> int:
    return classes if split == "train" else 2 * classes


def _rows_of(catalog: Catalog, names: Names, groups: Int32Array, classes: int) -> Int32Array:
    """The table's row of each image, int32 (n,), -1 where it has none: by split, class and name, by
    class and name, by name alone, and by these without the name's extension."""
    own = catalog.klass.astype(np.int32)
    loose = np.full(len(catalog), NO_FOLDER, np.int32)
    row = np.full(len(catalog), -1, np.int32)
    for whole in (True, False):
        for of in (own + np.int32(_split_base(catalog.split, classes)), own, loose):
            found = match(catalog.names, of, names, groups, whole)
            row = np.where(row < 0, found, row).astype(np.int32)
    return row


def _where(catalog: Catalog, image: int) -> str:
    return describe(
        catalog.containers[catalog.container[image]],
        catalog.names[image].decode("utf-8", "surrogateescape"),
        int(catalog.offset[image]),
    )


def _refuse_missing(table: Table, catalog: Catalog, rows: Int32Array) -> None:
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise InputError(
            f"{table.path}: has no row for {_where(catalog, int(missing[0]))} (of {catalog.split} "
            f"images without one there are {len(missing):,}); add them, or say missing = "
            f'"empty" in the schema, which leaves their features empty'
        )


def _refuse_shared(
    table: Table, keys: list[Any], number: int, catalogs: Sequence[Catalog], rows: list[Int32Array]
) -> None:
    images = [
        _where(catalog, int(image))
        for catalog, row in zip(catalogs, rows, strict=True)
        for image in np.flatnonzero(row == number)[:2]
    ]
    raise InputError(
        f"{table.where(number)}: {keys[number]!r} could be {images[0]}, or {images[1]}; name them "
        f"with their folders and extensions, as train/class/name.jpg"
    )
