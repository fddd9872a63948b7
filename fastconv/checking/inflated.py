"""A GZIP file's content in memory, for those who walk through it."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import crc32c

from fastconv.atomic import write_whole
from fastconv.reader import is_gzip
from fastconv.shared import anonymous_file

PIECE_BYTES = 1 << 20
GZIP_BITS = 31  # zlib's word for a GZIP header


@dataclass(slots=True)
class Inflated:
    """``fd``: what is to be walked through, the file itself where it is not compressed. ``bytes``
    and ``crc32c`` are of the compressed file, None where there is none; ``problem``: why its
    content ends early, in words."""

    fd: int
    bytes: int | None = None
    crc32c: int = 0
    problem: str = ""


@contextlib.contextmanager
def inflated(fd: int) -> Iterator[Inflated]:
    """What is in an open file, whose content lies in memory meanwhile where it is compressed."""
    if not is_gzip(os.pread(fd, 12, 0)):
        yield Inflated(fd)
        return
    made = Inflated(anonymous_file(), 0)
    try:
        try:
            _inflate(fd, made)
        except (zlib.error, OSError) as error:
            made.problem = f"its GZIP data cannot be read behind offset {made.bytes}: {error}"
        yield made
    finally:
        os.close(made.fd)


def _inflate(fd: int, made: Inflated) -> None:
    at = 0
    stream = zlib.decompressobj(GZIP_BITS)
    while piece := os.pread(fd, PIECE_BYTES, at):
        at += len(piece)
        made.bytes, made.crc32c = at, crc32c.crc32c(piece, made.crc32c)
        while piece:
            if stream.eof:  # several GZIP files, one behind another, are one
                stream = zlib.decompressobj(GZIP_BITS)
            write_whole(made.fd, stream.decompress(piece))
            piece = stream.unused_data
    if not stream.eof:
        made.problem = f"its GZIP data is cut off at its end, {at}"
