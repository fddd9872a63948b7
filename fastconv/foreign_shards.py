"""Shards that no manifest tells of: what their names, their frames and their first record say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastconv.errors import InputError, UsageError
from fastconv.index import index_of
from fastconv.reader import FRAME_BYTES, parse_example, read_record
from fastconv.schema import FEATURES, IMAGE, LABEL, Schema

SHARD = re.compile(r"(?P<split>[a-z][a-z0-9_]*)-(?P<number>\d{5})-of-(?P<count>\d{5})")
SYNSET = "image/class/synset"


@dataclass(frozen=True, slots=True)
class ForeignShards:
    """``splits``: of each the records of its shards, and the bytes of their payloads; ``schema``
    and ``columns`` describe the features of the first record, ``first``."""

    folder: Path
    splits: dict[str, tuple[tuple[int, ...], int]]
    schema: Schema
    columns: dict[str, dict[str, Any]]
    first: dict[str, Any]

    def first_label(self, classes: Sequence[str]) -> int:
        """Where labels begin, by the first record's label and class. Raises UsageError where they
        do not say it."""
        if LABEL not in self.first:
            return 0
        names = [value.decode("utf-8", "surrogateescape") for value in self.first.get(SYNSET, [])]
        label = int(self.first[LABEL][0]) if len(self.first[LABEL]) else -1
        if len(names) == 1 and names[0] in classes:
            offset = label - list(classes).index(names[0])
            if offset in (0, 1):
                return offset
            raise UsageError(
                f"{self.folder}: its first record has label {label} for {names[0]}, which is class "
                f"{label - offset} of the list; give the list of its classes with --labels"
            )
        raise UsageError(
            f"{self.folder}: its first record does not say which label the first class has; give "
            f"--label-offset 1 or 0"
        )


def foreign_shards(folder: Path) -> ForeignShards:
    """The shards in a folder. Raises InputError, naming the file, where there are none, where some
    are missing or damaged, or where they are not of slim's schema."""
    found: dict[str, dict[int, Path]] = {}
    counts: dict[str, int] = {}
    try:
        names = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
    for path in names:
        if match := SHARD.fullmatch(path.name):
            split, count = match["split"], int(match["count"])
            if counts.setdefault(split, count) != count:
                raise InputError(f"{path}: there are shards of {split} of {counts[split]}, too")
            found.setdefault(split, {})[int(match["number"])] = path
    if not found:
        raise InputError(
            f"{folder}: holds no shards that are named like train-00000-of-01024, as TensorFlow "
            f"Datasets could find them"
        )
    splits, first = {}, None
    for split, shards in found.items():
        missing = sorted(set(range(counts[split])) - shards.keys())
        if missing:
            raise InputError(
                f"{folder}: {split}-{missing[0]:05d}-of-{counts[split]:05d} is missing (of such "
                f"shards there are {len(missing):,})"
            )
        records, size = [], 0
        for _, path in sorted(shards.items()):
            lines = index_of(path).splitlines()
            records.append(len(lines))
            size += sum(int(line.split()[1]) - FRAME_BYTES for line in lines)
            if first is None and lines:
                first = _example(path)
        splits[split] = (tuple(records), size)
    if first is None:
        raise InputError(f"{folder}: its shards hold no records")
    schema, columns = _schema(folder, first)
    return ForeignShards(folder, splits, schema, columns, first)


def _example(path: Path) -> dict[str, Any]:
    try:
        return parse_example(read_record(path, 0, 0))
    except ValueError as error:
        raise InputError(f"{path}: record 0 at offset 0: is no Example: {error}") from None


def _schema(folder: Path, first: dict[str, Any]) -> tuple[Schema, dict[str, dict[str, Any]]]:
    if IMAGE not in first:
        shown = ", ".join(sorted(first)[:6]) or "nothing"
        raise InputError(
            f"{folder}: its records are not of slim's schema: the first one has no {IMAGE}, but "
            f"{shown}"
        )
    schema = Schema("slim", {name: name for name in FEATURES if name in first})
    kinds = {"f": "float", "i": "int64"}
    columns = {
        name: {"kind": kinds.get(values.dtype.kind, "bytes"), "single": False}
        for name, values in first.items()
        if name not in FEATURES
    }
    return schema, columns
