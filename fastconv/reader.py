"""Reading TFRecord files, with code that shares nothing with what writes them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

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


def _mask(crc: int) -> int:
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _open(path: str | Path, buffer_bytes: int = BUFFER_BYTES) -> IO[bytes]:
    try:
        file = open(path, "rb", buffering=buffer_bytes, opener=regular)  # noqa: SIM115
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror}") from None
    return file


def _refuse_gzip(path: str | Path, head: bytes) -> None:
    # A record's length that begins with these two bytes would pass its own checksum.
    if head[:2] == GZIP_MAGIC and (
        len(head) < HEAD.size or _mask(crc32c.crc32c(head[:8])) != HEAD.unpack(head)[1]
    ):
        raise RecordError(
            f"{path}: is compressed with GZIP, and so has no byte offsets that a reader could go "
            f"to; decompress it first"
        )


def _payload_bytes(path: str | Path, head: bytes, at: int, record: int, end: int) -> int:
    where = f"{path}: record {record} at offset {at}"
    if len(head) < HEAD.size:
        raise RecordError(f"{where}: is cut off in its head; the file ends at {end}")
    size, crc = HEAD.unpack(head)
    if _mask(crc32c.crc32c(head[:8])) != crc:
        raise RecordError(f"{where}: the checksum of its length is wrong; this is no TFRecord file")
    if at + HEAD.size + size + TAIL.size > end:
        raise RecordError(
            f"{where}: is cut off: it needs {size + 16} bytes, the file ends at {end}"
        )
    return int(size)


def _payload(
    file: IO[bytes], path: str | Path, head: bytes, at: int, record: int, end: int
) -> bytes:
    """What stands behind a head that was just read, its checksum checked."""
    size = _payload_bytes(path, head, at, record, end)
    payload, tail = file.read(size), file.read(TAIL.size)
    where = f"{path}: record {record} at offset {at}"
    if len(payload) + len(tail) < size + TAIL.size:
        raise RecordError(f"{where}: is cut off: the file was cut while it was read")
    if _mask(crc32c.crc32c(payload)) != TAIL.unpack(tail)[0]:
        raise RecordError(f"{where}: the checksum of its {size} bytes is wrong")
    return payload


def read_records(path: str | Path) -> Iterator[bytes]:
    """The payloads of a TFRecord file, both checksums of each checked.

    Raises InputError where the file cannot be read, and RecordError, naming record and offset,
    where it is damaged.
    """
    with _open(path) as file:
        end = os.fstat(file.fileno()).st_size
        at, record = 0, 0
        while at < end:
            head = file.read(HEAD.size)
            if at == 0:
                _refuse_gzip(path, head)
            payload = _payload(file, path, head, at, record, end)
            yield payload
            at += FRAME_BYTES + len(payload)
            record += 1


def read_record(path: str | Path, record: int, offset: int) -> bytes:
    """The payload of one record, whose offset is known; errors are those of read_records."""
    with _open(path, ONE_RECORD_BYTES) as file:
        end = os.fstat(file.fileno()).st_size
        file.seek(offset)
        return _payload(file, path, file.read(HEAD.size), offset, record, end)


def is_compressed(path: str | Path) -> bool:
    """Whether a file is compressed with GZIP. Raises InputError where it cannot be read."""
    with _open(path, HEAD.size) as file:
        try:
            _refuse_gzip(path, file.read(HEAD.size))
        except RecordError:
            return True
    return False


def record_heads(path: str | Path) -> Iterator[tuple[int, int]]:
    """(offset, bytes of the whole frame) of each record, from the frames' heads alone, each read
    when it is asked for. Errors are those of read_records, but for payloads' checksums."""
    with _open(path, 0) as file:
        fd = file.fileno()
        end = os.fstat(fd).st_size
        at = record = 0
        while at < end:
            head = os.pread(fd, HEAD.size, at)
            frame = FRAME_BYTES + _payload_bytes(path, head, at, record, end)
            yield at, frame
            at += frame
            record += 1
