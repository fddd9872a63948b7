"""An object written through a pipe, in parts that are uploaded while the next ones are made."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import io
import os
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from fastconv._tfrecord import crc32c
from fastconv.remote.path import RemotePath
from fastconv.remote.store import Store

# With 4 parts on their way, one that waits and one that is filled, six of these are in memory. A
# store takes at most 10,000 parts, so that larger objects have larger parts.
PART_BYTES = 8 << 20
PART_BYTES_MAX = 32 << 20
MEMORY_BYTES = 48 << 20
PARTS_MAX = 9_000
PIPE_BYTES = 1 << 20


class Aborted(Exception):
    """The end of an upload that is not to be finished: its writer failed."""


class UploadPipe:
    """What is written to ``fd`` becomes an object. A context manager: at its end the object is
    there, whole, and has been looked at; or, if the writer or the store failed, the upload was
    aborted and no object is there that was not there before. ``expected_bytes`` is about how many
    there will be, which the size of parts is chosen by.

    Each part goes with its SHA-256, which the store compares. OSError where the store refuses;
    then that is what is raised, and not the broken pipe that the writer sees of it. ``bytes`` and
    ``crc32c`` are of the object."""

    def __init__(self, store: Store, key: str, expected_bytes: int = 0) -> None:
        self.bytes, self.crc32c = 0, 0
        self._store, self._key = store, key
        self._path = RemotePath(store.root.scheme, store.root.bucket, key)
        self._part = min(max(PART_BYTES, expected_bytes // PARTS_MAX), PART_BYTES_MAX)
        self._error: BaseException | None = None
        self._failed = self._ended = False
        self._from, self.fd = os.pipe()
        with contextlib.suppress(OSError):  # more than a user may have: then it is slower
            fcntl.fcntl(self.fd, getattr(fcntl, "F_SETPIPE_SZ", 1031), PIPE_BYTES)
        self._thread = threading.Thread(target=self._run, name="upload", daemon=True)

    def __enter__(self) -> UploadPipe:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._failed = error is not None
        os.close(self.fd)
        self._thread.join()
        refused = self._error
        # A broken pipe is the store's doing; whatever else ended the writer comes first.
        if refused is not None and (error is None or isinstance(error, OSError)):
            raise refused if error is None or not isinstance(refused, Aborted) else error from None

    def _run(self) -> None:
        try:
            with io.FileIO(self._from) as pipe:
                self._upload(pipe)
        except BaseException as error:
            self._error = error

    def _upload(self, pipe: io.FileIO) -> None:
        first = self._filled(pipe)
        if len(first) < self._part:
            etag = self._store.put(self._key, bytes(first))
        else:
            etag = self._multipart(first, pipe)
        size, found = self._store.head(self._key)
        if size != self.bytes or (found and etag and found != etag):
            reason = f"is not what was uploaded: it has {size:,} bytes, not {self.bytes:,}"
            if size == self.bytes:
                reason = "was written by another job meanwhile"
            raise OSError(errno.EIO, reason, str(self._path))

    def _multipart(self, first: bytearray, pipe: io.FileIO) -> str:
        """Upload in parts. What can be sent again is sent again by obstore; the upload as a whole
        cannot, as what came through the pipe is gone."""
        import obstore

        def parts() -> Iterator[bytearray]:
            part = first
            while part:
                yield part
                part = self._filled(pipe)

        backend = self._store.uploads

        def upload() -> Any:
            return obstore.put(
                backend,
                self._key,
                parts(),
                use_multipart=True,
                chunk_size=self._part,
                max_concurrency=max(1, MEMORY_BYTES // self._part - 2),
            )

        told, _ = self._store.refused(self._key, upload)
        if not isinstance(told, OSError):
            return str(told["e_tag"] or "")
        # Where the answer to the last request was lost, it was sent again, and then there is no
        # such upload any more.
        if isinstance(told, FileNotFoundError) and self._ended and self._is_there():
            return ""
        raise told

    def _is_there(self) -> bool:
        """Whether the object is the one that was sent, by its content: this is rare."""
        try:
            if self._store.size(self._key) != self.bytes:
                return False
            crc = 0
            for start in range(0, self.bytes, PART_BYTES):
                stop = min(start + PART_BYTES, self.bytes)
                crc = crc32c(self._store.read_range(self._key, start, stop), crc)
        except OSError:
            return False
        return crc == self.crc32c

    def _filled(self, pipe: io.FileIO) -> bytearray:
        """The next part: full, but for the last one, which is shorter or empty. Raises Aborted at
        the end of a writer that failed."""
        part = bytearray(self._part)
        view, filled = memoryview(part), 0
        while filled < self._part and (got := pipe.readinto(view[filled:])):
            filled += got
        view.release()
        if filled < self._part:
            if self._failed:
                raise Aborted
            del part[filled:]
            self._ended = True
        self.crc32c = crc32c(part, self.crc32c)
        self.bytes += filled
        return part
