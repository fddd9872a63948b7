"""Images in tar archives of object stores: the same scan, of bytes that come by ranges."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from fastconv import _tar
from fastconv.catalog import Listing
from fastconv.errors import InputError
from fastconv.remote.path import RemotePath
from fastconv.remote.store import Store, open_store
from fastconv.remote.threads import heeding, on_threads
from fastconv.sources.archives import Cut, Members, list_members, listed, refuse_compressed
from fastconv.sources.buckets import facts_of

# Inner archives are independent of each other, so that as many requests are under way at once.
CHAINS = 32
HOP_BYTES = 4 << 10  # costs no more than 512 do
FIRST_BYTES = 64 << 10
# What is read through: so much at once by all chains together, and by each in pieces of so much.
THROUGH_BYTES, PIECE_BYTES, PIECES_MAX = 32 << 20, 1 << 20, 8
# Where headers are closer than this, a request brings many of them, whatever the network is like.
NEAR_BYTES = 16 << 10
WEIGHT = 0.2  # of a new measurement


class Pace:
    """How long a request for a header takes, and a byte of what is read through: as measured, by
    all chains together. It settles whether a chain goes from header to header, or reads all that is
    between them, which is quicker where members are small or answers slow."""

    def __init__(self) -> None:
        self.hop_seconds = self.byte_seconds = 0.0
        self.requests = self.bytes = self.chains = 0
        self._lock = threading.Lock()

    def window(self, step_bytes: float) -> int:
        """How much to ask for where headers are so far apart, on the average."""
        if step_bytes <= 0:
            return FIRST_BYTES
        if step_bytes > NEAR_BYTES:
            if not self.hop_seconds:
                return HOP_BYTES
            # Where it was not measured yet, it is tried.
            if step_bytes > PIECE_BYTES or step_bytes * self.byte_seconds > self.hop_seconds:
                return HOP_BYTES
        room = THROUGH_BYTES // max(self.chains, 1)
        return min(max(room // PIECE_BYTES, 1), PIECES_MAX) * PIECE_BYTES

    def took(self, requests: int, size: int, seconds: float) -> None:
        with self._lock:
            self.requests += requests
            self.bytes += size
            if size <= HOP_BYTES:
                self.hop_seconds += (seconds - self.hop_seconds) * (
                    WEIGHT if self.hop_seconds else 1
                )
            elif size >= PIECE_BYTES:
                each = seconds / size
                self.byte_seconds += (each - self.byte_seconds) * (
                    WEIGHT if self.byte_seconds else 1
                )

    def began(self, count: int) -> None:
        with self._lock:
            self.chains += count


def scan_ranges(
    store: Store, path: RemotePath, version: str, begin: int, end: int, stop: array[int], pace: Pace
) -> tuple[int, int, int, bytes, bytes, bytes, bytes, bytes]:
    """What _tar.scan answers, of bytes [begin, end) of an object of this version. Raises OSError
    for what the store refuses."""
    scan = _tar.Scan(begin, end, stop)
    window, at = b"", begin
    pace.began(1)
    try:
        while not scan.feed(window, at):
            at, needed = scan.need
            # How far apart headers are: by how many members were passed, and how many bytes.
            wanted = pace.window((at - begin) / max(scan.members, 1))
            wanted = min(max(wanted, needed), end - at)
            starts = list(range(at, at + wanted, PIECE_BYTES))
            stops = [min(start + PIECE_BYTES, at + wanted) for start in starts]
            began = time.monotonic()
            window = b"".join(store.read_ranges(path.key, starts, stops, version))
            pace.took(len(starts), wanted, time.monotonic() - began)
    finally:
        pace.began(-1)
    return scan.answer()


def list_remote_archive(
    path: RemotePath, use_cut: bool = False, pace: Pace | None = None
) -> Listing:
    """As list_archive, of an object, as it is now: the containers have its version."""
    pace = pace or Pace()
    size, version = facts_of(path)
    stop = array("i", [0])
    try:
        store = open_store(path)
        begin = heeding(lambda: store.read_range(path.key, 0, min(size, 2), version))
        refuse_compressed(begin, path)
    except OSError as error:
        raise unreadable(path, error) from None

    def scan(begin: int, end: int, what: str) -> tuple[Members, Cut | None]:
        try:
            answer = scan_ranges(store, path, version, begin, end, stop, pace)
        except OSError as error:
            raise unreadable(path, error) from None
        return listed(answer, end, what)

    def run(do: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        return iter(on_threads(do, items, CHAINS))

    try:
        listing = list_members(path, size, scan, run, use_cut)
    except BaseException:
        stop[0] = 1
        raise
    places = tuple(replace(place, version=version) for place in listing.containers)
    return replace(listing, containers=places)


def unreadable(path: RemotePath, error: OSError) -> InputError:
    """What to say where a store refuses an object."""
    return InputError(f"{path}: cannot be read: {error.strerror or error}")
