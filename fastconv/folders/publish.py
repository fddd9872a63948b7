"""Giving parts that are written their places, when their data is on disk and not before.

A thread beside the workers does so, many parts at once: it has the system write out what there is,
once for all of them, then moves them to their places, and claims them in the journal when the names
are on disk, too, which is when the next parts' data is.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from fastconv import _process
from fastconv.atomic import CANNOT_SYNC, output_error
from fastconv.errors import FastconvError
from fastconv.folders.part import FOLDER, Part, encoded, open_folder
from fastconv.folders.report import part_line
from fastconv.journal import Journal
from fastconv.manifest import PARTIAL

# So much is waited for before the disk is: each wait costs as much as some files.
BATCH_BYTES = 1 << 30
BATCH_SECONDS = 2.0
LEAVE_SECONDS = 0.5


class Publisher:
    """Parts become whole class folders. Used as a context manager, leaving which ends it at once:
    what has no place yet then gets none. Methods raise OutputError, of what was given before, too.
    """

    def __init__(self, out: Path, journal: Journal) -> None:
        self._out, self._journal = out, journal
        self._changed = threading.Condition()
        self._acting = threading.Lock()  # held while places are given, which ends soon
        self._waiting: list[Part] = []
        self._closing = self._stopped = False
        self._error: BaseException | None = None
        self._splits: dict[str, int] = {}
        self._syncs_all = True
        # Errors of writing are told to whoever had the folder open when they came about.
        self._root = open_folder(out, str(out.resolve()))
        self._partial = open_folder(out / PARTIAL, PARTIAL, self._root)
        self._thread = threading.Thread(target=self._run, name="fastconv-publish", daemon=True)

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._acting:
            self._stopped = True
        with self._changed:
            self._closing = True
            self._changed.notify()
        # A thread that waits for the disk is left to itself: it finds that it was stopped.
        self._thread.join(LEAVE_SECONDS)
        if not self._thread.is_alive():
            for folder in (*self._splits.values(), self._partial, self._root):
                os.close(folder)

    def add(self, part: Part) -> None:
        """A part was written: give it its place in good time."""
        with self._changed:
            self._waiting.append(part)
            self._changed.notify()
        self.check()

    def check(self) -> None:
        """Raise what went wrong."""
        if self._error is not None:
            raise self._error

    def finish(self) -> None:
        """Wait until all that was added has its place, is on disk, and is claimed."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        while self._thread.is_alive():  # so that Ctrl-C is heard
            self._thread.join(0.1)
        self.check()

    # ---- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            named: list[Part] = []
            while True:
                batch = self._batch()
                if not self._stopped:
                    self._sync(batch, named)
                with self._acting:
                    if self._stopped:
                        return
                    if named:
                        self._journal.add(*({"part": part_line(part)} for part in named))
                    for part in batch:
                        self._place(part)
                named = batch
                if not batch:
                    return
        except OSError as error:
            self._error = output_error(error.filename or self._out, error)
        except FastconvError as error:
            self._error = error
        except BaseException as error:
            self._error = error

    def _batch(self) -> list[Part]:
        """The next parts; none where there are to be no more."""
        deadline = time.monotonic() + BATCH_SECONDS
        with self._changed:
            while not self._closing:
                left = deadline - time.monotonic()
                if sum(part.bytes for part in self._waiting) >= BATCH_BYTES:
                    break
                if left <= 0 and self._waiting:
                    break
                self._changed.wait(max(left, 0.01) if self._waiting else None)
            batch, self._waiting = self._waiting, []
        return batch

    def _sync(self, batch: list[Part], named: list[Part]) -> None:
        """Have the data of `batch`, and the names of what is `named`, on disk."""
        if self._syncs_all:
            try:
                _process.sync_all(self._root)
                return
            except OSError as error:
                if error.errno not in CANNOT_SYNC:
                    raise OSError(error.errno, error.strerror, os.fspath(self._out)) from None
                self._syncs_all = False
        for part in batch:
            self._sync_files(part)
        for folder in {(part.split, part.klass) for part in named}:
            self._sync_names(*folder)
        for inside in (*self._splits.values(), self._root):
            _sync_folder(inside)

    def _sync_files(self, part: Part) -> None:
        folder = os.open(part.unfinished, FOLDER, dir_fd=self._partial)
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
            for name in names:  # links have no data of their own
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)
            _sync_folder(folder)
        finally:
            os.close(folder)

    def _sync_names(self, split: str, klass: str) -> None:
        folder = open_folder(self._out / split / klass, klass, self._splits[split])
        try:
            _sync_folder(folder)
        finally:
            os.close(folder)

    def _place(self, part: Part) -> None:
        path = self._out / part.split
        if part.split not in self._splits:
            self._splits[part.split] = open_folder(path, part.split, self._root, make=True)
        inside, name, path = self._splits[part.split], encoded(part.klass), path / part.klass
        unfinished = encoded(part.unfinished)
        try:
            if part.turns == 1 and not _is_there(name, inside):
                os.rename(unfinished, name, src_dir_fd=self._partial, dst_dir_fd=inside)
                return
            source = os.open(unfinished, FOLDER, dir_fd=self._partial)
            try:
                folder = open_folder(path, part.klass, inside, make=True)
                try:
                    with os.scandir(source) as entries:
                        names = [entry.name for entry in entries]
                    for file in names:
                        path = self._out / part.split / part.klass / file
                        os.rename(file, file, src_dir_fd=source, dst_dir_fd=folder)
                finally:
                    os.close(folder)
            finally:
                os.close(source)
            os.rmdir(unfinished, dir_fd=self._partial)
        except OSError as error:
            raise output_error(path, error) from None


def _is_there(name: bytes, inside: int) -> bool:
    try:
        os.stat(name, dir_fd=inside, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
