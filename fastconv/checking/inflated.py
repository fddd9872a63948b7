"""A GZIP file's content as a pipe, for those who walk through it: no more of it is in memory than
a few pieces, whatever it comes to."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import crc32c

from fastconv.annotations.gunzip import DamageError, gunzip
from fastconv.atomic import write_whole
from fastconv.reader import is_gzip
from fastconv.shared import above_standard_streams

PIECE_BYTES = 1 << 20


@dataclass(slots=True)
class Inflated:
    """``fd``: what is to be walked through, the file itself where it is not compressed. What else
    there is to say is known at the end: ``bytes`` and ``crc32c`` of the compressed file, None where
    there is none; ``problem``: why its content ends early, in words."""

    fd: int
    bytes: int | None = None
    crc32c: int = 0
    problem: str = ""

    @property
    def end(self) -> int | None:
        """The bytes of what is walked through, None of a pipe."""
        return os.fstat(self.fd).st_size if self.bytes is None else None


@contextlib.contextmanager
def inflated(fd: int) -> Iterator[Inflated]:
    """What is in an open file, made on a thread where it is compressed."""
    if not is_gzip(os.pread(fd, 12, 0)):
        yield Inflated(fd)
        return
    ours, theirs = map(above_standard_streams, os.pipe())
    made = Inflated(ours, os.fstat(fd).st_size)
    thread = threading.Thread(target=_inflate, args=(fd, theirs, made), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        os.close(ours)  # whoever writes to it ends then
        thread.join()


def _inflate(fd: int, pipe: int, made: Inflated) -> None:
    try:
        for piece in gunzip(_pieces(fd, made)):
            write_whole(pipe, piece)
    except BrokenPipeError:  # the walk ended at what it found
        pass
    except (DamageError, OSError) as error:
        made.problem = f"its GZIP data cannot be read: {error}"
    finally:
        os.close(pipe)


def _pieces(fd: int, made: Inflated) -> Iterator[bytes]:
    at = 0
    while piece := os.pread(fd, PIECE_BYTES, at):
        at += len(piece)
        made.crc32c = crc32c.crc32c(piece, made.crc32c)
        yield piece
