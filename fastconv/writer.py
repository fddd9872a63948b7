"""A TFRecord file and its index, written by a program of yours."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from fastconv import _tfrecord
from fastconv.atomic import output_error, write_file
from fastconv.errors import UsageError
from fastconv.example import FeatureValue, encode_example

FLUSH_BYTES = 1 << 20
AGAIN = "try again"


class RecordWriter:
    """Writes records to a TFRecord file, and optionally the index that DALI reads.

    Threads may share one. A context manager: the files get their names when it is left without an
    exception, whole and synced; otherwise nothing is left of them. Files of these names are
    replaced. Raises OutputError, naming the file, where the system refuses a write.
    """

    def __init__(self, path: str | Path, index: str | Path | None = None) -> None:
        """``path``: the TFRecord file; ``index``: its index file, in a folder of its own."""
        self._path = Path(path)
        self._index = None if index is None else Path(index)
        if self._index is not None and self._index.resolve() == self._path.resolve():
            raise UsageError(f"{index}: is the TFRecord file itself; give the index another name")
        self._partial = self._path.with_name(f".{self._path.name}.{os.getpid()}.partial")
        try:
            self._fd = os.open(
                self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666
            )
        except OSError as error:
            raise output_error(self._path, error, AGAIN) from None
        self._file = _tfrecord.RecordFile(self._fd, FLUSH_BYTES)
        self._lock = threading.RLock()

    def write(self, payload: bytes | bytearray | memoryview) -> None:
        """Append one record of these bytes."""
        with self._lock:
            if self._fd < 0:
                raise ValueError(f"{self._path}: is closed")
            try:
                self._file.append(memoryview(payload).cast("B"))
            except OSError as error:
                raise output_error(self._path, error, AGAIN) from None

    def write_example(self, features: Mapping[str, FeatureValue]) -> None:
        """Append one tf.train.Example; see encode_example."""
        self.write(encode_example(features))

    @property
    def records(self) -> int:
        """Records written so far."""
        return self._file.records

    def close(self) -> None:
        """Finish the files and give them their names. Closing twice does nothing."""
        with self._lock:
            if self._fd < 0:
                return
            try:
                self._finish()
            except OSError as error:
                self.discard()
                raise output_error(self._path, error, AGAIN) from None
            except BaseException:
                self.discard()
                raise
            self._end()

    def _finish(self) -> None:
        self._file.finish()
        if self._index is not None:
            partial = self._index.with_name(f".{self._index.name}.{os.getpid()}.partial")
            write_file(self._index, self._file.index(), partial)
        try:
            self._partial.replace(self._path)
        except OSError:
            if self._index is not None:
                with suppress(OSError):
                    self._index.unlink()
            raise

    def discard(self) -> None:
        """Throw away what was written."""
        with self._lock:
            if self._fd >= 0:
                self._end()
                with suppress(OSError):
                    self._partial.unlink()

    def __del__(self) -> None:
        if hasattr(self, "_lock"):  # the file could be opened
            self.discard()

    def _end(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()
