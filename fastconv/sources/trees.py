"""Folders of a source, on disk or in an object store, as what looks through them sees them."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Protocol

from fastconv.catalog import Int64Array
from fastconv.names import Names
from fastconv.remote.path import Place


@dataclass(slots=True)
class Entries:
    """What lies right in a folder, hidden entries left out, names sorted: images by their names,
    with their sizes, int64 (n,); folders; tar archives; and how many files besides."""

    names: Names
    sizes: Int64Array
    folders: list[bytes] = field(default_factory=list)
    archives: list[bytes] = field(default_factory=list)
    strays: int = 0


class Tree(Protocol):
    """Where folders are. What cannot be read is an InputError that names it."""

    def must_exist(self, path: Place, what: str = "") -> None:
        """InputError, which ends in `what`, where there is nothing."""

    def is_folder(self, path: Place) -> bool: ...

    def look_below(self, path: Place) -> None:
        """Told before all that is below a folder will be asked for."""

    def files(self, path: Place) -> list[str]:
        """Names of a folder's files, hidden ones left out, sorted."""

    def folders(self, path: Place) -> list[str]:
        """The same of folders."""

    def has(self, path: Place) -> bool:
        """Whether there is a file or a folder."""

    def entries(self, path: Place) -> Entries: ...

    def holds_image(self, path: Place) -> bool:
        """Whether an image, by its name, lies right in a folder."""

    def identity(self, path: Place) -> Hashable:
        """What is the same for a folder and a link to it."""

    def above(self, path: Place) -> set[Hashable]:
        """The same of a folder and all that it is in."""
