"""Folders of a source, on disk or in an object store, as what looks through them sees them."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fastconv._members import is_image_name
from fastconv.errors import InputError
from fastconv.options import SourcePath
from fastconv.remote.path import RemotePath


@dataclass(slots=True)
class Entries:
    """What lies right in a folder, hidden entries left out, names sorted: images by their names,
    with their sizes; folders; tar archives; and how many files besides."""

    names: list[bytes] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    folders: list[bytes] = field(default_factory=list)
    archives: list[bytes] = field(default_factory=list)
    strays: int = 0


class Tree(Protocol):
    """Where folders are. What cannot be read is an InputError that names it."""

    def must_exist(self, path: SourcePath, what: str = "") -> None:
        """InputError, which ends in `what`, where there is nothing."""

    def is_folder(self, path: SourcePath) -> bool: ...

    def look_below(self, path: SourcePath) -> None:
        """Told before all that is below a folder will be asked for."""

    def files(self, path: SourcePath) -> list[str]:
        """Names of a folder's files, hidden ones left out, sorted."""

    def folders(self, path: SourcePath) -> list[str]:
        """The same of folders."""

    def has(self, path: SourcePath) -> bool:
        """Whether there is a file or a folder."""

    def entries(self, path: SourcePath) -> Entries: ...

    def holds_image(self, path: SourcePath) -> bool:
        """Whether an image, by its name, lies right in a folder."""

    def identity(self, path: SourcePath) -> Hashable:
        """What is the same for a folder and a link to it."""

    def above(self, path: SourcePath) -> set[Hashable]:
        """The same of a folder and all that it is in."""


class Disk:
    """The file system. Links are followed."""

    def must_exist(self, path: SourcePath, what: str = "") -> None:
        try:
            _on_disk(path).stat()
        except FileNotFoundError:
            raise InputError(f"{path}: does not exist{what}") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}{what}") from None

    def is_folder(self, path: SourcePath) -> bool:
        return _on_disk(path).is_dir()

    def look_below(self, path: SourcePath) -> None:
        pass

    def has(self, path: SourcePath) -> bool:
        return _on_disk(path).exists()

    def files(self, path: SourcePath) -> list[str]:
        return [entry.name for entry in _children(_on_disk(path)) if entry.is_file()]

    def folders(self, path: SourcePath) -> list[str]:
        return [entry.name for entry in _children(_on_disk(path)) if entry.is_dir()]

    def entries(self, path: SourcePath) -> Entries:
        found = Entries()
        images = []
        try:
            with os.scandir(os.fsencode(_on_disk(path))) as entries:
                for entry in entries:
                    if entry.name.startswith(b"."):
                        continue
                    if entry.is_dir():
                        found.folders.append(entry.name)
                    elif is_image_name(entry.name) and (entry.is_file() or entry.is_symlink()):
                        status = entry.stat()  # of a link to nothing: an error
                        if not stat.S_ISREG(status.st_mode):
                            raise InputError(
                                f"{os.fsdecode(entry.path)}: is a link to no regular file; "
                                f"remove it"
                            )
                        images.append((entry.name, status.st_size))
                    elif entry.name.lower().endswith(b".tar"):
                        found.archives.append(entry.name)
                    else:
                        if entry.is_symlink():
                            entry.stat()  # a class's folder may have been behind it
                        found.strays += 1
        except OSError as error:
            where = os.fsdecode(error.filename) if error.filename else path
            raise InputError(f"{where}: cannot be read: {error.strerror}") from None
        return _sorted(found, images)

    def holds_image(self, path: SourcePath) -> bool:
        try:
            with os.scandir(os.fsencode(_on_disk(path))) as entries:
                return any(is_image_name(entry.name) for entry in entries)
        except OSError as error:
            where = os.fsdecode(error.filename or _on_disk(path))
            raise InputError(f"{where}: cannot be read: {error.strerror}") from None

    def identity(self, path: SourcePath) -> Hashable:
        try:
            status = _on_disk(path).stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        return status.st_dev, status.st_ino

    def above(self, path: SourcePath) -> set[Hashable]:
        real = _on_disk(path).resolve()
        return {(s.st_dev, s.st_ino) for s in map(os.stat, [real, *real.parents])}


def tree_of(path: SourcePath) -> Tree:
    """What looks at this path. Raises UsageError where what reads an object store is missing, and
    InputError where the store refuses it."""
    if isinstance(path, RemotePath):
        from fastconv.sources.buckets import Bucket  # loads what few jobs need

        return Bucket.of(path)
    return Disk()


def is_folder(path: SourcePath) -> bool:
    """Whether it is a folder, wherever it is."""
    return tree_of(path).is_folder(path)


def _on_disk(path: SourcePath) -> Path:
    assert isinstance(path, Path)
    return path


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be read: {error.strerror}") from None


def _sorted(found: Entries, images: list[tuple[bytes, int]]) -> Entries:
    found.names, found.sizes = [name for name, _ in images], [size for _, size in images]
    found.folders.sort()
    found.archives.sort()
    return found
