"""Folders of an object store: what its keys' slashes make of them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from fastconv._members import is_image_name
from fastconv.errors import InputError, UsageError
from fastconv.names import Names
from fastconv.remote.path import Place, RemotePath
from fastconv.remote.store import Store, open_store
from fastconv.remote.threads import heeding, on_threads
from fastconv.sources.trees import Entries

LISTINGS = 32  # at once: a page holds 1,000 names, and the next one is known only from it


@dataclass(slots=True)
class Level:
    """What lies right below a prefix, hidden entries left out: ``folders`` by name, sorted; and
    ``files`` with their bytes and ETags."""

    folders: list[str] = field(default_factory=list)
    files: dict[str, tuple[int, str]] = field(default_factory=dict)


class Bucket:
    """The folders of a bucket; those of web servers cannot be listed, but their files be looked
    at. What was seen once is not asked for again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._levels: dict[str, Level] = {}
        self._heads: dict[RemotePath, tuple[int, str] | None] = {}

    @classmethod
    def of(cls, path: RemotePath) -> Bucket:
        """The one of a path; a new one for each job (see forget)."""
        return _bucket(path.scheme, path.bucket)

    def must_exist(self, path: Place, what: str = "") -> None:
        if not self.has(path):
            raise InputError(f"{path}: does not exist{what}")

    def head(self, path: RemotePath) -> tuple[int, str] | None:
        """(bytes, version) of an object; None where there is none."""
        if path not in self._heads:
            self._heads[path] = self._head(path)
        return self._heads[path]

    def _head(self, path: RemotePath) -> tuple[int, str] | None:
        known = None if path.is_read_only else self._levels.get(path.parent.key)
        if not path.key or (known is not None and path.name not in known.files):
            return None
        try:  # of those that are there, not every listing gives an ETag
            return heeding(lambda: self.store.version(path.key))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(path, error) from None

    def has(self, path: Place) -> bool:
        remote = _remote(path)
        if remote.key and not remote.is_read_only and remote.parent.key in self._levels:
            above = self._levels[remote.parent.key]
            return remote.name in above.files or remote.name in above.folders
        return self.head(remote) is not None or self.is_folder(remote)

    def is_folder(self, path: Place) -> bool:
        remote = _remote(path)
        if remote.is_read_only:
            return False
        level = self._level(remote)
        return not remote.key or bool(level.files or level.folders)

    def files(self, path: Place) -> list[str]:
        return sorted(self._level(_remote(path)).files)

    def folders(self, path: Place) -> list[str]:
        return self._level(_remote(path)).folders

    def entries(self, path: Place) -> Entries:
        level = self._level(_remote(path))
        images, archives, strays = [], [], 0
        for name in sorted(level.files):
            raw = name.encode("utf-8", "surrogateescape")
            if is_image_name(raw):
                images.append((raw, level.files[name][0]))
            elif raw.lower().endswith(b".tar"):
                archives.append(raw)
            else:
                strays += 1
        return Entries(
            Names.of(name for name, _ in images),
            np.array([size for _, size in images], np.int64),
            sorted(name.encode("utf-8", "surrogateescape") for name in level.folders),
            sorted(archives),
            strays,
        )

    def holds_image(self, path: Place) -> bool:
        names = self._level(_remote(path)).files
        return any(is_image_name(name.encode("utf-8", "surrogateescape")) for name in names)

    def identity(self, path: Place) -> Hashable:
        return path  # there are no links

    def above(self, path: Place) -> set[Hashable]:
        return {path}

    def look_below(self, path: Place) -> None:
        """List all that is below a prefix, a folder of it on each of many threads."""
        on_threads(self._list, [_remote(path) / name for name in self.folders(path)], LISTINGS)

    def _list(self, path: RemotePath) -> None:
        try:
            listed = self.store.list(path.key)
        except OSError as error:
            raise _unreadable(path, error) from None
        levels: dict[str, Level] = {path.key: Level()}
        for key, size, version in listed:
            below = key[len(path.key) + 1 :].split("/")
            if not below[-1] or any(part.startswith(".") for part in below):
                continue
            folder = path.key
            for part in below[:-1]:
                deeper = f"{folder}/{part}"
                if deeper not in levels:
                    levels[deeper] = Level()
                    levels[folder].folders.append(part)
                folder = deeper
            levels[folder].files[below[-1]] = (size, version)
        for level in levels.values():
            level.folders.sort()
        self._levels.update(levels)

    def _level(self, path: RemotePath) -> Level:
        if path.is_read_only:
            raise UsageError(
                f"{path}: a web server's folders cannot be listed; name its archives and files one "
                f"by one, with --train, --validation and the like"
            )
        if path.key not in self._levels:
            try:
                told = heeding(lambda: self._asked(path))
            except FileNotFoundError as error:
                raise InputError(f"{path}: {error.strerror}") from None
            except OSError as error:
                raise _unreadable(path, error) from None
            level = Level()
            for folder in told["common_prefixes"]:
                name = folder.rstrip("/").rpartition("/")[2]
                if name and not name.startswith("."):
                    level.folders.append(name)
            for told_of in told["objects"]:
                key = told_of["path"]
                name = key.rpartition("/")[2]
                # A folder's own mark, as some tools leave one, is no file.
                if key != path.key and name and not name.startswith("."):
                    level.files[name] = (told_of["size"], told_of["e_tag"] or "")
            level.folders.sort()
            self._levels[path.key] = level
        return self._levels[path.key]

    def _asked(self, path: RemotePath) -> Any:
        import obstore

        return self.store.attempt(
            path.key, lambda: obstore.list_with_delimiter(self.store.backend, path.key or None)
        )


@lru_cache(maxsize=8)
def _bucket(scheme: str, bucket: str) -> Bucket:
    path = RemotePath(scheme, bucket)
    try:
        return Bucket(open_store(path))
    except OSError as error:
        raise _unreadable(path, error) from None


def forget() -> None:
    """A new job: what earlier ones saw may have changed."""
    _bucket.cache_clear()


def facts_of(path: RemotePath) -> tuple[int, str]:
    """(bytes, version) of an object. InputError where it is not there."""
    found = Bucket.of(path).head(path)
    if found is None:
        raise InputError(f"{path}: does not exist")
    return found


def _remote(path: Place) -> RemotePath:
    assert isinstance(path, RemotePath)
    return path


def _unreadable(path: RemotePath, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be read: {error.strerror or error}")
