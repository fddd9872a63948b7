"""Indexes for TFRecord shards that are already there, whoever wrote them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from fastconv.atomic import output_error, write_file
from fastconv.errors import OutputError, UsageError
from fastconv.reader import frames

FRAME_OVERHEAD_BYTES = 16


def index_text(shard: str | Path) -> str:
    """The index of one shard: a line ``<offset> <size>`` a record, sizes of whole frames.

    Raises RecordError where the shard is damaged, cut off or compressed.
    """
    return "".join(f"{at} {size + FRAME_OVERHEAD_BYTES}\n" for at, size in frames(shard))


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
        if os.path.realpath(target) == os.path.realpath(shard):
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
        text = index_text(shard)
        write_file(target, text.encode(), folder / f".{target.name}.{os.getpid()}.partial")
        records += text.count("\n")
        if on_shard:
            on_shard(done, len(targets))
    return records
