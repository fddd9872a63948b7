"""The journal of an output in an object store, and what says there whose objects they are.

Nothing can be appended to an object. So ``manifest.journal`` is written once, when a job begins,
and each line that follows is an object of its own below ``manifest.journal.d/``, under the job's
token, which the journal's last line names: what another job left there counts for nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from fastconv.atomic import output_error
from fastconv.errors import OutputError
from fastconv.layout import DATA, INDEXES, NAME, VERSION
from fastconv.manifest import JOB, JOURNAL, MANIFEST, PARTIAL, TOOL, dump, parse
from fastconv.remote.path import RemotePath
from fastconv.remote.store import open_store

SEGMENTS = f"{JOURNAL}.d"
_SEGMENT = re.compile(r"([0-9a-f]{16})-[0-9]{8}")
_TOKEN = re.compile(r"[0-9a-f]{16}")


def _encoded(line: dict[str, Any]) -> bytes:
    return json.dumps(line).encode() + b"\n"


def content(path: RemotePath) -> bytes | None:
    """An object's bytes; None where there is none. Raises OutputError."""
    try:
        return open_store(path).read(path.key)
    except FileNotFoundError as error:
        if "there is no" in str(error.strerror):  # the bucket, which nobody makes for us
            raise output_error(path, error) from None
        return None
    except OSError as error:
        raise output_error(path, error) from None


def contents(out: RemotePath) -> list[str]:
    """Names below `out` that make it more than an empty place. Raises OutputError."""
    try:
        folders, objects = open_store(out).children(out.key)
    except OSError as error:
        raise output_error(out, error) from None
    return sorted(name for name in (*folders, *objects) if not name.startswith("."))


def token_of(out: RemotePath) -> tuple[str, bytes | None]:
    """(the token of the job whose journal is in `out`, its lines but for the one with the token);
    "" and None where there is no journal."""
    data = content(out / JOURNAL)
    if data is None:
        return "", None
    lines = data.splitlines(keepends=True)
    try:
        token = json.loads(lines[-1])["segments"]
    except (IndexError, ValueError, KeyError, TypeError):
        return "", data
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return "", data
    return token, b"".join(lines[:-1])


def segments(out: RemotePath) -> dict[str, list[str]]:
    """Keys of lines of journals, by the tokens of their jobs, in the order of their numbers."""
    found: dict[str, list[str]] = {}
    prefix = (out / SEGMENTS).key
    for key, _, _ in open_store(out).list(prefix):
        if match := _SEGMENT.fullmatch(key[len(prefix) + 1 :]):
            found.setdefault(match[1], []).append(key)
    return found


def read_journal(out: RemotePath) -> tuple[RemotePath, bytes] | None:
    """(where it stands, what it says): the journal with all of its lines, or else the manifest;
    None where there is neither. Raises OutputError."""
    token, data = token_of(out)
    if data is None:
        data = content(out / MANIFEST)
        return None if data is None else (out / MANIFEST, data)
    try:
        store = open_store(out)
        keys = segments(out).get(token, []) if token else []
        return out / JOURNAL, data + b"".join(store.each(store.read, keys))
    except OSError as error:
        raise output_error(out / SEGMENTS, error) from None


def refuse_occupied(out: RemotePath) -> None:
    """OutputError where anything is there."""
    names = contents(out)
    if names:
        shown = ", ".join(names[:4]) + (", …" if names[4:] else "")
        raise OutputError(
            f"{out}: already holds something ({shown}); choose an empty prefix, or replace what "
            f"fastconv wrote there with --overwrite"
        )


def refuse_mixture(out: RemotePath, root: RemotePath) -> None:
    """OutputError where `out` holds an output of another layout than the one whose manifest will be
    in `root`."""
    try:
        store = open_store(out)
        places = [out]
        if root == out:
            named = [name for name in store.folders(out.key) if NAME.fullmatch(name)]
            named = [name for name in named if name not in (DATA, INDEXES)]
            places = [
                out / name / version
                for name in named
                for version in store.folders((out / name).key)
                if VERSION.fullmatch(version)
            ]
        for place in places:
            _, objects = store.children(place.key)
            if {MANIFEST, JOURNAL} & set(objects):
                raise OutputError(
                    f"{place}: holds what fastconv wrote before, in another layout, and one prefix "
                    f"is for one kind of output; choose another with --out, or remove it first"
                )
    except OSError as error:
        raise output_error(out, error) from None


def written_before(out: RemotePath) -> set[str]:
    """Objects that a manifest or journal in `out` says are ours, as paths relative to it."""
    ours: set[str] = set()
    for name in (MANIFEST, JOURNAL):
        data = content(out / name)
        if data is not None:
            first = data if name == MANIFEST else data.partition(b"\n")[0]
            ours |= {name, *parse(out / name, first).get("files", [])}
    return ours


def clear_for(out: RemotePath, names: Iterable[str]) -> None:
    """Make way for objects (relative paths) in `out`: what an earlier run wrote there is removed,
    and nothing else. OutputError, with nothing removed, where one that is not fastconv's own is in
    the way."""
    if not contents(out):
        return
    ours = written_before(out)
    store, begin = open_store(out), len(out.key) + bool(out.key)
    try:
        there = {key[begin:] for key, _, _ in store.list(out.key)}
        in_the_way = [name for name in names if name in there - ours]
        if in_the_way:
            place = out / in_the_way[0]
            raise OutputError(
                f"{place}: is in the way, and no manifest says that fastconv wrote it; move it "
                f"away, or choose another place with --out"
            )
        # As in a folder: should this end half-way, the next run must know what is ours; and the
        # manifest goes first.
        store.put((out / JOURNAL).key, _encoded({"tool": TOOL, "files": sorted(ours)}))
        store.delete([(out / MANIFEST).key])
        gone = sorted((ours & there) - {MANIFEST, JOURNAL})
        store.delete([(out / name).key for name in gone])
        remove_segments(out, but="")
        store.delete([(out / JOURNAL).key])
    except OSError as error:
        raise output_error(error.filename or out, error) from None


def remove_segments(out: RemotePath, but: str) -> None:
    """Remove lines of journals, but for those of one job. Raises OSError."""
    stale = [key for token, keys in segments(out).items() if token != but for key in keys]
    open_store(out).delete(stale)


def remove_plans(out: RemotePath) -> None:
    """Remove the plans of jobs with workers of their own. What such workers are still at comes to
    nothing then (fastconv.shard). Raises OSError."""
    store, folder = open_store(out), out / PARTIAL
    begin = len(folder.key) + 1
    found = [key for key, _, _ in store.list(folder.key)]
    store.delete([key for key in found if JOB.fullmatch(key[begin:].partition("/")[0])])


class StoreJournal:
    """The journal of a running job. All methods raise OutputError where the store refuses.
    ``still_ours`` is asked before each line, and raises where another job took the place over."""

    def __init__(
        self,
        out: RemotePath,
        header: dict[str, Any],
        done: Iterable[dict[str, Any]],
        still_ours: Callable[[], None],
    ) -> None:
        self._out, self._store, self._still_ours = out, open_store(out), still_ours
        self.token, self._count = os.urandom(8).hex(), 0
        lines = [header, *done, {"segments": self.token}]
        try:
            self._store.put((out / JOURNAL).key, b"".join(map(_encoded, lines)))
            self._store.delete([(out / MANIFEST).key])
            remove_segments(out, but=self.token)
        except OSError as error:
            raise output_error(error.filename or out, error) from None

    def add(self, *lines: dict[str, Any]) -> None:
        """Write lines down, each lot as an object."""
        self._still_ours()
        key = (self._out / SEGMENTS / f"{self.token}-{self._count:08d}").key
        self._count += 1
        try:
            self._store.put(key, b"".join(map(_encoded, lines)))
        except OSError as error:
            raise output_error(self._out / JOURNAL, error) from None

    def close(self) -> None:
        """Nothing is open."""

    def finish(self, manifest: dict[str, Any], beside: dict[str, bytes]) -> None:
        """Write the objects ``beside`` the shards, and the manifest, and take the journal away."""
        self._still_ours()
        out = self._out
        try:
            for name, data in beside.items():
                self._store.put((out / name).key, data)
            self._store.put((out / MANIFEST).key, dump(manifest))
            # The journal's beginning first: lines without it are nothing, while a beginning without
            # its lines would say that nothing is done.
            self._store.delete([(out / JOURNAL).key])
            remove_segments(out, but="")
        except OSError as error:
            raise output_error(error.filename or out, error) from None
