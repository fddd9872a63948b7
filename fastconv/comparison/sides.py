"""What the two sides of a comparison are: which files hold records, and what stands beside them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from fastconv.comparison.inorder import Side
from fastconv.errors import InputError, RecordError
from fastconv.layout import DATA, INDEXES
from fastconv.manifest import MANIFEST, RAW, kind_of, root_of
from fastconv.reader import read_records
from fastconv.regular import regular
from fastconv.tfds import is_metadata

SHARD = re.compile(r"(?P<split>.*)-\d+-of-(?P<count>\d+)(?:\..*)?", re.DOTALL)
TFRECORD = re.compile(r".*\.tfrecords?", re.DOTALL)
OTHER_SUFFIXES = (".idx", ".index", ".json", ".txt")  # of what others put beside their shards
NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Dataset:
    """One side. ``root``: the folder, or the single file. ``files``: its record files in order of
    their names, with their bytes; ``indexes``: names of index files, None where there is no folder
    of them. ``passed_over``: names of files that hold no records."""

    root: Path
    single: bool
    files: tuple[Side, ...]
    sizes: dict[str, int]
    indexes: frozenset[str] | None = None
    passed_over: tuple[str, ...] = field(default=())

    @property
    def splits(self) -> dict[str, str]:
        """By split, how many shards its names say that there are ("00008"); "" where a file's name
        says nothing of the kind."""
        found = {}
        for side in self.files:
            shard = SHARD.fullmatch(side.name)
            found[shard["split"] if shard else ""] = shard["count"] if shard else ""
        return found


def split_of(name: str) -> str:
    """What a shard's name says of its split: what stands before -00001-of-00008."""
    shard = SHARD.fullmatch(name)
    return shard["split"] if shard else ""


def open_side(given: str | Path) -> Dataset:
    """The side at this path. Raises InputError where there is none, or nothing with records."""
    try:
        root = Path(given).expanduser()
        if root.is_dir():
            root = root if root.name == DATA else root_of(root)
            if kind_of(root) == RAW:
                raise InputError(
                    f"{root}: holds class folders, by `fastconv raw`, and no records; compare "
                    f"folders with diff -r"
                )
            return _folder(root)
        size = root.stat().st_size
        os.close(regular(str(root), os.O_RDONLY))
    except FileNotFoundError as error:
        raise InputError(f"{error.filename or given}: does not exist") from None
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{given}: cannot be read: {why}") from None
    return Dataset(root, True, (Side(root.name, str(root)),), {root.name: size})


def _folder(root: Path) -> Dataset:
    inside = root / DATA if (root / DATA).is_dir() else root
    has_data = inside != root
    is_output = has_data or (root / MANIFEST).is_file()
    files, sizes, passed_over = [], {}, []
    for path in sorted(inside.iterdir()):
        if path.name.startswith(".") or path.is_dir() or (has_data and is_metadata(path.name)):
            continue
        if has_data or holds_records(path):
            files.append(Side(path.name, str(path)))
            sizes[path.name] = path.stat().st_size
        else:
            passed_over.append(path.name)
    if not files:
        raise InputError(
            f"{inside}: holds no TFRecord files; name an output of fastconv, a folder of TFRecord "
            f"files, or one of them"
        )
    indexes = None
    if is_output and (root / INDEXES).is_dir():
        indexes = frozenset(p.name for p in (root / INDEXES).iterdir() if p.name[0] != ".")
    return Dataset(root, False, tuple(files), sizes, indexes, tuple(passed_over))


def holds_records(path: Path) -> bool:
    """Whether a file is one of TFRecord, by its name, or else by its beginning."""
    by_name = SHARD.fullmatch(path.name) or TFRECORD.fullmatch(path.name)
    if by_name and path.suffix not in OTHER_SUFFIXES:
        return True
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        next(read_records(path), None)
    except RecordError:
        return False
    return True


def named(names: list[str]) -> str:
    return ", ".join(names[:NAMED_AT_MOST]) + (", …" if names[NAMED_AT_MOST:] else "")


def splits_that_differ(a: Dataset, b: Dataset) -> list[str]:
    """What to say of splits that are cut into another number of shards."""
    return [
        f"{split or 'files'}: A has {int(count)} shards, B {int(b.splits[split])}; compare the "
        f"records wherever they stand with --any-order"
        for split, count in a.splits.items()
        if count and b.splits.get(split) and int(b.splits[split]) != int(count)
    ]


def splits_count(a: Dataset, b: Dataset) -> tuple[bool, str]:
    """Whether a record's split can be part of its key, and why not."""
    if a.single or b.single:
        return False, "" if a.single and b.single else "one side is a single file"
    if "" in a.splits or "" in b.splits:
        return False, "not all files are named <split>-00000-of-00008"
    if not a.splits.keys() & b.splits.keys():
        return False, f"A has {named(sorted(a.splits))}, B {named(sorted(b.splits))}"
    return True, ""
