"""Listings and boxes, remembered from one run to the next (see fastconv.cache)."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fastconv import _tar
from fastconv.cache import VERSION as CACHE_VERSION
from fastconv.cache import Arrays, remembered, remembered_as
from fastconv.catalog import Container, CutArchive, Int64Array, Listing
from fastconv.names import Names
from fastconv.remote.path import Place
from fastconv.sources.archives import list_archive
from fastconv.sources.fetched import named, on_disk
from fastconv.sources.places import is_folder

if TYPE_CHECKING:
    from fastconv.annotations.boxes import Boxes, Runner

HEADERS_CHECKED = 64
BLOCK_BYTES = 512
HEADER_NAME_BYTES = 100


def _starts(sizes: npt.NDArray[np.int32]) -> Int64Array:
    starts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def _pack_names(prefix: str, names: Names) -> Arrays:
    return {f"{prefix}_blob": names.blob, f"{prefix}_sizes": names.sizes.astype(np.int32)}


def _unpack_names(prefix: str, arrays: Arrays) -> Names:
    return Names(arrays[f"{prefix}_blob"], _starts(arrays[f"{prefix}_sizes"]))


def _remembered(
    path: Place,
    key: str,
    find_out: Callable[[], Arrays],
    still_holds: Callable[[Path, Arrays], bool] | None = None,
) -> Arrays:
    """From the cache, for a file as it is now, or an object by its size and ETag."""
    if isinstance(path, Path):
        return remembered(path, key, find_out, lambda a: not still_holds or still_holds(path, a))
    from fastconv.sources.buckets import facts_of

    size, version = facts_of(path)
    identity = json.dumps([CACHE_VERSION, key, size, version]).encode()
    return remembered_as(str(path), key, lambda: identity, find_out, lambda _arrays: True)


def _found_out(path: Place, use_cut: bool) -> Listing:
    if isinstance(path, Path):
        return list_archive(path, use_cut)
    from fastconv.sources.remote_archives import list_remote_archive  # loads what few jobs need

    return list_remote_archive(path, use_cut)


def listed(path: Place, use_cut: bool = False) -> Listing:
    """What an archive holds, remembered. The headers of a few members of one on disk are read
    again, so that an archive that was written anew with the old one's size and times is noticed."""

    def find_out() -> Arrays:
        listing = _found_out(path, use_cut)
        containers = [[p.inside, p.group, p.version] for p in listing.containers]
        cut = [[part.archive, part.reason, part.offset, part.members] for part in listing.cut]
        said = {"containers": containers, "strays": listing.strays, "cut": cut}
        facts = json.dumps(said).encode()
        return {
            "container": listing.container,
            # Of members that follow each other only the steps between them: they compress.
            "step": np.diff(listing.offset, prepend=0),
            "size": listing.size,
            "facts": np.frombuffer(facts, np.uint8),
            **_pack_names("name", listing.names),
        }

    # A part of an archive is never to be taken for the whole of it.
    key = "listing of what is whole" if use_cut else "listing"
    arrays = _remembered(path, key, find_out, _headers_hold)
    facts = json.loads(arrays["facts"].tobytes())
    return Listing(
        tuple(Container(str(path), False, *place) for place in facts["containers"]),
        arrays["container"],
        np.cumsum(arrays["step"], dtype=np.int64),
        arrays["size"],
        _unpack_names("name", arrays),
        facts["strays"],
        tuple(CutArchive(*part) for part in facts.get("cut", [])),
    )


def _headers_hold(path: Path, arrays: Arrays) -> bool:
    offsets, sizes = np.cumsum(arrays["step"], dtype=np.int64), arrays["size"]
    names = _unpack_names("name", arrays)
    rows = random.Random(len(sizes)).sample(range(len(sizes)), min(len(sizes), HEADERS_CHECKED))
    with path.open("rb") as file:
        for row in rows:
            begin = int(offsets[row]) - BLOCK_BYTES
            end = int(offsets[row]) + -(-int(sizes[row]) // BLOCK_BYTES) * BLOCK_BYTES
            status, _, _, _, size, _, name, _ = _tar.scan(file.fileno(), begin, end)
            if status != _tar.NO_END or size != sizes[row].tobytes():
                return False
            # The header alone holds no name that is long or in another script.
            plain = len(name) < HEADER_NAME_BYTES and name.isascii() and names[row].isascii()
            if plain and name.rpartition(b"/")[2] != names[row]:
                return False
    return True


def boxes_read(path: Place, synsets: frozenset[str], run: Runner | None) -> Boxes:
    """read_boxes, remembered where `path` is a file."""
    from fastconv.annotations.boxes import Boxes, read_boxes  # not needed where there are none

    def read() -> Boxes:
        with on_disk(path) as local:
            boxes = read_boxes(local, synsets, run)
            bad = [(named(member, local, path), reason) for member, reason in boxes.bad]
            return replace(boxes, bad=bad)

    if is_folder(path):
        return read()

    def find_out() -> Arrays:
        boxes = read()
        bad = json.dumps([list(item) for item in boxes.bad]).encode()
        return {
            **_pack_names("stem", boxes.stems),
            **_pack_names("folder", boxes.folders),
            "counts": np.diff(boxes.starts).astype(np.int32),
            "coords": boxes.coords,
            "bad": np.frombuffer(bad, np.uint8),
        }

    known = hashlib.sha256("\0".join(sorted(synsets)).encode("utf-8", "surrogateescape"))
    arrays = _remembered(path, f"boxes {known.hexdigest()}", find_out)
    return Boxes(
        stems=_unpack_names("stem", arrays),
        folders=_unpack_names("folder", arrays),
        starts=_starts(arrays["counts"]),
        coords=arrays["coords"],
        bad=[(member, reason) for member, reason in json.loads(arrays["bad"].tobytes())],
    )
