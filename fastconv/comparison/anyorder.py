"""Records matched wherever they stand: 56 bytes a record are kept, and what does not match is read
again, to tell what differs."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import crc32c
import numpy as np
import numpy.typing as npt

from fastconv.comparison.features import CLASS, DIGEST_BYTES, Features, Rules, digest, parsed
from fastconv.comparison.inorder import (
    Records,
    Side,
    alone,
    compare_records,
    damaged,
    unreadable,
)
from fastconv.comparison.report import Place, Tally
from fastconv.errors import InputError, RecordError
from fastconv.reader import read_record

Words: TypeAlias = npt.NDArray[np.uint64]
Rows: TypeAlias = npt.NDArray[np.int64]

CLASS_BYTES = 8
PAIRS_AT_ONCE = 500  # a task of a worker that tells what differs

_ROW = struct.Struct(f"={DIGEST_BYTES}s{CLASS_BYTES}s{DIGEST_BYTES}sQQ")
WORDS = _ROW.size // 8  # a row as numbers of 64 bits: the columns below
KEY, CLASSES, CONTENT, WIRE, OFFSET = [0, 1], [2], [3, 4], [5], 6


@dataclass(frozen=True, slots=True)
class FileDigests:
    """The records of one file: ``rows`` holds _ROW for each. ``keyless``: those that have nothing
    of the key. ``tally``: a damage, if there is one."""

    rows: bytes
    keyless: int
    tally: Tally


def digest_file(task: tuple[Side, bool, str], rules: Rules, limit: int) -> FileDigests:
    """Digests of a file's records. The task: the file, whether it is A's, and the name of the
    split that belongs to the key. Raises InputError where the file cannot be read."""
    side, is_a, split = task
    rows = bytearray()
    keyless = 0
    records = Records(side)
    for payload in records:
        features = parsed(payload)
        if features is None or rules.same_bytes:
            content = hashlib.blake2b(payload, digest_size=DIGEST_BYTES).digest()
        else:
            content = digest(features, features.keys() - rules.ignored)
        key = _key(features, rules, split)
        if key is None:
            keyless += 1
        # What has no name is known by its content, so that equal ones match and no others do.
        rows += _ROW.pack(
            key or content, _class(features, rules), content, crc32c.crc32c(payload), records.offset
        )
    tally = Tally(limit)
    if records.damage:
        tally.found(damaged(records, is_a))
    return FileDigests(bytes(rows), keyless, tally)


def _key(features: Features | None, rules: Rules, split: str) -> bytes | None:
    present = [name for name in rules.key if features is not None and name in features]
    if features is None or not present:
        return None
    state = hashlib.blake2b(digest_size=DIGEST_BYTES)
    state.update(split.encode("utf-8", "surrogateescape") + b"\0")
    state.update(digest(features, present))
    return state.digest()


def _class(features: Features | None, rules: Rules) -> bytes:
    """A digest of a record's class, by its first feature that says it: labels can be counted from
    another number on each side."""
    names = [name for name in CLASS if features and name in features and name not in rules.ignored]
    return digest(features or {}, names[:1], CLASS_BYTES)


class Table:
    """The records of all files of one side, in order."""

    def __init__(self, files: Sequence[Side], parts: Sequence[FileDigests]) -> None:
        self.files = files
        joined = b"".join(part.rows for part in parts)
        self.words: Words = np.frombuffer(joined, np.uint64).reshape(-1, WORDS)
        counts = [len(part.rows) // _ROW.size for part in parts]
        self.starts: Rows = np.cumsum([0, *counts]).astype(np.int64)

    def __len__(self) -> int:
        return len(self.words)

    def at(self, row: int) -> tuple[Side, Place]:
        file = int(np.searchsorted(self.starts, row, "right")) - 1
        side = self.files[file]
        place = Place(side.name, row - int(self.starts[file]), int(self.words[row, OFFSET]))
        return side, place

    def names_in_two_classes(self) -> bool:
        """Whether records have the same key and are of different classes."""
        columns = self.words[:, KEY + CLASSES]
        ordered = columns[np.lexsort(columns.T[::-1])]
        same = ordered[1:] == ordered[:-1]
        return bool((same[:, :2].all(axis=1) & ~same[:, 2]).any())

    def standing(self, rows: Rows, numbers: dict[str, int]) -> npt.NDArray[np.int64]:
        """(file, record) of these rows, int64 of shape (n, 2), files by their number."""
        file = np.searchsorted(self.starts, rows, "right") - 1
        known = np.array([numbers.setdefault(s.name, len(numbers)) for s in self.files], np.int64)
        return np.stack([known[file], rows - self.starts[file]], axis=1)


def matched(a: Words, b: Words) -> tuple[Rows, Rows]:
    """Pairs of equal rows as multisets: the rows of `a` and of `b`, int64 of shape (n,) each.

    Of equal rows the first of `a` goes with the first of `b`, and so on.
    """
    words = np.concatenate([a, b])
    if not len(words):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    side = np.arange(len(words)) >= len(a)
    order = np.lexsort((side, *words.T[::-1]))
    ordered, side = words[order], side[order]
    change = (ordered[1:] != ordered[:-1]).any(axis=1)
    group = np.concatenate([[0], np.cumsum(change)])
    begins = np.concatenate([[True], change | (side[1:] != side[:-1])])
    first = np.flatnonzero(begins)
    rank = np.arange(len(words)) - np.repeat(first, np.diff(first, append=len(words)))
    again = np.lexsort((side, rank, group))
    order, group, rank = order[again], group[again], rank[again]
    pairs = np.flatnonzero((group[1:] == group[:-1]) & (rank[1:] == rank[:-1]))
    left, right = order[pairs].astype(np.int64), order[pairs + 1].astype(np.int64) - len(a)
    by_a = np.argsort(left)
    return left[by_a], right[by_a]


@dataclass(frozen=True, slots=True)
class Matching:
    """Which records belong together: rows of the two tables, as arrays of shape (n,).

    ``same``: the same bytes; ``other_bytes``: the same features in other bytes; ``pairs``: the same
    key; ``only``: the rest of each side. ``by_class``: whether the class is part of the key.
    """

    same: tuple[Rows, Rows]
    other_bytes: tuple[Rows, Rows]
    pairs: tuple[Rows, Rows]
    only: tuple[Rows, Rows]
    by_class: bool


def match(a: Table, b: Table, rules: Rules) -> Matching:
    """Match by key, content and bytes; what is left by key and content; what is left by key."""
    by_class = not rules.given and (a.names_in_two_classes() or b.names_in_two_classes())
    left = np.arange(len(a), dtype=np.int64)
    right = np.arange(len(b), dtype=np.int64)
    stages: list[tuple[Rows, Rows]] = []
    key = KEY + CLASSES if by_class else KEY
    for columns in (key + CONTENT + WIRE, key + CONTENT, key):
        rows_a, rows_b = matched(a.words[left][:, columns], b.words[right][:, columns])
        stages.append((left[rows_a], right[rows_b]))
        left, right = np.delete(left, rows_a), np.delete(right, rows_b)
    same, other_bytes, pairs = stages
    return Matching(same, other_bytes, pairs, (left, right), by_class)


Task: TypeAlias = list[tuple[Side, Place, Side, Place]]


def tasks(a: Table, b: Table, pairs: tuple[Rows, Rows]) -> Iterator[Task]:
    """Pairs of records that are to be looked at, some at once."""
    for first in range(0, len(pairs[0]), PAIRS_AT_ONCE):
        part = slice(first, first + PAIRS_AT_ONCE)
        rows = zip(pairs[0][part].tolist(), pairs[1][part].tolist(), strict=True)
        yield [(*a.at(x), *b.at(y)) for x, y in rows]


def task_sizes(pairs: tuple[Rows, Rows]) -> list[int]:
    """How many pairs each of those tasks has."""
    count = len(pairs[0])
    return [min(PAIRS_AT_ONCE, count - first) for first in range(0, count, PAIRS_AT_ONCE)]


def _again(side: Side, place: Place) -> bytes:
    try:
        return read_record(side.path, place.record or 0, place.offset or 0)
    except RecordError as error:
        raise InputError(f"{error}; it was whole before: the file was changed meanwhile") from None
    except OSError as error:
        raise unreadable(side.path, error) from None


def compare_pairs(task: Task, rules: Rules, limit: int) -> Tally:
    """What differs between records of the same key."""
    tally = Tally(limit)
    for side_a, place_a, side_b, place_b in task:
        ours, others = _again(side_a, place_a), _again(side_b, place_b)
        compare_records(ours, others, place_a, place_b, rules, tally)
    return tally


def only_on_one_side(table: Table, rows: Rows, name: str, rules: Rules, tally: Tally) -> None:
    """Count the records that one side has alone, and name the first of them."""
    shown = rows[: max(0, tally.limit - len(tally.first))]
    for row in shown.tolist():
        side, place = table.at(row)
        tally.found(alone(_again(side, place), place, name, rules, False))
    tally.kinds[f"only in {name}"] += len(rows) - len(shown)


def count_elsewhere(a: Table, b: Table, matching: Matching) -> int:
    """How many records stand in another file, or at another number in it."""
    numbers: dict[str, int] = {}
    count = 0
    for rows_a, rows_b in (matching.same, matching.other_bytes, matching.pairs):
        places = a.standing(rows_a, numbers), b.standing(rows_b, numbers)
        count += int((places[0] != places[1]).any(axis=1).sum())
    return count
