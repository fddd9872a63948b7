"""Images in tar archives, read in place: where each one's bytes are, from the headers alone."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastconv import _members, _tar
from fastconv._members import is_image_name
from fastconv.catalog import Container, Int64Array, Listing
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.regular import regular
from fastconv.sources.kinds import text

# Headers are reads of 512 bytes a hundred kilobytes apart: on a cold disk each is a seek, which
# threads overlap; on a warm one the kernel copies little, and more threads than cores gain nothing.
INDEX_THREADS = 8

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
REGULAR, SPARSE = ord("0"), ord("S")


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
    for magic, name in COMPRESSED.items():
        if os.pread(fd, 2, 0) == magic:
            raise InputError(
                f"{path}: is compressed with {name}; images are read in place, which a compressed "
                f"archive does not allow. Decompress it first"
            )


def list_archive(path: Path, threads: int = INDEX_THREADS) -> Listing:
    """The images of a tar, or of a tar of tars (one a class, named for it).

    Members may come in any order, with a leading ``./``, in folders; what is no image by its name
    is counted as a stray. Of members that carry one name the last counts, as when unpacking.
    Raises InputError for what is no whole tar archive, naming the offset, for an image or an inner
    archive that is stored sparsely, and for one with ``..`` in its name.
    """
    try:
        fd = regular(os.fspath(path), os.O_RDONLY)
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
        if base.lower().endswith(b".tar") and base[:1] != b".":
            _refuse_sparse(str(path), name, int(outer.type[row]))
            if outer.type[row] == REGULAR:
                keep[row] = False
                # By name, so that of two of one name the last counts, as in unpacking.
                inner[_clean(name, str(path))] = row

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
    # What the first and the last in order have in common, all have.
    ends = zip(min(parts), max(parts), strict=False) if parts else ()
    common = len(list(takewhile(lambda pair: pair[0] == pair[1], ends)))

    def group(folder: str) -> str | None:
        below = folder.split("/")
        return below[min(common, len(below) - 1)] or None

    return group


def _refuse_sparse(where: str, name: bytes, kind: int) -> None:
    if kind == SPARSE:
        raise InputError(
            f"{where}: {text(name)}: is stored as a sparse file, whose bytes are not in the "
            f"archive as they are in the file. Unpack the archive, and pack it again without "
            f"--sparse"
        )


def _clean(name: bytes, where: str) -> bytes:
    """A path as it is when unpacked. Raises InputError for one that leads upwards."""
    parts = [part for part in name.split(b"/") if part not in (b"", b".")]
    if b".." in parts:
        raise InputError(
            f"{where}: {text(name)}: has '..' in its name, which may lead out of the folder that "
            f"it is in, so that its class is uncertain; pack the archive again without"
        )
    return b"/".join(parts)


def _images(path: Path, members: Members, group: str | None, inside: str) -> Listing:
    """The images among a tar's members, a container for each folder of them. They are of the class
    `group`, or, where that is None, of those that the folders stand for."""
    where = f"{path}: {inside}" if inside else str(path)
    for row in np.flatnonzero(members.type == SPARSE).tolist():
        if is_image_name(members.names[row].rpartition(b"/")[2]):
            _refuse_sparse(where, members.names[row], SPARSE)
    rows, places, folders, names, starts, replaced, links, others = _members.images(
        members.names.blob,
        members.names.starts,
        members.type,
        lambda folder: _clean(folder, where),
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
