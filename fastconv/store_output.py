"""Where a conversion's output goes, if that is an object store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import crc32c

from fastconv import store_journal as objects
from fastconv.atomic import output_error
from fastconv.layout import Layout
from fastconv.manifest import OURS, RUNS
from fastconv.past import Past, look_back
from fastconv.preflight import Need
from fastconv.remote.leftovers import abort_leftovers
from fastconv.remote.path import RemotePath
from fastconv.remote.store import open_store
from fastconv.remote.threads import HASTE
from fastconv.runs import runs_bytes, runs_of
from fastconv.store_lock import locked


class StoreOutput:
    """An output below a prefix of an object store (fastconv.output.Output)."""

    def __init__(self, place: RemotePath) -> None:
        self._place = place
        self._token = ""
        self._sizes: dict[str, int] | None = None
        self._indexes: dict[str, str] = {}
        self._past: Past | None = None
        self._handled: BaseException | None = None  # by whoever called
        self._still_ours: Callable[[], None] = lambda: None

    @property
    def place(self) -> RemotePath:
        return self._place

    @contextmanager
    def locked(self, tell: Callable[[str], None]) -> Iterator[None]:
        self._handled = sys.exc_info()[1]
        try:
            with locked(self._place, tell) as still_ours:
                self._still_ours = still_ours
                try:
                    yield
                except BaseException:
                    HASTE.begin()
                    raise
        finally:
            HASTE.end()

    def look_back(self, facts: dict[str, Any], resume: bool) -> Past | None:
        self._past = look_back(self._place, facts, resume)
        self._token, _ = objects.token_of(self._place)
        return self._past

    def what_is_amiss(self, places: Layout, shard: dict[str, Any]) -> str:
        """As of a folder. All are looked at together, when the first one is asked for: one listing,
        and the indexes, many at once."""
        if self._sizes is None:
            self._look_at_all(places)
        assert self._sizes is not None
        name = shard["name"]
        size = self._sizes.get(places.shard_file(name))
        if size is None:
            return "is not there"
        if size != shard["bytes"]:
            return f"has {size:,} bytes, not {shard['bytes']:,}"
        if places.indexes is None:
            return ""
        if name not in self._indexes:
            return "has no index"
        if self._indexes[name] != shard["index_crc32c"]:
            return "has another index than the one that was written"
        return ""

    def _look_at_all(self, places: Layout) -> None:
        store, root = open_store(self._place), self._place
        begin = len(root.key) + bool(root.key)
        try:
            found = {key[begin:]: size for key, size, _ in store.list((root / places.data).key)}
            self._sizes = found
            if places.indexes is None or self._past is None:
                return
            folder = (root / places.indexes).key
            there = {key.rpartition("/")[2]: key for key, _, _ in store.list(folder)}
            names = [name for name in self._past.shards if name in there]

            def checksum(key: str) -> str:
                return f"{crc32c.crc32c(store.read(key)):08x}"

            sums = store.each(checksum, [there[name] for name in names])
            self._indexes = dict(zip(names, sums, strict=True))
        except OSError as error:
            raise output_error(error.filename or root, error) from None

    def not_as_written(self, beside: dict[str, bytes]) -> list[str]:
        return [
            name for name, data in beside.items() if objects.content(self._place / name) != data
        ]

    def check_space(self, need: Need, overwrite: bool) -> None:
        """A store has no end that could be asked for."""

    def clear_for(self, names: list[str]) -> None:
        objects.clear_for(self._place, names)

    def remove_unfinished(self) -> None:
        """Lines of journals that no journal names, plans of jobs, and uploads that were neither
        finished nor aborted."""
        self._hurry_after_an_error()
        abort_leftovers(self._place, lambda name: bool(OURS.fullmatch(name)))
        try:
            objects.remove_segments(self._place, but=self._token)
            objects.remove_plans(self._place)
        except OSError as error:
            raise output_error(error.filename or self._place, error) from None

    def journal(
        self, _folders: Iterable[str], header: dict[str, Any], done: Iterable[dict[str, Any]]
    ) -> objects.StoreJournal:
        try:
            objects.remove_plans(self._place)  # an earlier job's workers end without a shard
        except OSError as error:
            raise output_error(error.filename or self._place, error) from None
        journal = objects.StoreJournal(self._place, header, done, self._still_ours)
        self._token = journal.token
        return journal

    def read_runs(self) -> list[dict[str, Any]]:
        return runs_of(objects.content(self._place / RUNS) or b"")

    def write_runs(self, runs: list[dict[str, Any]]) -> None:
        self._hurry_after_an_error()
        place = self._place / RUNS
        try:
            open_store(place).put(place.key, runs_bytes(runs))
        except OSError as error:
            raise output_error(place, error) from None

    def _hurry_after_an_error(self) -> None:
        """What is done while an error, or Ctrl-C, is on its way up is tidying; but not where a
        caller was handling one before."""
        if sys.exc_info()[1] is not self._handled:
            HASTE.begin()
