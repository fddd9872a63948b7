"""Before the first byte is written: whether there is room for the output where it is to be."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from fastconv.catalog import Catalog
from fastconv.errors import OutputError
from fastconv.plan import SplitPlan
from fastconv.recipe import FILE_BYTES_MAX, Recipe
from fastconv.remote.path import Place, RemotePath

# Of a record besides itself: its line in the index, and its class in the manifest, at most.
INDEX_BYTES = 24
MANIFEST_BYTES = 12
# Of a shard: its lines in manifest and journal.
SHARD_BYTES = 512
# Most file systems give out space in pieces of so many bytes, of which a file's last is not full.
BLOCK_BYTES = 4096
FILES_A_SHARD = 2
# The output's folders data_dir, idx_dir and the one of unfinished files; journal, labels, runs,
# manifest.
OTHER_FILES = 7
# An estimate by the sizes of files is good where so much of them is kept as it is: what is no JPEG
# becomes one, of another size.
KEPT_SHARE = 0.99
# Where images are made smaller, an estimate can be wrong by so much.
ROUGH = 2


@dataclass(frozen=True, slots=True)
class Need:
    """What an output takes: ``bytes``, about; ``files``, folders among them; ``exact``: whether
    the bytes are known nearly exactly."""

    bytes: int
    files: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What a file system has left for this user: None where it does not say."""

    bytes: int | None
    files: int | None


@dataclass(frozen=True, slots=True)
class Shortage:
    """What is missing, in words, and whether it surely is."""

    text: str
    sure: bool


def need_of(
    plans: Sequence[SplitPlan],
    recipe: Recipe,
    done: Collection[str] = (),
    compressed: bool = False,
) -> Need:
    """What the shards of `plans` take that are not among the names `done`; `compressed` ones about
    as much as others, since images are compressed already, and no indexes."""
    total, files, exact = 0, OTHER_FILES, not recipe.alters and not compressed
    files_a_shard = 1 if compressed else FILES_A_SHARD
    record_bytes = MANIFEST_BYTES + (0 if compressed else INDEX_BYTES)
    for plan in plans:
        left = np.array([name not in done for name in plan.shard_names])
        sizes = plan.catalog.size[plan.order]
        sizes = np.where(sizes <= FILE_BYTES_MAX, sizes, 0)  # larger ones are bad images
        ends = np.concatenate([[0], np.cumsum(sizes)])[plan.bounds]
        records = int(np.diff(plan.bounds)[left].sum())
        # The estimate of them all, by the bytes of these shards' images.
        share = float(np.diff(ends)[left].sum()) / max(1, plan.catalog.bytes)
        shards = int(left.sum())
        total += round(plan.output_bytes * share) + record_bytes * records
        total += (SHARD_BYTES + BLOCK_BYTES * files_a_shard) * shards
        files += files_a_shard * shards
        exact = exact and _kept_share(plan.catalog) >= KEPT_SHARE
    return Need(total + BLOCK_BYTES * OTHER_FILES, files, exact)


def _kept_share(catalog: Catalog) -> float:
    """How much of the images' bytes, 0 to 1, is of files named as JPEGs."""
    if not len(catalog) or not catalog.bytes:
        return 1.0
    # The last letter but one: of jpg, jpe and jpeg p or e, and of no other image's ending.
    letters = catalog.names.blob[np.maximum(catalog.names.starts[1:] - 2, 0)] | 0x20
    is_jpeg = (letters == ord("p")) | (letters == ord("e"))
    return float(catalog.size[is_jpeg].sum()) / catalog.bytes


def room_at(out: Place) -> Room:
    """What is free where `out` is, or will be. The system's reserve for its administrator does not
    count; a store has no end."""
    if isinstance(out, RemotePath):
        return Room(None, None)
    there = out.absolute()
    for place in (there, *there.parents):
        try:
            status = os.statvfs(place)
        except OSError:  # it is not there yet, or who writes there will say what is wrong
            continue
        return Room(
            status.f_bavail * status.f_frsize if status.f_blocks else None,
            status.f_favail if status.f_files else None,  # btrfs, for one, has no fixed number
        )
    return Room(None, None)


def shortage(
    out: Place, bytes_needed: int, files_needed: int, exact: bool, freed: tuple[int, int] = (0, 0)
) -> Shortage | None:
    """What is missing at `out`, if anything. `freed`: bytes and files there that will be removed.

    Files are counted, and bytes, where they are not `exact`, surely missing only where twice what
    is free would not do.
    """
    room = room_at(out)
    missing, advice, sure = [], [], False
    if room.bytes is not None and bytes_needed > room.bytes + freed[0]:
        free = room.bytes + freed[0]
        sure = exact or bytes_needed > ROUGH * free
        about = "about" if exact else "by a rough estimate"
        missing.append(f"{about} {bytes_needed:,} bytes are needed, and {free:,} are free")
        advice.append(f"{bytes_needed - free:,} bytes")
    if room.files is not None and files_needed > room.files + freed[1]:
        free = room.files + freed[1]
        sure = True
        missing.append(f"{files_needed:,} files are needed, and the file system has {free:,} left")
        advice.append(f"{files_needed - free:,} files")
    if not missing:
        return None
    return Shortage(
        f"{out}: {'; '.join(missing)}. Free {' and '.join(advice)}, or choose another folder with "
        f"--out",
        sure,
    )


def check_space(
    out: Place, bytes_needed: int, files_needed: int, exact: bool, freed: tuple[int, int] = (0, 0)
) -> None:
    """OutputError where what is needed surely does not fit (see shortage)."""
    found = shortage(out, bytes_needed, files_needed, exact, freed)
    if found is not None and found.sure:
        raise OutputError(
            f"{found.text}; --no-space-check goes on where the file system's numbers are wrong"
        )
