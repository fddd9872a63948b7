"""A GZIP file, compressed on a thread while it is written to a pipe."""

from __future__ import annotations

import contextlib
import os
import threading
import zlib
from types import TracebackType

from fastconv._tfrecord import crc32c
from fastconv.atomic import write_whole

PIECE_BYTES = 1 << 20
# JPEGs have nothing left to be squeezed out: level 6 takes longer, and saves no hundredth more.
LEVEL = 1
GZIP_BITS = 31  # zlib's word for a GZIP header; it holds no time and no name


class GzipPipe:
    """What is written to ``fd`` goes to the open file ``out`` compressed. A context manager: at its
    end all of it is handed over. OSError where the system refuses; then that is what is raised, and
    not the broken pipe that the writer sees of it."""

    def __init__(self, out: int) -> None:
        self.bytes, self.crc32c = 0, 0
        self._out = out
        self._error: BaseException | None = None
        self._from, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._run, name="gzip", daemon=True)

    def __enter__(self) -> GzipPipe:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        os.close(self.fd)
        self._thread.join()
        if self._error is not None:
            raise self._error from None

    def _run(self) -> None:
        try:
            squeeze = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_BITS)
            while piece := os.read(self._from, PIECE_BYTES):
                self._put(squeeze.compress(piece))
            self._put(squeeze.flush())
        except BaseException as error:
            self._error = error
        finally:
            with contextlib.suppress(OSError):
                os.close(self._from)

    def _put(self, data: bytes) -> None:
        write_whole(self._out, data)
        self.bytes += len(data)
        self.crc32c = crc32c(data, self.crc32c)
