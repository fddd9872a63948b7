"""Columns of a table, CSV or Parquet, that become features of the images it names."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fastconv.catalog import Catalog, Classes, Int32Array, Int64Array, describe
from fastconv.errors import InputError, UsageError
from fastconv.names import Names, match
from fastconv.schema import Column, Kind, Schema

PARQUET_MAGIC = b"PAR1"
NO_FOLDER, OTHER_FOLDER = -1, -2
INT64 = range(-(2**63), 2**63)
Values = list[Any]  # of a row: a list of its kind's values


@dataclass(frozen=True, slots=True)
class Added:
    """Features that are added. ``cells``: of each row of the table, and behind them of an image
    without one, the values of each feature; ``rows``: of each catalog, the row of each image, int64
    (n,). ``facts``: of each feature its ``kind``, and whether it is ``single``: one value in every
    record; ``unused``: rows of the table whose images are not here."""

    cells: tuple[tuple[Values, ...], ...] = ()
    rows: tuple[Int64Array, ...] = ()
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    unused: int = 0

    def digest(self) -> str:
        """SHA-256 of what is added to which image."""
        sha = hashlib.sha256(repr(self.facts).encode())
        for row in (row for rows in self.rows for row in rows.tolist()):
            sha.update(repr(self.cells[row]).encode())
        return sha.hexdigest()


def read_columns(schema: Schema, catalogs: Sequence[Catalog], classes: Classes) -> Added:
    """The features that a schema adds to the images of these catalogs.

    Raises InputError, naming file and line or row, for a table that cannot be read, that names an
    image twice, or that lacks an image where that is not allowed.
    """
    table = schema.table
    if table is None:
        return Added()
    path = Path(table.file)
    keys, columns, row_name = _read(path, [table.key, *(c.column for c in schema.columns)])
    facts: dict[str, dict[str, Any]] = {}
    lists: list[list[Values]] = []
    for column, values in zip(schema.columns, columns, strict=True):
        kind, made = _of_kind(path, column, values, row_name)
        facts[column.feature] = {"kind": kind, "single": all(len(cell) == 1 for cell in made)}
        lists.append(made)
    without: Values = []
    cells = (*zip(*lists, strict=True), (without,) * len(schema.columns))
    names, groups = _keys(path, keys, classes, row_name)
    rows, used = [], set()
    for catalog in catalogs:
        row = _rows_of(catalog, names, groups)
        missing = np.flatnonzero(row < 0)
        if len(missing) and table.missing == "stop":
            first = int(missing[0])
            where = describe(
                catalog.containers[catalog.container[first]],
                catalog.names[first].decode("utf-8", "surrogateescape"),
                int(catalog.offset[first]),
            )
            raise InputError(
                f"{path}: has no row for {where} (of {catalog.split} images without one there are "
                f'{len(missing):,}); add them, or say missing = "empty" in the schema, which '
                f"leaves their features empty"
            )
        if len(missing):
            facts = {name: {**told, "single": False} for name, told in facts.items()}
        used.update(row[row >= 0].tolist())
        rows.append(np.where(row < 0, len(cells) - 1, row).astype(np.int64))
    return Added(cells, tuple(rows), facts, len(cells) - 1 - len(used))


# ---- the table ----------------------------------------------------------------------------------


def _read(path: Path, wanted: list[str]) -> tuple[list[Any], list[list[Any]], str]:
    """(the first column's values, those of the others, what a row is called in messages)."""
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == PARQUET_MAGIC
        if is_parquet:
            keys, *columns = _of_parquet(path, wanted)
            return keys, columns, "row"
        keys, *columns = _of_csv(path, wanted)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return keys, columns, "line"


def _refuse_unknown(path: Path, wanted: list[str], there: Sequence[str]) -> None:
    for name in wanted:
        if name not in there:
            raise InputError(
                f"{path}: has no column {name!r}; its columns are {', '.join(map(repr, there))}"
            )


def _of_csv(path: Path, wanted: list[str]) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in wanted]
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            _refuse_unknown(path, wanted, header)
            places = [header.index(name) for name in wanted]
            for cells in reader:
                if len(cells) != len(header):
                    if not cells:
                        continue
                    raise InputError(
                        f"{path}: line {reader.line_num} has {len(cells)} cells, the first line "
                        f"{len(header)}"
                    )
                for column, place in zip(columns, places, strict=True):
                    column.append(cells[place])
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8 at offset {error.start}") from None
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is no CSV: {error}") from None
    return columns


def _of_parquet(path: Path, wanted: list[str]) -> list[list[Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"{path}: is a Parquet file, which needs pyarrow: pip install 'fastconv[parquet]'"
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        _refuse_unknown(path, wanted, file.schema_arrow.names)
        read = file.read(columns=wanted)
        return [read.column(name).to_pylist() for name in wanted]
    except (pyarrow.ArrowException, ValueError) as error:
        raise InputError(f"{path}: is no Parquet file that can be read: {error}") from None


# ---- kinds --------------------------------------------------------------------------------------


def _of_kind(
    path: Path, column: Column, values: list[Any], row_name: str
) -> tuple[Kind, list[Values]]:
    """(a column's kind, its cells as lists of values of that kind). An empty cell of numbers is an
    empty list, and so is a null."""
    cells = [_listed(value) for value in values]
    kinds: tuple[Kind, ...] = (column.kind,) if column.kind else ("int64", "float", "bytes")
    for kind in kinds:
        made = [_converted(cell, kind) for cell in cells]
        if None not in made:
            return kind, [values for values in made if values is not None]
    number = made.index(None)
    first = 2 if row_name == "line" else 0
    raise InputError(
        f"{path}: {row_name} {number + first}: column {column.column!r} has {values[number]!r}, "
        f"which is no {kinds[-1]} value"
    )


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _converted(cell: list[Any], kind: Kind) -> Values | None:
    """A cell's values; None where they are not of this kind."""
    try:
        if kind == "bytes":
            return [v if isinstance(v, bytes) else _plain(v).encode("utf-8") for v in cell]
        if cell == [""]:
            return []
        if kind == "float":
            return [float(_number(v)) for v in cell]
        numbers = [int(_number(v)) if isinstance(v, str | int) else None for v in cell]
        return numbers if all(n in INT64 for n in numbers) else None
    except (ValueError, TypeError, OverflowError):
        return None


def _plain(value: Any) -> str:
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError


def _number(value: Any) -> Any:
    if isinstance(value, str):
        if "_" in value:  # which Python takes for a number
            raise ValueError
        return value
    if isinstance(value, int | float):
        return value
    raise TypeError


# ---- whose row it is ----------------------------------------------------------------------------


def _keys(path: Path, keys: list[Any], classes: Classes, row_name: str) -> tuple[Names, Int32Array]:
    """The images' names that a table has, and the class whose folder stands before each."""
    index = classes.index
    names, groups = [], []
    seen: dict[tuple[int, str], int] = {}
    for number, key in enumerate(keys):
        if not isinstance(key, str) or not key:
            raise InputError(f"{path}: {row_name} {number + 2 * (row_name == 'line')}: has no name")
        folder, _, base = key.rpartition("/")
        group = index.get(folder.rpartition("/")[2], OTHER_FOLDER) if folder else NO_FOLDER
        if (other := seen.setdefault((group, base), number)) != number:
            first = 2 * (row_name == "line")
            raise InputError(
                f"{path}: {row_name}s {other + first} and {number + first} are both of {key!r}"
            )
        names.append(base.encode("utf-8", "surrogateescape"))
        groups.append(group)
    return Names.of(names), np.array(groups, np.int32)


def _rows_of(catalog: Catalog, names: Names, groups: Int32Array) -> Int32Array:
    """The table's row of each image, int32 (n,), -1 where it has none: by class and name, by name
    alone, and by these without the name's extension."""
    loose = np.full(len(catalog), NO_FOLDER, np.int32)
    row = np.full(len(catalog), -1, np.int32)
    for whole in (True, False):
        for of in (catalog.klass, loose):
            found = match(catalog.names, of, names, groups, whole)
            row = np.where(row < 0, found, row).astype(np.int32)
    return row
