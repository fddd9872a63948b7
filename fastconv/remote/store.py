"""One bucket of an object store: sizes, byte ranges, listings, whole objects.

What fails for a while (5xx, throttling, resets, bodies that end early, silence) is asked for again,
for about a minute; then, and for all that will not pass, an OSError says what the store refuses.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from fastconv.errors import UsageError
from fastconv.remote.backends import connect
from fastconv.remote.path import SIZED, Extent, RemotePath, sized
from fastconv.remote.refusals import is_panic, is_too_short, refusal
from fastconv.remote.settings import patience_seconds
from fastconv.remote.threads import HASTE, heeding, on_threads, within

if TYPE_CHECKING:
    from obstore.store import ObjectStore

CONCURRENCY = 32  # requests in flight of one process
PIECE_BYTES = 8 << 20  # the most that one request asks for
LARGE_BYTES = 1 << 20  # from here on, a body takes its time over a slow line
T = TypeVar("T")
Names = list[str]
Listing = list[tuple[str, int, str]]


class Store:
    """A bucket. All methods may be called from several threads; they raise FileNotFoundError for
    what is not there, PermissionError for what is refused, and other OSErrors, each with the URL
    and with no secret."""

    def __init__(self, root: RemotePath) -> None:
        self.root = RemotePath(root.scheme, root.bucket)
        self._patience = patience_seconds()
        self._store = connect(self.root)
        self._uploads: ObjectStore | None = None

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Store holds credentials: hand over its path")

    @property
    def backend(self) -> ObjectStore:
        """obstore's store, for what is not here."""
        return self._store

    @property
    def uploads(self) -> ObjectStore:
        """The same, with more patience: for what has a large body."""
        if self._uploads is None:  # made twice, it is no harm
            self._uploads = connect(self.root, uploads=True)
        return self._uploads

    def attempt(self, key: str, do: Callable[[], T]) -> T:
        """What ``do`` returns, which is called again while what it fails with may pass. Ctrl-C is
        heard meanwhile, and there is little time where the process is in haste."""
        left = HASTE.seconds
        if left is not None:
            try:
                return within(lambda: self._attempt(key, do), left)
            except TimeoutError:
                path = RemotePath(self.root.scheme, self.root.bucket, key)
            raise OSError(errno.ETIMEDOUT, "its server does not answer", str(path))
        if threading.current_thread() is threading.main_thread():
            return heeding(lambda: self._attempt(key, do))
        return self._attempt(key, do)

    def _attempt(self, key: str, do: Callable[[], T]) -> T:
        deadline, pause = time.monotonic() + self._patience, 0.1
        while True:
            refused, passing = self.refused(key, do)
            if not isinstance(refused, OSError):
                return refused
            if not passing or time.monotonic() + pause > deadline:
                # Not in an except block: the library's error is not to hang on to this one.
                raise refused
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, 5.0)

    def refused(self, key: str, do: Callable[[], T]) -> tuple[T | OSError, bool]:
        """(what ``do`` returns, or the error in our words; whether that may pass)."""
        from obstore.exceptions import BaseError

        try:
            return do(), False
        except EarlyEnd:
            path = RemotePath(self.root.scheme, self.root.bucket, key)
            return OSError(errno.ECONNRESET, "its server sends less than it says", str(path)), True
        except Ended as error:
            return error, False
        except BaseException as error:
            if not isinstance(error, BaseError | OSError) and not is_panic(error):
                raise
            return refusal(error, RemotePath(self.root.scheme, self.root.bucket, key))

    def size(self, key: str) -> int:
        """Bytes of an object."""
        return self.head(key)[0]

    def head(self, key: str) -> tuple[int, str]:
        """(bytes, ETag) of an object; the ETag is empty where the store gives none."""
        import obstore

        told = self.attempt(key, lambda: obstore.head(self._store, key))
        return told["size"], told["e_tag"] or ""

    def version(self, key: str) -> tuple[int, str]:
        """(bytes, version) of an object: its ETag, or, where the store gives none, its size and
        when it was changed."""
        import obstore

        told = self.attempt(key, lambda: obstore.head(self._store, key))
        return told["size"], _version(told)

    def read(self, key: str) -> bytes:
        """All of an object."""
        size = self.size(key)
        starts = list(range(0, size, PIECE_BYTES))
        stops = [min(start + PIECE_BYTES, size) for start in starts]
        return b"".join(self.read_ranges(key, starts, stops))

    def read_range(self, key: str, start: int, stop: int, version: str = "") -> bytes:
        """Bytes [start, stop) of an object that has them all. With ``version``, of an object that
        is of this version (see version): of another an OSError with errno ESTALE."""
        import obstore
        from obstore.exceptions import BaseError, PreconditionError

        if start == stop:
            return b""
        options: Any = {"range": (start, stop)}
        if version and not version.startswith(SIZED):
            options["if_match"] = version

        def once() -> bytes:
            try:
                got = obstore.get(self._store, key, options=options)
            except PreconditionError:
                got = None
            except BaseError as error:
                if not version or not is_too_short(error):
                    raise
                got = None
            if got is None or not _is_still(version, got.meta):  # see attempt: not above
                path = RemotePath(self.root.scheme, self.root.bucket, key)
                raise Ended(errno.ESTALE, "is not what it was when it was listed", str(path))
            if tuple(got.range) != (start, stop):
                path, size = RemotePath(self.root.scheme, self.root.bucket, key), got.meta["size"]
                reason = f"ends at {size:,} bytes, and bytes {start:,} to {stop:,} were asked for"
                raise Ended(errno.EIO, reason, str(path))
            data: bytes = got.bytes().to_bytes()
            if len(data) != stop - start:
                raise EarlyEnd
            return data

        return self.attempt(key, once)

    def read_ranges(
        self, key: str, starts: Sequence[int], stops: Sequence[int], version: str = ""
    ) -> list[bytes]:
        """Several ranges of one object, in their order, CONCURRENCY of them at once."""
        if len(starts) < 2:
            each = zip(starts, stops, strict=True)
            return [self.read_range(key, *pair, version) for pair in each]
        pairs = list(zip(starts, stops, strict=True))
        return on_threads(lambda pair: self.read_range(key, *pair, version), pairs, CONCURRENCY)

    def list(self, prefix: str = "") -> Listing:
        """(key, bytes, ETag) of every object below a prefix, which ends where a part of the key
        does; sorted by key. Objects that are still being uploaded are not among them."""
        import obstore

        def once() -> Listing:
            pages = obstore.list(self._store, prefix or None, chunk_size=1000)
            return sorted((m["path"], m["size"], m["e_tag"] or "") for page in pages for m in page)

        return self.attempt(prefix, once)

    def folders(self, prefix: str = "") -> Names:
        """Names of what would be folders right below a prefix, sorted."""
        import obstore

        told = self.attempt(
            prefix, lambda: obstore.list_with_delimiter(self._store, prefix or None)
        )
        return sorted(name.rstrip("/").rpartition("/")[2] for name in told["common_prefixes"])

    def children(self, prefix: str = "") -> tuple[Names, Names]:
        """(names of what would be folders right below a prefix, names of objects there)."""
        import obstore

        told = self.attempt(
            prefix, lambda: obstore.list_with_delimiter(self._store, prefix or None)
        )
        folders = (name.rstrip("/") for name in told["common_prefixes"])
        keys = (meta["path"] for meta in told["objects"])
        return _last_parts(folders), _last_parts(keys)

    def each(self, do: Callable[[str], T], keys: Sequence[str]) -> Sequence[T]:
        """``do`` of each key, CONCURRENCY of them at once."""
        return on_threads(do, keys, CONCURRENCY)

    def put(self, key: str, data: bytes, *, create: bool = False) -> str:
        """Write an object, whole or not at all; its ETag. With ``create`` FileExistsError where
        there is one, of stores that heed it."""
        import obstore

        mode: Any = "create" if create else "overwrite"
        store = self._store if len(data) < LARGE_BYTES else self.uploads
        told = self.attempt(
            key, lambda: obstore.put(store, key, data, use_multipart=False, mode=mode)
        )
        return told["e_tag"] or ""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no error."""
        import obstore

        def one(key: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                self.attempt(key, lambda: obstore.delete(self._store, key))

        on_threads(one, keys, CONCURRENCY)


def read_extent(extent: Extent) -> bytes:
    """All of it."""
    path, start, size, version = extent
    starts = list(range(start, start + size, PIECE_BYTES))
    stops = [min(at + PIECE_BYTES, start + size) for at in starts]
    return b"".join(open_store(path).read_ranges(path.key, starts, stops, version))


def _version(meta: Any) -> str:
    modified = f";modified={meta['last_modified'].timestamp():.0f}"
    return meta["e_tag"] or sized(meta["size"]) + modified


def _is_still(version: str, meta: Any) -> bool:
    """Whether an answer is of this version, where the store was not asked for that."""
    if not version.startswith(SIZED):
        return True
    size, _, modified = version.partition(";")
    return size == sized(meta["size"]) and (
        not modified or _version({**meta, "e_tag": ""}) == version
    )


def _last_parts(keys: Iterable[str]) -> Names:
    return sorted(key.rpartition("/")[2] for key in keys)


class Ended(OSError):
    """An object that has not the bytes that were asked for."""


class EarlyEnd(Exception):
    """A body that ends before the bytes that were asked for."""


_lock = threading.Lock()
_stores: dict[tuple[str, str], Store] = {}
_process = 0


def open_store(path: RemotePath) -> Store:
    """The store of a path's bucket; one a process, whoever asks. Raises UsageError and
    PermissionError."""
    global _process
    with _lock:
        if _process not in (0, os.getpid()):
            raise UsageError(
                "this process was forked from one that talked to an object store, whose threads it "
                "does not have: start worker processes afresh (multiprocessing's 'spawn')"
            )
        _process = os.getpid()
        key = (path.scheme, path.bucket)
        if key not in _stores:
            _stores[key] = Store(path)
        return _stores[key]
