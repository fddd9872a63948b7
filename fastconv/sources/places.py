"""Which tree a path of a source is in: the disk's, or an object store's."""

from __future__ import annotations

from fastconv.remote.path import Place, RemotePath
from fastconv.sources.disk import Disk
from fastconv.sources.trees import Tree


def tree_of(path: Place) -> Tree:
    """What looks at this path. Raises UsageError where what reads an object store is missing, and
    InputError where the store refuses it."""
    if isinstance(path, RemotePath):
        from fastconv.sources.buckets import Bucket  # loads what few jobs need

        return Bucket.of(path)
    return Disk()


def is_folder(path: Place) -> bool:
    """Whether it is a folder, wherever it is."""
    return tree_of(path).is_folder(path)
