"""Indexes for TFRecord shards that are already there, whoever wrote them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from fastconv import _frames
from fastconv.atomic import output_error, write_file
from fastconv.errors import InputError, OutputError, RecordError, UsageError
from fastconv.regular import regular

GZIP_MAGIC = b"\x1f\x8b"


def index_of(shard: str | Path) -> bytes:
    """The index of one shard: a line ``<offset> <size>`` a record, sizes of whole frames.

    Raises InputError where the shard cannot be read, and RecordError, naming record and offset,
    where it is damaged, cut off or compressed.
    """
    try:
        file = open(shard, "rb", buffering=0, opener=regular)  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{shard}: cannot be opened: {error.strerror}") from None
    with file:
        end = os.fstat(file.fileno()).st_size
        why, error_number, record, at, lines = _frames.index(file.fileno(), end)
        head = b"" if why == _frames.READ else os.pread(file.fileno(), 2, 0)
    if why == _frames.WHOLE:
        return lines
    where = f"{shard}: record {record} at offset {at}"
    if why == _frames.READ:
        raise InputError(f"{where}: cannot be read: {os.strerror(error_number)}")
    if head == GZIP_MAGIC and record == 0 and why != _frames.CUT:
        raise RecordError(
            f"{shard}: is compressed with GZIP, and so has no byte offsets that a reader could go "
            f"to; decompress it first"
        )
    if why == _frames.HEAD_WRONG:
        raise RecordError(f"{where}: the checksum of its length is wrong; this is no TFRecord file")
    raise RecordError(f"{where}: is cut off; the file ends at {end}")


def index_shards(
    shards: Sequence[str | Path],
    out: str | Path,
    overwrite: bool = False,
    on_shard: Callable[[int, int], None] | None = None,
) -> int:
    """Write an index for each shard into the folder `out`, under the shard's own base name.

    Returns how many records there are; ``on_shard(done, total)`` is called after each. Raises
    UsageError where `out` is the shards' own folder (readers would take an index for a shard) or
    two shards have one name, OutputError where an index is there already, unless `overwrite`, and
    RecordError for a damaged shard.
    """
    folder = Path(out).expanduser()
    targets: dict[Path, Path] = {}
    for shard in map(Path, shards):
        target = folder / shard.name
        if target in targets:
            raise UsageError(f"{shard}: has the name of {targets[target]}; index them apart")
        if os.path.realpath(folder) == os.path.dirname(os.path.realpath(shard)):  # noqa: PTH120
            raise UsageError(
                f"{folder}: is the shards' own folder, where readers would take an index for a "
                f"shard; choose another with --out"
            )
        if not overwrite and os.path.lexists(target):
            raise OutputError(f"{target}: is there already; replace it with --overwrite")
        targets[target] = shard
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from None
    records = 0
    for done, (target, shard) in enumerate(targets.items(), 1):
        lines = index_of(shard)
        write_file(target, lines, folder / f".{target.name}.{os.getpid()}.partial")
        records += lines.count(b"\n")
        if on_shard:
            on_shard(done, len(targets))
    return records
