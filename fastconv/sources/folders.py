"""Images in folders: one a class, or all in one; and folders of class archives."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from fastconv.catalog import Container, Listing
from fastconv.errors import InputError
from fastconv.remote.path import Place, RemotePath
from fastconv.remote.threads import on_threads
from fastconv.sources.archives import list_archives
from fastconv.sources.kinds import text
from fastconv.sources.places import tree_of
from fastconv.sources.trees import Entries, Tree

ARCHIVES = 16  # of an object store, listed at once
# A file's status is a wait where a file system is far away, and waits overlap.
FOLDER_THREADS = 16


def list_folder(path: Place, use_cut: bool = False) -> Listing:
    """The images below a folder. Each folder right below it is a class, named for it; images of
    deeper folders belong to the same class; images in `path` itself have no class.

    A ``<class>.tar`` in `path` counts as the class's folder. Symbolic links are followed, each
    real folder of a class once. Hidden files and folders are passed over. Raises InputError for
    what cannot be read, and for a link that leads nowhere, or out of a class to what it is in. With
    `use_cut`, of archives that end too early what is whole is listed.
    """
    tree = tree_of(path)
    tree.look_below(path)
    here, entries = _images(tree, path)
    archives = entries.archives
    above = tree.above(path)
    parts = [here] if len(here) else []
    empty = 0
    found = _class_folders(tree, [path / os.fsdecode(name) for name in entries.folders], above)
    for folder, listing in zip(entries.folders, found, strict=True):
        if len(listing) and folder + b".tar" in archives:
            raise InputError(
                f"{path / os.fsdecode(folder)}: stands beside an archive of its name, so that its "
                f"images may be there twice; move one of the two away"
            )
        empty += not len(listing)
        parts.append(listing)
    of_archives = list_several([path / os.fsdecode(name) for name in archives], use_cut)
    for archive, listing in zip(archives, of_archives, strict=True):
        group = text(archive)[: -len(".tar")]
        containers = tuple(replace(place, group=group) for place in listing.containers)
        parts.append(replace(listing, containers=containers))
    joined = Listing.joined(parts)
    for kind, count in (
        ("files that are no images by name", entries.strays),
        ("folders without images", empty),
    ):
        if count:
            joined.strays[kind] = joined.strays.get(kind, 0) + count
    return joined


def list_several(paths: list[Place], use_cut: bool) -> Iterator[Listing]:
    """What each of these archives holds, in their order; all on disk, or all in an object store."""
    if not any(isinstance(path, RemotePath) for path in paths):
        yield from list_archives([path for path in paths if isinstance(path, Path)], use_cut)
        return
    from fastconv.sources.remote_archives import Pace, list_remote_archive

    pace = Pace()

    def one(path: Place) -> Listing:
        assert isinstance(path, RemotePath)
        return list_remote_archive(path, use_cut, pace)

    yield from on_threads(one, paths, ARCHIVES)


def _images(tree: Tree, path: Place, group: str | None = None) -> tuple[Listing, Entries]:
    """The images right in a folder, and what else is in it."""
    entries = tree.entries(path)
    listing = Listing(
        (Container(text(os.fsencode(str(path))), True, "", group),),
        np.zeros(len(entries.sizes), np.int32),
        np.zeros(len(entries.sizes), np.int64),
        entries.sizes,
        entries.names,
    )
    return listing, entries


def _class_folders(tree: Tree, paths: list[Place], above: set[Hashable]) -> Iterator[Listing]:
    """Each class's images, in order; several folders are read at once, for on a file system that
    is far away each file's status is a wait."""
    with ThreadPoolExecutor(FOLDER_THREADS, thread_name_prefix="fastconv-list") as pool:
        try:
            yield from pool.map(lambda path: _class_folder(tree, path, above), paths)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _class_folder(tree: Tree, path: Place, above: set[Hashable]) -> Listing:
    """A class's images; the folder is named for it. Raises InputError where a link leads to one of
    the folders `above`, by which all other classes' images would be of this one."""
    group = text(os.fsencode(path.name))
    parts, strays = [], 0
    seen: set[Hashable] = set()
    todo = [path]
    while todo:
        folder = todo.pop()
        identity = tree.identity(folder)
        if identity in above:
            raise InputError(
                f"{folder}: is a link to a folder that it is in, so that the images of other "
                f"classes would be of class {group}, too; remove it"
            )
        if identity in seen:
            continue
        seen.add(identity)
        listing, entries = _images(tree, folder, group)
        strays += entries.strays + len(entries.archives)
        if len(listing):
            parts.append(listing)
        todo.extend(folder / os.fsdecode(name) for name in reversed(entries.folders))
    joined = Listing.joined(parts)
    if strays:
        joined.strays["files that are no images by name"] = strays
    return joined


def looks_like_classes(tree: Tree, path: Place) -> bool:
    """Whether a folder holds class folders or class archives: is there an image one level down?"""
    return any(tree.holds_image(path / name) for name in tree.folders(path))
