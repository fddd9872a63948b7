"""Images in tar archives, read in place: where each one's bytes are, from the headers alone."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastconv import _members, _tar
from fastconv.catalog import Container, Int64Array, Listing
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.sources.kinds import text

# Headers are reads of 512 bytes a hundred kilobytes apart: on a cold disk each is a seek, which
# threads overlap; on a warm one the kernel copies little, and more threads than cores gain nothing.
INDEX_THREADS = 8

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
REGULAR = ord("0")


@dataclass(frozen=True, slots=True)
class Members:
    """A tar's members as columns: offset and size int64 (n,), type uint8 (n,), and their names."""

    offset: Int64Array
    size: Int64Array
    type: npt.NDArray[np.uint8]
    names: Names


def scan(fd: int, begin: int, end: int, what: str, stop: array[int]) -> Members:
    """List the tar at [begin, end) of an open file; InputError names `what` and the offset.
    Another thread ends it by setting `stop` (an int) to 1."""
    status, at, error, offset, size, types, blob, ends = _tar.scan(fd, begin, end, stop)
    starts = np.zeros(len(types) + 1, np.int64)
    starts[1:] = np.frombuffer(ends, np.int64)
    members = Members(
        np.frombuffer(offset, np.int64),
        np.frombuffer(size, np.int64),
        np.frombuffer(types, np.uint8),
        Names(np.frombuffer(blob, np.uint8), starts),
    )
    if status == 0:
        return members
    reason = _tar.REASONS[status]
    if error:
        reason += f" ({os.strerror(error)})"
    last = f", after member {text(members.names[len(types) - 1])!r}" if types else ""
    raise InputError(
        f"{what}: {reason}: header at offset {at}{last}; "
        f"{len(types)} members could be listed. Fetch the archive again, or check its MD5"
    )


def _check_plain(fd: int, path: Path) -> None:
    try:
        begin = os.pread(fd, 2, 0)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    for magic, name in COMPRESSED.items():
        if begin == magic:
            raise InputError(
                f"{path}: is compressed with {name}; images are read in place, which a compressed "
                f"archive does not allow. Decompress it first"
            )


def list_archive(path: Path, threads: int = INDEX_THREADS) -> Listing:
    """The images of a tar, or of a tar of tars (one a class, named for it).

    Members may come in any order, with a leading ``./``, in folders; what is no image by its name
    is counted as a stray. Of members that carry one name the last counts, as when unpacking.
    Raises InputError for what is no whole tar archive, naming the offset.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        _check_plain(fd, path)
        # In threads altogether, so that Ctrl-C reaches this one, which tells them to stop.
        stop = array("i", [0])
        with ThreadPoolExecutor(threads, thread_name_prefix="fastconv-index") as pool:
            try:
                whole = os.fstat(fd).st_size
                outer = pool.submit(scan, fd, 0, whole, str(path), stop).result()
                return _list_members(fd, path, outer, pool, stop)
            except BaseException:
                stop[0] = 1
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        os.close(fd)


def _list_members(
    fd: int, path: Path, outer: Members, pool: ThreadPoolExecutor, stop: array[int]
) -> Listing:
    inner: dict[bytes, int] = {}
    keep = np.ones(len(outer.type), bool)
    for row, name in enumerate(outer.names):
        base = name.rpartition(b"/")[2]
        if outer.type[row] == REGULAR and base.lower().endswith(b".tar") and base[:1] != b".":
            keep[row] = False
            # By name, so that of two inner archives of one name the last counts, as in unpacking.
            inner[_clean(name)] = row

    def one(row: int) -> Listing:
        begin, size = int(outer.offset[row]), int(outer.size[row])
        member = text(outer.names[row])
        group = member.rpartition("/")[2][: -len(".tar")]
        found = scan(fd, begin, begin + size, f"{path}: {member}", stop)
        return _images(path, found, group, member)

    parts = list(pool.map(one, inner.values()))
    rows = np.flatnonzero(keep)
    rest = Members(outer.offset[rows], outer.size[rows], outer.type[rows], outer.names.take(rows))
    parts.append(_images(path, rest, None, ""))
    return Listing.joined(parts)


def _class_of(folders: list[bytes]) -> Callable[[str], str | None]:
    """The class that a folder of an archive is of: as in a tree, the first folder below what all
    have in common; the last one of all where there is but one folder."""
    parts = [text(folder).split("/") for folder in folders]
    common = 0
    while len(parts) > 1 and len({tuple(part[: common + 1]) for part in parts}) == 1:
        common += 1

    def group(folder: str) -> str | None:
        below = folder.split("/")
        name = below[-1] if len(parts) == 1 else below[min(common, len(below) - 1)]
        return name or None

    return group


def _clean(name: bytes) -> bytes:
    while name.startswith(b"./"):
        name = name[2:]
    return name.lstrip(b"/")


def _images(path: Path, members: Members, group: str | None, inside: str) -> Listing:
    """The images among a tar's members, a container for each folder of them. They are of the class
    `group`, or, where that is None, of those that the folders stand for."""
    rows, places, folders, names, starts, replaced, links, others = _members.images(
        members.names.blob, members.names.starts, members.type
    )
    class_of = _class_of(folders)
    containers = []
    for folder in map(text, folders):
        shown = "/".join(part for part in (inside, folder) if part)
        containers.append(Container(str(path), False, shown, group or class_of(folder)))
    order = np.frombuffer(rows, np.int64)
    strays = {
        "members that a later one of the same name replaces": replaced,
        "links and other members without bytes of their own": links,
        "members that are no images by name": others,
    }
    return Listing(
        tuple(containers),
        np.frombuffer(places, np.int32),
        members.offset[order],
        members.size[order],
        Names(np.frombuffer(names, np.uint8), np.frombuffer(starts, np.int64)),
        {kind: count for kind, count in strays.items() if count},
    )
