"""Folders of the file system."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

import numpy as np

from fastconv import _members
from fastconv._members import is_image_name
from fastconv.errors import InputError
from fastconv.names import Names
from fastconv.remote.path import Place
from fastconv.sources.trees import Entries


class Disk:
    """The file system. Links are followed."""

    def must_exist(self, path: Place, what: str = "") -> None:
        try:
            _on_disk(path).stat()
        except FileNotFoundError:
            raise InputError(f"{path}: does not exist{what}") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}{what}") from None

    def is_folder(self, path: Place) -> bool:
        return _on_disk(path).is_dir()

    def look_below(self, path: Place) -> None:
        pass

    def has(self, path: Place) -> bool:
        return _on_disk(path).exists()

    def files(self, path: Place) -> list[str]:
        return [entry.name for entry in _children(_on_disk(path)) if entry.is_file()]

    def folders(self, path: Place) -> list[str]:
        return [entry.name for entry in _children(_on_disk(path)) if entry.is_dir()]

    def entries(self, path: Place) -> Entries:
        folder = _on_disk(path)
        try:
            blob, ends, sizes, folders, archives, strays, odd = _members.entries(
                os.fsencode(folder)
            )
        except OSError as error:
            where = os.fsdecode(error.filename)
            raise InputError(f"{where}: cannot be read: {error.strerror}") from None
        if odd is not None:
            raise InputError(f"{path / os.fsdecode(odd)}: is a link to no regular file; remove it")
        starts = np.concatenate([np.zeros(1, np.int64), np.frombuffer(ends, np.int64)])
        return Entries(
            Names(np.frombuffer(blob, np.uint8), starts),
            np.frombuffer(sizes, np.int64),
            sorted(folders),
            sorted(archives),
            strays,
        )

    def holds_image(self, path: Place) -> bool:
        try:
            with os.scandir(os.fsencode(_on_disk(path))) as entries:
                return any(is_image_name(entry.name) for entry in entries)
        except OSError as error:
            where = os.fsdecode(error.filename or _on_disk(path))
            raise InputError(f"{where}: cannot be read: {error.strerror}") from None

    def identity(self, path: Place) -> Hashable:
        try:
            status = _on_disk(path).stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        return status.st_dev, status.st_ino

    def above(self, path: Place) -> set[Hashable]:
        real = _on_disk(path).resolve()
        return {(s.st_dev, s.st_ino) for s in map(os.stat, [real, *real.parents])}


def _on_disk(path: Place) -> Path:
    assert isinstance(path, Path)
    return path


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{error.filename or folder}: cannot be read: {error.strerror}") from None
