"""Bytes of a file, gzip or not, piece by piece, made on a thread of their own.

zlib works without the GIL, so the reader of the pieces runs meanwhile.
"""

from __future__ import annotations

import itertools
import queue
import threading
import zlib
from collections.abc import Iterable, Iterator

INPUT_BYTES = 1 << 17
OUTPUT_BYTES = 1 << 20
PIECES_AHEAD = 4
# Of one archive and all in it. ILSVRC2012's box files unpack to 0.6 GB; gzip can make a thousand
# bytes of one, and an inner archive a million, which would take days.
EXPANDED_BYTES_MAX = 64 << 30

_GZIP_MAGIC = b"\x1f\x8b"


class DamageError(ValueError):
    """What is wrong with an archive's bytes; whoever knows the names adds file and member."""

    member = ""


class Budget:
    """How much may be decompressed yet."""

    def __init__(self) -> None:
        self.left = EXPANDED_BYTES_MAX

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise DamageError(
                f"it decompresses to over {EXPANDED_BYTES_MAX >> 30} GiB, which no archive of "
                f"annotations does"
            )


def gunzip(pieces: Iterable[bytes], budget: Budget | None = None) -> Iterator[bytes]:
    """The decompressed bytes of a gzip file (RFC 1952) of one or more members.

    ``pieces`` are its bytes in order. Each piece yielded has at most OUTPUT_BYTES bytes, whatever
    the file claims. Zero bytes after the last member are let pass, as gzip does.

    Raises DamageError with the byte offset in the gzip file where the damage was met, or where
    ``budget``, by default a new one, is used up.
    """
    budget = budget or Budget()
    decompressor = zlib.decompressobj(31)
    inside = True  # a member has begun, or must begin: an empty file is no gzip file
    offset = 0
    for piece in pieces:
        offset += len(piece)
        rest = piece
        while rest:
            if not inside:
                rest = rest.lstrip(b"\0")
                if not rest:
                    break
                if not _GZIP_MAGIC.startswith(rest[:2]):
                    at = offset - len(rest)
                    raise DamageError(f"other data follow the end of the gzip stream at byte {at}")
                decompressor, inside = zlib.decompressobj(31), True
            try:
                data = decompressor.decompress(rest, OUTPUT_BYTES)
            except zlib.error as error:
                begin = offset - len(rest)
                raise DamageError(
                    f"corrupt gzip data between bytes {begin} and {offset}: {error}"
                ) from error
            if data:
                budget.take(len(data))
                yield data
            inside = not decompressor.eof
            # Output that zlib still holds comes with the next input; at least the trailer follows.
            rest = decompressor.unconsumed_tail if inside else decompressor.unused_data
    if inside:
        raise DamageError(f"the gzip data are cut off: the file ends at byte {offset}")


def decompressed(
    pieces: Iterator[bytes], budget: Budget | None = None
) -> tuple[Iterator[bytes], bool]:
    """``pieces``, through ``gunzip`` if they begin as gzip does; and whether they do."""
    first = next(pieces, b"")
    pieces = itertools.chain([first], pieces)
    is_gzip = first[:2] == _GZIP_MAGIC
    return (gunzip(pieces, budget) if is_gzip else pieces), is_gzip


def on_thread(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """``pieces``, made on a thread, PIECES_AHEAD at most ahead of the reader.

    What ``pieces`` raises is raised here. Closing this iterator ends the thread.
    """
    done = object()
    ready: queue.Queue[object] = queue.Queue(PIECES_AHEAD)
    stopped = threading.Event()

    def put(item: object) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        last: object = done
        try:
            for piece in pieces:
                if not put(piece):
                    return
        except BaseException as error:  # the reader's thread raises it
            last = error
        put(last)

    thread = threading.Thread(target=work, name="fastconv-gunzip", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not done:
            if isinstance(item, BaseException):
                raise item
            assert isinstance(item, bytes)
            yield item
    finally:
        stopped.set()
        while not ready.empty():  # let a waiting put go at once
            ready.get_nowait()
        thread.join()
