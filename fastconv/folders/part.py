"""A part of the work: the images of one class folder, or some of them where it has many."""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path

from fastconv.atomic import output_error
from fastconv.errors import OutputError

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NO_FOLDER = {errno.ELOOP, errno.ENOTDIR}  # how a link, or a file, answers


@dataclass(frozen=True, slots=True)
class Part:
    """Part ``turn`` (from 0) of the ``turns`` that folder `split`/`klass` is made of: rows
    [start, stop) of the plan, ``bytes`` of images. ``number`` is its own among all parts."""

    number: int
    split: str
    klass: str
    turn: int
    turns: int
    start: int
    stop: int
    bytes: int

    @property
    def name(self) -> str:
        more = f", part {self.turn + 1} of {self.turns}" if self.turns > 1 else ""
        return f"{self.folder}{more}"

    @property
    def unfinished(self) -> str:
        """The folder of unfinished files that it is made in (manifest.PART)."""
        return f"part-{self.number}"

    @property
    def folder(self) -> str:
        return f"{self.split}/{self.klass}"

    @property
    def images(self) -> int:
        return self.stop - self.start

    @property
    def key(self) -> tuple[str, str, int]:
        return self.split, self.klass, self.turn


def encoded(name: str) -> bytes:
    """A name for the file system: the bytes that it was listed with, whatever the locale."""
    return name.encode("utf-8", "surrogateescape")


def open_folder(path: Path, name: str, inside: int | None = None, make: bool = False) -> int:
    """Open folder `name`, which is `path`, in the open folder `inside`. Raises OutputError where it
    is a symbolic link or a file, so that nothing is written elsewhere; FileNotFoundError where it
    is not there, unless it is to be made."""
    try:
        if make:
            with contextlib.suppress(FileExistsError):
                os.mkdir(encoded(name), dir_fd=inside)
        return os.open(encoded(name), FOLDER, dir_fd=inside)
    except OSError as error:
        if error.errno in NO_FOLDER:
            raise OutputError(
                f"{path}: is no folder, but a link or a file in the place of one; move it away"
            ) from None
        if isinstance(error, FileNotFoundError) and not make:
            raise
        raise output_error(path, error) from None
