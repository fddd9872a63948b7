"""The XML files in an archive or a folder, each read once, in batches of bounded size."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from fastconv.annotations.gunzip import INPUT_BYTES, Budget, DamageError, decompressed, on_thread
from fastconv.annotations.tarstream import TarStream
from fastconv.annotations.voc import XML_BYTES_MAX
from fastconv.errors import InputError
from fastconv.regular import regular

# A file's path (in the archive, or as the folder was given) and its bytes.
Member = tuple[str, bytes]

BATCH_BYTES = 4 << 20
# What a member costs besides its XML, so that a million empty files make more than one batch.
MEMBER_BYTES = 200

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar")


def iter_xml_batches(
    path: str | Path, batch_bytes: int = BATCH_BYTES
) -> Iterator[list[tuple[str, bytes]]]:
    """All XML files of a ``.tar``, a ``.tar.gz`` or a folder, as lists of (name, bytes).

    A batch is closed when it reaches ``batch_bytes``. Names end in ``.xml`` in any case; other
    files, links, folders and ``._*`` files are passed by. The members of an archive may stand in
    folders or in inner archives, whose name then leads theirs; they come in the archive's order,
    and those of a folder sorted. Of a file above XML_BYTES_MAX just the beginning is given, one
    byte more than XML_BYTES_MAX, so that its parser refuses it by its name.

    Raises InputError that names the file, the member and the byte offset for an archive that is
    cut off or corrupt, and for a path that cannot be read.
    """
    path = Path(path)
    batch: list[Member] = []
    size = 0
    for member in _folder_members(path) if path.is_dir() else _archive_members(path):
        batch.append(member)
        size += len(member[1]) + MEMBER_BYTES
        if size >= batch_bytes:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _archive_members(path: Path) -> Iterator[Member]:
    try:
        budget = Budget()
        pieces, is_gzip = decompressed(_file_pieces(path), budget)
        stream = TarStream(on_thread(pieces), end_marker=not is_gzip)
        yield from _members(stream, "", budget)
    except DamageError as error:
        where = f"at or after member {error.member!a}" if error.member else "no member read"
        raise InputError(f"{path}, {where}: {error}; copy or download the archive again") from error


def _members(stream: TarStream, outer: str, budget: Budget) -> Iterator[Member]:
    try:
        while stream.advance():
            name = outer + stream.name.decode("utf-8", "surrogateescape")
            if name[-4:].lower() == ".xml":
                if name.rpartition("/")[2].startswith("._"):  # macOS keeps attributes there
                    continue
                if stream.size <= XML_BYTES_MAX:
                    yield name, stream.read()
                else:
                    yield name, next(stream.pieces(XML_BYTES_MAX + 1))
            elif not outer and name.lower().endswith(ARCHIVE_SUFFIXES):
                pieces, is_gzip = decompressed(stream.pieces(INPUT_BYTES), budget)
                inner = TarStream(pieces, end_marker=not is_gzip)
                yield from _members(inner, f"{name}/", budget)
    except DamageError as error:
        if not error.member:  # an inner archive has said it already
            error.member = outer + stream.name.decode("utf-8", "surrogateescape")
        raise


def _file_pieces(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb", buffering=0, opener=regular) as file:
            while piece := file.read(INPUT_BYTES):
                yield piece
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _folder_members(folder: Path) -> Iterator[Member]:
    for path in _xml_paths(os.fspath(folder)):
        try:
            with open(path, "rb", buffering=0, opener=regular) as file:
                yield path, file.read(XML_BYTES_MAX + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error


def _xml_paths(top: str) -> Iterator[str]:
    """Paths below ``top``, sorted in each folder, those of a folder before those of the ones in it.
    Links are followed; below each folder of ``top`` every real folder is read once."""
    before: set[tuple[int, int]] = set()
    files, folders = _entries(top, before)
    yield from files
    for folder in folders:
        seen = set(before)
        todo = [folder]
        while todo:
            files, below = _entries(todo.pop(), seen)
            yield from files
            todo.extend(reversed(below))


def _entries(folder: str, seen: set[tuple[int, int]]) -> tuple[list[str], list[str]]:
    """The XML files and the folders in a folder; none where it is in ``seen``, and else it is
    added to it."""
    files: list[str] = []
    folders: list[str] = []
    try:
        status = os.stat(folder)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:
            return files, folders
        seen.add((status.st_dev, status.st_ino))
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        for entry in entries:
            if entry.is_dir():
                folders.append(entry.path)
            elif entry.name[-4:].lower() == ".xml" and not entry.name.startswith("._"):
                if not entry.is_file():  # opening a pipe would wait for ever
                    raise InputError(f"{entry.path}: a broken link, or no regular file; remove it")
                files.append(entry.path)
    except OSError as error:
        where = error.filename or folder
        raise InputError(f"{where}: cannot be read: {error.strerror or error}") from error
    return files, folders
