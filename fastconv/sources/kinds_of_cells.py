"""Of which kind a table's cells are, and what values they hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fastconv.catalog import Int64Array
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.schema import Column, Kind

INT64 = range(-(2**63), 2**63)
# What is taken for a number where nobody says what it is: 007 is a text, and so is 1_000.
PLAIN_INT = re.compile(r"[+-]?(0|[1-9][0-9]*)")
PLAIN_FLOAT = re.compile(
    r"[+-]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(inf|infinity|nan)", re.I
)
# What is one where somebody says so.
INT = re.compile(r"\s*[+-]?[0-9]+\s*")
FLOAT = re.compile(
    r"\s*[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)\s*", re.I
)
DIGITS_MAX = 4000  # Python turns no longer text into a number


@dataclass(slots=True)
class Cells:
    """A column's cells: texts of a CSV, whose kind is not known; or of a column of Parquet, which
    has one, values of Python, lists of them, or None."""

    values: list[Any]
    kind: Kind | None = None


def values_of(
    cells: Cells, column: Column, where: Callable[[int], str]
) -> tuple[Kind, Int64Array, Any]:
    """(a column's kind, where each row's values begin, int64 of shape (rows + 1,), the values).

    An empty cell where numbers are asked for is an empty list, and so is a null. Raises InputError,
    naming the row as ``where`` does, for a cell that is of another kind than what is asked for.
    """
    counts, flat = _flat(cells)
    kind = column.kind or cells.kind or _kind_of(flat)
    if kind != "bytes" and "" in flat:
        rows = np.repeat(np.arange(len(counts)), counts)
        kept = np.fromiter((value != "" for value in flat), bool, len(flat))
        counts = np.bincount(rows[kept], minlength=len(counts))
        flat = [value for value in flat if value != ""]
    holds = {"int64": _is_int, "float": _is_float, "bytes": _is_text}[kind]

    def refuse(at: int, why: str) -> NoReturn:
        row = int(np.searchsorted(np.cumsum(counts), at, side="right"))
        raise InputError(f"{where(row)}: column {column.column!r} has {_shown(flat[at])}, {why}")

    if not all(map(holds, flat)):
        at = next(at for at, value in enumerate(flat) if not holds(value))
        refuse(at, f"which is no {kind} value")
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    if kind == "int64":
        return kind, starts, np.fromiter(map(int, flat), np.int64, len(flat))
    if kind == "float":
        with np.errstate(over="ignore"):
            made = np.fromiter(map(_float, flat), np.float64).astype(np.float32)
        for at in np.flatnonzero(np.isinf(made)).tolist():
            if not _says_infinite(flat[at]):
                refuse(at, "for which a float feature, of 32 bits, has no room")
        return kind, starts, made
    return kind, starts, Names.of(map(_encoded, flat))


def _flat(cells: Cells) -> tuple[Int64Array, list[Any]]:
    """(how many values each cell has, all of them)."""
    if cells.kind is None:
        return np.ones(len(cells.values), np.int64), cells.values
    counts, flat = [], []
    for cell in cells.values:
        values = cell if isinstance(cell, list) else [] if cell is None else [cell]
        counts.append(len(values))
        flat += values
    return np.array(counts, np.int64), flat


def _kind_of(texts: list[str]) -> Kind:
    """What all texts that are not empty can be."""
    given = list(filter(None, texts))
    if not given or not all(map(PLAIN_FLOAT.fullmatch, given)):
        return "bytes"
    whole = [text for text in given if PLAIN_INT.fullmatch(text)]
    if not all(map(_is_int, whole)):
        return "bytes"  # as a float it would be another number
    if len(whole) < len(given) and any(map(_leaves_float32, given)):
        return "bytes"
    return "int64" if len(whole) == len(given) else "float"


def _leaves_float32(text: str) -> bool:
    """Whether a number becomes infinite, or nothing, for want of room."""
    with np.errstate(over="ignore", under="ignore"):
        stored = float(np.float32(float(text)))
    if abs(stored) == float("inf"):
        return not _says_infinite(text)
    return stored == 0 and bool(re.search("[1-9]", text.lower().partition("e")[0]))


def _is_int(value: Any) -> bool:
    if isinstance(value, str):
        return bool(INT.fullmatch(value)) and len(value) < DIGITS_MAX and int(value) in INT64
    return isinstance(value, int) and value in INT64


def _is_float(value: Any) -> bool:
    if isinstance(value, str):
        return bool(FLOAT.fullmatch(value))
    return isinstance(value, int | float)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # of an int
        return float("inf") if value > 0 else float("-inf")


def _says_infinite(value: Any) -> bool:
    return "inf" in value.lower() if isinstance(value, str) else value in (math.inf, -math.inf)


def _is_text(value: Any) -> bool:
    return isinstance(value, bytes | str | int | float)


def _encoded(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
