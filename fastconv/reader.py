"""Reading TFRecord files, with code that shares nothing with what writes them."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Iterator
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Protocol

import crc32c

from fastconv._reader import parse_example as parse_example
from fastconv.errors import InputError, RecordError
from fastconv.regular import regular

HEAD = struct.Struct("<QI")
TAIL = struct.Struct("<I")
FRAME_BYTES = HEAD.size + TAIL.size  # of a record, besides its payload
BUFFER_BYTES = 1 << 20
ONE_RECORD_BYTES = 1 << 16  # read at once where only one record is wanted
GZIP_MAGIC = b"\x1f\x8b"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _mask(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _open(path: str | Path, buffer_bytes: int = BUFFER_BYTES) -> BufferedReader:
    try:
        return BufferedReader(FileIO(path, opener=regular), buffer_bytes)
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from None


def is_gzip(head: bytes) -> bool:
    """Whether a file that begins with these bytes, 12 if it has them, is compressed with GZIP."""
    # A record's length that begins with these two bytes would pass its own checksum.
    return head[:2] == GZIP_MAGIC and (
        len(head) < HEAD.size or _mask(crc32c.crc32c(head[:8])) != HEAD.unpack(head)[1]
    )


def _refuse_gzip(path: str | Path, head: bytes) -> None:
    if is_gzip(head):
        raise RecordError(
            f"{path}: is compressed with GZIP, and so has no byte offsets that a reader could go "
            f"to; decompress it first"
        )


def _payload_bytes(path: str | Path, head: bytes, at: int, record: int, end: int | None) -> int:
    where = f"{path}: record {record} at offset {at}"
    if len(head) < HEAD.size:
        ends = at + len(head) if end is None else end
        raise RecordError(f"{where}: is cut off in its head; the file ends at {ends}")
    size, crc = HEAD.unpack(head)
    if _mask(crc32c.crc32c(head[:8])) != crc:
        raise RecordError(f"{where}: the checksum of its length is wrong; this is no TFRecord file")
    if end is not None and at + HEAD.size + size + TAIL.size > end:
        raise RecordError(
            f"{where}: is cut off: it needs {size + 16} bytes, the file ends at {end}"
        )
    return int(size)


def _payload(
    file: _Readable, path: str | Path, head: bytes, at: int, record: int, end: int | None
) -> bytes:
    """What stands behind a head that was just read, its checksum checked."""
    size = _payload_bytes(path, head, at, record, end)
    payload, tail = file.read(size), file.read(TAIL.size)
    where = f"{path}: record {record} at offset {at}"
    if len(payload) + len(tail) < size + TAIL.size:
        why = "its content ends there" if end is None else "the file was cut while it was read"
        raise RecordError(f"{where}: is cut off: {why}")
    if _mask(crc32c.crc32c(payload)) != TAIL.unpack(tail)[0]:
        raise RecordError(f"{where}: the checksum of its {size} bytes is wrong")
    return payload


def read_records(path: str | Path) -> Iterator[bytes]:
    """The payloads of a TFRecord file, plain or compressed with GZIP, both checksums of each
    checked. Of a compressed file, offsets are those of its content.

    Raises InputError where the file cannot be read, and RecordError, naming record and offset,
    where it is damaged.
    """
    with _open(path) as file:
        end = os.fstat(file.fileno()).st_size
        at, record = 0, 0
        if is_gzip(file.peek(HEAD.size)[: HEAD.size]):
            yield from _records_of_gzip(file, path)
            return
        while at < end:
            head = file.read(HEAD.size)
            payload = _payload(file, path, head, at, record, end)
            yield payload
            at += FRAME_BYTES + len(payload)
            record += 1


def _records_of_gzip(file: BufferedReader, path: str | Path) -> Iterator[bytes]:
    at, record = 0, 0
    with gzip.GzipFile(fileobj=file) as content:
        while True:
            try:
                head = content.read(HEAD.size)
                if not head:
                    return
                payload = _payload(content, path, head, at, record, None)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise RecordError(
                    f"{path}: record {record} at offset {at} of its content: its GZIP data is cut "
                    f"off or damaged: {error}"
                ) from None
            yield payload
            at += FRAME_BYTES + len(payload)
            record += 1


def read_record(path: str | Path, record: int, offset: int) -> bytes:
    """The payload of one record, whose offset is known; errors are those of read_records."""
    with _open(path, ONE_RECORD_BYTES) as file:
        end = os.fstat(file.fileno()).st_size
        _refuse_gzip(path, file.read(HEAD.size))
        file.seek(offset)
        return _payload(file, path, file.read(HEAD.size), offset, record, end)


def is_compressed(path: str | Path) -> bool:
    """Whether a file is compressed with GZIP. Raises InputError where it cannot be read."""
    with _open(path, HEAD.size) as file:
        return is_gzip(file.read(HEAD.size))


def record_heads(path: str | Path) -> Iterator[tuple[int, int]]:
    """(offset, bytes of the whole frame) of each record, from the frames' heads alone, each read
    when it is asked for. Errors are those of read_records, but for payloads' checksums."""
    with _open(path, HEAD.size) as file:
        fd = file.fileno()
        end = os.fstat(fd).st_size
        at = record = 0
        while at < end:
            head = os.pread(fd, HEAD.size, at)
            frame = FRAME_BYTES + _payload_bytes(path, head, at, record, end)
            yield at, frame
            at += frame
            record += 1
