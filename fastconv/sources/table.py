"""A table's columns, from a CSV file or one of Parquet, as they stand there."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastconv.errors import InputError, UsageError
from fastconv.regular import regular
from fastconv.schema import Kind
from fastconv.sources.kinds_of_cells import Cells

PARQUET_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Table:
    """``columns``: those that were asked for, in that order."""

    path: Path
    columns: list[Cells]
    is_parquet: bool

    def where(self, row: int) -> str:
        """File and row, counted from 0, for messages."""
        return f"{self.path}: {self.row_name(row)}"

    def row_name(self, row: int) -> str:
        if self.is_parquet:
            return f"row {row}"
        try:  # looked for only now: a cell can hold line breaks, and a line can be empty
            with open(self.path, encoding="utf-8-sig", newline="", opener=regular) as file:
                reader = csv.reader(file, strict=True)
                next(reader, None)
                before, _ = next(itertools.islice(_rows(reader), row, None))
                return f"line {before + 1}"
        except (OSError, ValueError, StopIteration, csv.Error):
            return f"row {row}"


def read_table(path: Path, wanted: list[str]) -> Table:
    """These columns of a file. Raises InputError, naming file and line, for what cannot be read,
    and UsageError where what reads Parquet is not installed."""
    try:
        with open(path, "rb", opener=regular) as file:
            is_parquet = file.read(4) == PARQUET_MAGIC
        columns = _of_parquet(path, wanted) if is_parquet else _of_csv(path, wanted)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    return Table(path, columns, is_parquet)


def _refuse_unknown(path: Path, wanted: list[str], there: Sequence[str]) -> None:
    shown = ", ".join(map(repr, there[:20])) + (", …" if there[20:] else "")
    for name in wanted:
        if there.count(name) != 1:
            often = "two columns" if name in there else "no column"
            raise InputError(
                f"{path}: has {often} {name!r}; its columns are {shown or 'none: it is empty'}"
            )


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """(the last line before a row, its cells), behind the header and without empty lines."""
    before = reader.line_num
    for cells in reader:
        if cells:
            yield before, cells
        before = reader.line_num


def _of_csv(path: Path, wanted: list[str]) -> list[Cells]:
    columns: list[list[str]] = [[] for _ in wanted]
    try:
        with open(path, encoding="utf-8-sig", newline="", opener=regular) as file:
            reader = csv.reader(file, strict=True)
            header: list[str] = next(reader, [])
            _refuse_unknown(path, wanted, header)
            places = [header.index(name) for name in wanted]
            adders = [column.append for column in columns]
            both = list(zip(adders, places, strict=True))
            for before, cells in _rows(reader):
                if len(cells) != len(header):
                    raise InputError(
                        f"{path}: line {before + 1} has {len(cells)} cells, but the first line "
                        f"{len(header)}"
                    )
                for add, place in both:
                    add(cells[place])
    except UnicodeDecodeError:
        raise InputError(_no_utf8(path)) from None
    except csv.Error as error:
        raise InputError(f"{path}: line {max(1, reader.line_num)} is no CSV: {error}") from None
    return [Cells(column) for column in columns]


def _no_utf8(path: Path) -> str:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return (
                    f"{path}: line {number} is no UTF-8: byte {line[error.start]:#04x}; save the "
                    f"table as UTF-8"
                )
    return f"{path}: is no UTF-8"


def _of_parquet(path: Path, wanted: list[str]) -> list[Cells]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            f"{path}: is a Parquet file, which needs pyarrow: pip install 'fastconv[parquet]'"
        ) from None
    try:
        with open(path, "rb", opener=regular) as file:
            table = pyarrow.parquet.ParquetFile(file)
            _refuse_unknown(path, wanted, table.schema_arrow.names)
            columns = []
            for name in wanted:  # one after another: as Python's values they take the most
                column = table.read(columns=[name]).column(0)
                columns.append(Cells(column.to_pylist(), _kind_of(pyarrow.types, column.type)))
            return columns
    except (pyarrow.ArrowException, ValueError, KeyError) as error:
        raise InputError(f"{path}: is no Parquet file that can be read: {error}") from None


def _kind_of(types: Any, told: Any) -> Kind:
    if types.is_dictionary(told):
        return _kind_of(types, told.value_type)
    if types.is_list(told) or types.is_large_list(told) or types.is_fixed_size_list(told):
        return _kind_of(types, told.value_type)
    if types.is_integer(told) or types.is_boolean(told):
        return "int64"
    return "float" if types.is_floating(told) else "bytes"
