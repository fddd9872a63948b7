"""``manifest.journal``: what a running job has done, for whoever goes on with it; and the journals
of shares, which are like it.

Its first line names the job and every file that it may write; each shard adds a line when it is
whole under its final name, on disk. It is begun under another name, so that it is there with its
first line or not at all, and goes when the manifest is there.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from fastconv.atomic import output_error, sync_folder, write_file, write_whole
from fastconv.manifest import (
    JOURNAL,
    MANIFEST,
    PARTIAL,
    TOOL,
    dump,
    remove_partial,
)
from fastconv.planned import ENDING, PLANNED, SHARES, remove_planned


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"


def labels_text(labels: Iterable[str]) -> bytes:
    """What labels.txt holds."""
    return "".join(f"{name}\n" for name in labels).encode("utf-8", "surrogateescape")


class _Lines:
    """A file that grows by lines. All methods raise OutputError where the disk refuses."""

    _path: Path
    _file: IO[bytes]

    def add(self, *lines: dict[str, Any]) -> None:
        """Append lines, and have them on disk before returning."""
        try:
            write_whole(self._file.fileno(), b"".join(map(_encoded, lines)))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise output_error(self._path, error) from None

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what could not be written was reported by add()
            self._file.close()


class Journal(_Lines):
    """The journal of a running job. All methods raise OutputError where the disk refuses."""

    def __init__(
        self,
        out: Path,
        folders: Iterable[str],
        header: dict[str, Any],
        done: Iterable[dict[str, Any]],
    ) -> None:
        """Make the ``folders`` of an output and begin its journal, with the lines of what is
        ``done`` already. A manifest that is there goes: the job is not finished any more."""
        self._out, self._planned = out, header.get(PLANNED)
        self._path = path = out / JOURNAL
        try:
            remove_partial(out)  # of a job that was killed
            for name in (*folders, PARTIAL):
                (out / name).mkdir(parents=True, exist_ok=True)
            sync_folder(out.parent)
            write_file(path, b"".join(map(_encoded, [header, *done])), out / PARTIAL / JOURNAL)
            sync_folder(out)
            if (out / MANIFEST).exists():
                (out / MANIFEST).unlink()
                sync_folder(out)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise output_error(error.filename or out, error) from None

    def finish(self, manifest: dict[str, Any], beside: dict[str, bytes]) -> None:
        """Write the files ``beside`` the shards, and the manifest, and take the journal away: the
        output is whole."""
        out, partial = self._out, self._out / PARTIAL
        for name, data in beside.items():
            write_file(out / name, data, partial / Path(name).name)
            if "/" in name:
                sync_folder((out / name).parent)
        write_file(out / MANIFEST, dump(manifest), partial / MANIFEST)
        sync_folder(out)  # the manifest's name is to last before the journal's goes
        self.close()
        try:
            if self._planned:  # as long as the journal is there, it is known whose these are
                remove_planned(out)
            (out / JOURNAL).unlink()
            remove_partial(out)
        except OSError as error:
            raise output_error(error.filename or out / JOURNAL, error) from None
        sync_folder(out)


class ShareJournal(_Lines):
    """The journal of one share of a planned job: a file of its own, so that no two ever write to
    one. Its first line says of which plan it is; the others are as in the job's own, and at the end
    comes one that says how the share went."""

    def __init__(self, out: Path, name: str, partial: Path, header: dict[str, Any]) -> None:
        """Begin the journal ``name`` in `out`, by way of the folder ``partial``."""
        self._path = path = out / SHARES / f"{name}{ENDING}"
        try:
            path.parent.mkdir(exist_ok=True)
            sync_folder(out)
            write_file(path, _encoded({"tool": TOOL, **header}), partial / path.name)
            sync_folder(path.parent)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise output_error(error.filename or path, error) from None
