"""Images in folders: one a class, or all in one; and folders of class archives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastconv import _members
from fastconv._members import is_image_name
from fastconv.catalog import Container, Listing
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.sources.archives import list_archives
from fastconv.sources.kinds import text

# A file's status is a wait where a file system is far away, and waits overlap.
FOLDER_THREADS = 16


def list_folder(path: Path, use_cut: bool = False) -> Listing:
    """The images below a folder. Each folder right below it is a class, named for it; images of
    deeper folders belong to the same class; images in `path` itself have no class.

    A ``<class>.tar`` in `path` counts as the class's folder. Symbolic links are followed, each
    real folder of a class once. Hidden files and folders are passed over. Raises InputError for
    what cannot be read, and for a link that leads nowhere, or out of a class to what it is in. With
    `use_cut`, of archives that end too early what is whole is listed.
    """
    here, folders, archives, strays = _entries(path)
    above = {(status.st_dev, status.st_ino) for status in map(os.stat, _upwards(path))}
    parts = [here] if len(here) else []
    empty = 0
    found = _class_folders([path / os.fsdecode(folder) for folder in folders], above)
    for folder, listing in zip(folders, found, strict=True):
        if len(listing) and folder + b".tar" in archives:
            raise InputError(
                f"{path / os.fsdecode(folder)}: stands beside an archive of its name, so that its "
                f"images may be there twice; move one of the two away"
            )
        empty += not len(listing)
        parts.append(listing)
    found = list_archives([path / os.fsdecode(archive) for archive in archives], use_cut)
    for archive, listing in zip(archives, found, strict=True):
        group = text(archive)[: -len(".tar")]
        containers = tuple(replace(place, group=group) for place in listing.containers)
        parts.append(replace(listing, containers=containers))
    joined = Listing.joined(parts)
    for kind, count in (
        ("files that are no images by name", strays),
        ("folders without images", empty),
    ):
        if count:
            joined.strays[kind] = joined.strays.get(kind, 0) + count
    return joined


def _entries(path: Path, group: str | None = None) -> tuple[Listing, list[bytes], list[bytes], int]:
    """(images of one folder, names of its folders, of its tars, how many strays), sorted."""
    try:
        blob, ends, sizes, folders, archives, strays, odd = _members.entries(os.fsencode(path))
    except OSError as error:
        where = os.fsdecode(error.filename)
        raise InputError(f"{where}: cannot be read: {error.strerror}") from None
    if odd is not None:
        raise InputError(f"{path / os.fsdecode(odd)}: is a link to no regular file; remove it")
    size = np.frombuffer(sizes, np.int64)
    listing = Listing(
        (Container(text(os.fsencode(path)), True, "", group),),
        np.zeros(len(size), np.int32),
        np.zeros(len(size), np.int64),
        size,
        Names(
            np.frombuffer(blob, np.uint8),
            np.concatenate([np.zeros(1, np.int64), np.frombuffer(ends, np.int64)]),
        ),
    )
    return listing, sorted(folders), sorted(archives), strays


def _upwards(path: Path) -> list[Path]:
    """A folder and all that it is in."""
    real = path.resolve()
    return [real, *real.parents]


def _class_folders(paths: list[Path], above: set[tuple[int, int]]) -> Iterator[Listing]:
    """Each class's images, in order; several folders are read at once, for on a file system that
    is far away each file's status is a wait."""
    with ThreadPoolExecutor(FOLDER_THREADS, thread_name_prefix="fastconv-list") as pool:
        try:
            yield from pool.map(lambda path: _class_folder(path, above), paths)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _class_folder(path: Path, above: set[tuple[int, int]]) -> Listing:
    """A class's images; the folder is named for it. Raises InputError where a link leads to one of
    the folders `above`, by which all other classes' images would be of this one."""
    group = text(os.fsencode(path.name))
    parts, strays = [], 0
    seen: set[tuple[int, int]] = set()
    todo = [path]
    while todo:
        folder = todo.pop()
        try:
            status = folder.stat()
        except OSError as error:
            raise InputError(f"{folder}: cannot be read: {error.strerror}") from None
        if (status.st_dev, status.st_ino) in above:
            raise InputError(
                f"{folder}: is a link to a folder that it is in, so that the images of other "
                f"classes would be of class {group}, too; remove it"
            )
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        listing, folders, archives, other = _entries(folder, group)
        strays += other + len(archives)
        if len(listing):
            parts.append(listing)
        todo.extend(folder / os.fsdecode(name) for name in reversed(folders))
    joined = Listing.joined(parts)
    if strays:
        joined.strays["files that are no images by name"] = strays
    return joined


def looks_like_classes(path: Path) -> bool:
    """Whether a folder holds class folders or class archives: is there an image one level down?"""
    try:
        for child in sorted(path.iterdir()):
            if child.name.startswith("."):
                continue
            if child.is_dir():
                with os.scandir(os.fsencode(child)) as entries:
                    if any(is_image_name(entry.name) for entry in entries):
                        return True
    except OSError as error:
        where = os.fsdecode(error.filename or path)
        raise InputError(f"{where}: cannot be read: {error.strerror}") from None
    return False
