"""Images in tar archives, read in place: where each one's bytes are, from the headers alone."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastconv import _members, _tar
from fastconv._members import is_image_name
from fastconv.catalog import Container, CutArchive, Int64Array, Listing
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.regular import regular
from fastconv.remote.path import Place
from fastconv.sources.kinds import text
from fastconv.sources.published import size_beside_published

# Headers are reads of 512 bytes a hundred kilobytes apart: on a cold disk, or a file system that is
# far away, each is a wait, and waits overlap; on a warm one the kernel copies little, and threads
# beyond the cores gain nothing and take a tenth more.
INDEX_THREADS = 16

COMPRESSED = {b"\x1f\x8b": "gzip", b"BZ": "bzip2", b"\xfd7": "xz", b"(\xb5": "zstd"}
REGULAR, SPARSE = ord("0"), ord("S")
TAR = b".tar"
# Calls a function with each of these, and gives what it returns in their order, as map does.
Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True, slots=True)
class Members:
    """A tar's members as columns: offset and size int64 (n,), type uint8 (n,), and their names."""

    offset: Int64Array
    size: Int64Array
    type: npt.NDArray[np.uint8]
    names: Names

    def rows(self, keep: npt.NDArray[np.bool_]) -> Members:
        """Those for which `keep`, bool (n,), is set."""
        rows = np.flatnonzero(keep)
        return Members(self.offset[rows], self.size[rows], self.type[rows], self.names.take(rows))


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a tar ends too early: `what` it is, the `reason`, the header `at` that this was met
    at, and in words the members around there. ``partial``: the last of the members is not whole."""

    what: str
    reason: str
    at: int
    around: str
    partial: bool


# Lists the tar at [begin, end) of an archive, up to where it ends too early, if it does. Other
# damage is an InputError, which names what is listed and the offset.
Scanner = Callable[[int, int, str], tuple[Members, Cut | None]]
Answer = tuple[int, int, int, bytes, bytes, bytes, bytes, bytes]


def listed(answer: Answer, end: int, what: str) -> tuple[Members, Cut | None]:
    """What a Scanner returns, from what _tar.scan answered of the tar `what` up to `end`."""
    status, at, error, offset, size, types, blob, ends = answer
    starts = np.zeros(len(types) + 1, np.int64)
    starts[1:] = np.frombuffer(ends, np.int64)
    members = Members(
        np.frombuffer(offset, np.int64),
        np.frombuffer(size, np.int64),
        np.frombuffer(types, np.uint8),
        Names(np.frombuffer(blob, np.uint8), starts),
    )
    if status == 0:
        return members, None
    reason, around = _tar.REASONS[status], ""
    whole = int(np.count_nonzero(members.offset + members.size <= end))
    if whole < len(types):  # then it is the last one that is not
        around = f", of member {text(members.names[whole])!r}"
    if whole:
        around += f", after member {text(members.names[whole - 1])!r}"
    if status in (_tar.CUT, _tar.NO_END):
        return members, Cut(what, reason, at, around, whole < len(types))
    if error:
        reason += f" ({os.strerror(error)})"
    raise InputError(
        f"{what}: {reason}: header at offset {at}{around}; "
        f"{whole:,} members could be listed. Fetch the archive again, or check its MD5"
    )


def refuse_compressed(begin: bytes, path: Place) -> None:
    """InputError for an archive that begins with these two bytes, if they say that it is packed."""
    name = COMPRESSED.get(begin)
    if name is not None:
        raise InputError(
            f"{path}: is compressed with {name}; images are read in place, which a compressed "
            f"archive does not allow. Decompress it first"
        )


def list_archive(path: Path, use_cut: bool = False, threads: int = INDEX_THREADS) -> Listing:
    """The images of a tar, or of a tar of tars (one a class, named for it).

    Members may come in any order, with a leading ``./``, in folders; what is no image by its name
    is counted as a stray. Of members that carry one name the last counts, as when unpacking.
    Raises InputError for what is no whole tar archive, naming the offset, for an image or an inner
    archive that is stored sparsely, and for one with ``..`` in its name. With `use_cut`, the
    members that are whole of one that ends too early are listed, and its `cut` says so.
    """
    return next(list_archives([path], use_cut, threads))


def list_archives(
    paths: Sequence[Path], use_cut: bool = False, threads: int = INDEX_THREADS
) -> Iterator[Listing]:
    """The same of several, in their order: as many at once as there are threads; of a single one
    so many of those inside it."""
    # In threads altogether, so that Ctrl-C reaches this one, which tells them to stop.
    stop = array("i", [0])
    with ThreadPoolExecutor(threads, thread_name_prefix="fastconv-index") as pool:
        try:
            if len(paths) == 1:
                yield _listed(paths[0], use_cut, pool.map, stop)
            else:
                yield from pool.map(lambda path: _listed(path, use_cut, map, stop), paths)
        except BaseException:
            stop[0] = 1
            pool.shutdown(cancel_futures=True)
            raise


def _listed(path: Path, use_cut: bool, run: Run, stop: array[int]) -> Listing:
    try:
        fd = regular(os.fspath(path), os.O_RDONLY)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from None
    try:
        try:
            refuse_compressed(os.pread(fd, 2, 0), path)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None

        def scan(begin: int, end: int, what: str) -> tuple[Members, Cut | None]:
            return listed(_tar.scan(fd, begin, end, stop), end, what)

        return list_members(path, os.fstat(fd).st_size, scan, run, use_cut)
    finally:
        os.close(fd)


def list_members(path: Place, end: int, scan: Scanner, run: Run, use_cut: bool) -> Listing:
    """As list_archive, of an archive of `end` bytes that ``scan`` lists. ``run`` maps it over inner
    archives."""
    listing, cuts, members = _list_members(path, end, scan, run)
    if not cuts:
        return listing
    first = cuts[0]
    if len(cuts) > 1:
        reason = f"{first.reason} (and {len(cuts) - 1:,} more in {path.name} end too early)"
        first = replace(first, reason=reason)
    if not use_cut:
        raise _cut_error(path, end, first, members)
    return replace(listing, cut=(CutArchive(first.what, first.reason, first.at, members),))


def _list_members(path: Place, end: int, scan: Scanner, run: Run) -> tuple[Listing, list[Cut], int]:
    """(the images, where the archive and those in it end too early, members that are whole)."""
    ((members, cut),) = run(lambda begin: scan(begin, end, str(path)), (0,))
    inner: dict[bytes, int] = {}
    replaced = 0
    keep = np.ones(len(members.type), bool)
    for row in _ending_in_tar(members.names).tolist():
        name = members.names[row]
        if name.rpartition(b"/")[2][:1] != b".":
            _refuse_sparse(str(path), name, int(members.type[row]))
            if members.type[row] == REGULAR:
                keep[row] = False
                # By name, so that of two of one name the last counts, as in unpacking.
                clean = _clean(name, str(path))
                replaced += clean in inner
                inner[clean] = row
    if cut and cut.partial:
        keep[-1] = False  # of an inner archive, what is there of it is listed all the same

    def one(row: int) -> tuple[Listing, Cut | None, int]:
        begin = int(members.offset[row])
        member = text(members.names[row])
        group = member.rpartition("/")[2][: -len(".tar")]
        stop_at = min(begin + int(members.size[row]), end)
        found, short = scan(begin, stop_at, f"{path}: {member}")
        if short and short.partial:
            found = found.rows(np.arange(len(found.type)) < len(found.type) - 1)
        if stop_at < begin + int(members.size[row]):
            short = None  # of this the archive around it tells
        return _images(path, found, group, member), short, len(found.type)

    rest = members if keep.all() else members.rows(keep)
    parts = list(run(one, inner.values()))
    parts.append((_images(path, rest, None, ""), None, len(rest.type)))
    cuts = [short for short in (cut, *(short for _, short, _ in parts)) if short]
    listing = Listing.joined([part for part, _, _ in parts])
    if replaced:
        strays = {**listing.strays, "archives that a later one of the same name replaces": replaced}
        listing = replace(listing, strays=strays)
    return listing, cuts, sum(n for _, _, n in parts)


def _ending_in_tar(names: Names) -> Int64Array:
    """Rows of the names that end in ``.tar``, in any case: int64 of shape (m,). There may be
    millions of names, and none of them one."""
    rows = np.flatnonzero(names.sizes >= len(TAR))
    for back, letter in enumerate(reversed(TAR), 1):
        there = names.blob[names.starts[rows + 1] - back]
        rows = rows[(there == letter) | (there == ord(chr(letter).upper()))]
    return rows


def _cut_error(path: Place, size: int, cut: Cut, members: int) -> InputError:
    published = size_beside_published(path, size)
    return InputError(
        f"{cut.what}: {cut.reason}: header at offset {cut.at}{cut.around}; {members:,} members of "
        f"the archive are whole{published}. Fetch the archive again, or check its MD5; or convert "
        f"those that are whole with --use-cut-archives"
    )


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


def _images(path: Place, members: Members, group: str | None, inside: str) -> Listing:
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
