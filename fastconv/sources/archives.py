"""Images in tar archives, read in place: where each one's bytes are, from the headers alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fastconv import _tar
from fastconv.catalog import Container, Int64Array, Listing
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.sources.kinds import is_image_name, text

# Headers are reads of 512 bytes a hundred kilobytes apart: on a cold disk each is a seek, which
# threads overlap; on a warm one the kernel copies little, and more threads than cores gain nothing.
INDEX_THREADS = 8

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
REGULAR, FOLDER = ord("0"), ord("5")


@dataclass(frozen=True, slots=True)
class Members:
    """A tar's members as columns: offset and size int64 (n,), type uint8 (n,), and their names."""

    offset: Int64Array
    size: Int64Array
    type: npt.NDArray[np.uint8]
    names: Names


def scan(fd: int, begin: int, end: int, what: str) -> Members:
    """List the tar at [begin, end) of an open file; InputError names `what` and the offset."""
    status, at, error, offset, size, types, blob, ends = _tar.scan(fd, begin, end)
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
    Raises InputError for what is no whole tar archive, naming the offset.
    """
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        _check_plain(fd, path)
        outer = scan(fd, 0, os.fstat(fd).st_size, str(path))
        return _list_members(fd, path, outer, threads)
    finally:
        os.close(fd)


def _list_members(fd: int, path: Path, outer: Members, threads: int) -> Listing:
    names = list(outer.names)
    # By name, so that of two inner archives of one name the last counts, as when unpacking.
    by_name = {
        _clean(name): row
        for row, name in enumerate(names)
        if outer.type[row] == REGULAR and name.lower().endswith(b".tar")
    }
    inner = list(by_name.values())

    def one(row: int) -> Listing:
        begin, size, member = int(outer.offset[row]), int(outer.size[row]), text(names[row])
        group = member.rpartition("/")[2][: -len(".tar")]
        found = scan(fd, begin, begin + size, f"{path}: {member}")
        return _listing(path, found, list(found.names), lambda _folder: group, member)

    with ThreadPoolExecutor(threads, thread_name_prefix="fastconv-index") as pool:
        parts = list(pool.map(one, inner))
    keep = np.ones(len(names), bool)
    keep[inner] = False
    rest = Members(outer.offset[keep], outer.size[keep], outer.type[keep], Names.of([]))
    rest_names = [name for row, name in enumerate(names) if keep[row]]
    parts.append(_listing(path, rest, rest_names, _last_folder, ""))
    return Listing.joined(parts)


def _last_folder(folder: str) -> str | None:
    return folder.rpartition("/")[2] or None


def _clean(name: bytes) -> bytes:
    while name.startswith(b"./"):
        name = name[2:]
    return name.lstrip(b"/")


def _listing(
    path: Path,
    members: Members,
    raw_names: list[bytes],
    group_of: Callable[[str], str | None],
    inside: str,
) -> Listing:
    """The images among a tar's members, a container for each folder of them."""
    places: dict[bytes, int] = {}
    strays: dict[str, int] = {}
    last: dict[bytes, tuple[int, int]] = {}
    types = members.type.tolist()
    for row, raw in enumerate(raw_names):
        name = _clean(raw)
        folder, _, base = name.rpartition(b"/")
        if types[row] == FOLDER:
            continue
        if types[row] == REGULAR and is_image_name(base):
            if name in last:
                _count(strays, "members that a later one of the same name replaces")
            last[name] = (row, places.setdefault(folder, len(places)))
        elif is_image_name(base):
            _count(strays, "links and other members without bytes of their own")
        else:
            _count(strays, "members that are no images by name")
    rows = np.array([row for row, _ in last.values()], np.int64)
    containers = []
    for folder in places:
        shown = "/".join(part for part in (inside, text(folder)) if part)
        containers.append(Container(str(path), False, shown, group_of(text(folder))))
    return Listing(
        tuple(containers),
        np.array([place for _, place in last.values()], np.int32),
        members.offset[rows],
        members.size[rows],
        Names.of(name.rpartition(b"/")[2] for name in last),
        strays,
    )


def _count(counts: dict[str, int], kind: str) -> None:
    counts[kind] = counts.get(kind, 0) + 1
