"""Where the records of a shard are, without reading what is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fastconv.errors import InputError
from fastconv.reader import FRAME_BYTES, HEAD, is_compressed, read_records, record_heads
from fastconv.regular import content, regular

SMALL_BYTES = 4096  # a feature of more is passed over where only a record's facts are wanted
WINDOW_BYTES = 1024  # read at once on the way from feature to feature
TAGGED_BYTES = 11  # a tag, and a length at the most
LISTS = 0x0A  # the tag of an Example's Features, and of each entry in them


class Place(NamedTuple):
    """A record: its shard, its number there, where its frame begins (None in a compressed shard)
    and the bytes of the whole frame."""

    shard: Path
    record: int
    offset: int | None
    size: int


def places(shard: Path, index: Path | None = None) -> Iterator[Place]:
    """The records of a shard, in order. Where there is an index that fits, the shard is not read;
    otherwise its frames' heads are, each when it is asked for. A compressed one is read whole.

    Raises InputError where the shard cannot be read, and RecordError, naming record and offset,
    where it is damaged.
    """
    lines = _fitting(index, shard) if index is not None else None
    if lines is not None:
        for record, line in enumerate(lines):
            begin, _, frame = line.partition(b" ")
            yield Place(shard, record, int(begin), int(frame))
        return
    if is_compressed(shard):
        for record, payload in enumerate(read_records(shard)):
            yield Place(shard, record, None, len(payload) + FRAME_BYTES)
        return
    for record, (at, size) in enumerate(record_heads(shard)):
        yield Place(shard, record, at, size)


def count(shard: Path, index: Path | None = None) -> int:
    """How many records a shard has; errors as those of places()."""
    lines = _fitting(index, shard) if index is not None else None
    return len(lines) if lines is not None else sum(1 for _ in places(shard))


def _fitting(index: Path, shard: Path) -> list[bytes] | None:
    """The lines of an index that tells of this shard, as far as its size shows; else None."""
    try:
        text, end = content(index), shard.stat().st_size
    except OSError:
        return None
    lines = text.splitlines()
    at = 0
    for line in lines:
        offset, _, size = line.partition(b" ")
        if not offset.isdigit() or not size.isdigit() or int(offset) != at:
            return None
        at += int(size)
    return lines if at == end else None


class Facts:
    """Reads records' small features, and passes over their images."""

    def __init__(self, shard: Path) -> None:
        try:
            self._fd = regular(str(shard), os.O_RDONLY)
        except OSError as error:
            raise InputError(f"{shard}: cannot be opened: {error.strerror}") from None
        self._window, self._at = b"", 0

    def __enter__(self) -> Facts:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def payload(self, offset: int, size: int) -> bytes | None:
        """An Example of a record's features of up to SMALL_BYTES; None where the record is not of
        the usual form, so that it has to be read whole. No checksum is looked at."""
        at, end = offset + HEAD.size, offset + size - (FRAME_BYTES - HEAD.size)
        head = self._entry(at, end)
        if head is None or sum(head) != end:
            return None
        at, kept = head[0], []
        while at < end:
            entry = self._entry(at, end)
            if entry is None:
                return None
            begin, length = entry
            if length <= SMALL_BYTES:
                kept.append(self._bytes(at, begin + length - at))
            at = begin + length
        return example_of(kept)

    def _entry(self, at: int, end: int) -> tuple[int, int] | None:
        """(where its content begins, its bytes) of what is tagged here."""
        found = tagged(self._bytes(at, min(TAGGED_BYTES, end - at)), 0, LISTS)
        if found is None:
            return None
        begin, length = at + found[0], found[1]
        return (begin, length) if length <= end - begin else None

    def _bytes(self, at: int, size: int) -> bytes:
        begin = at - self._at
        if not 0 <= begin <= len(self._window) - size:
            self._window, self._at = os.pread(self._fd, max(size, WINDOW_BYTES), at), at
            begin = 0
        return self._window[begin : begin + size]


def example_of(entries: list[bytes]) -> bytes:
    """The Example that holds these entries of features."""
    features = b"".join(entries)
    return bytes([LISTS]) + _varint(len(features)) + features


def tagged(window: bytes, at: int, tag: int) -> tuple[int, int] | None:
    """(where its content begins in the window, its bytes) of what is tagged here."""
    head = window[at : at + TAGGED_BYTES]
    if not head or head[0] != tag:
        return None
    length = shift = 0
    for i in range(1, len(head)):
        byte = head[i]
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return at + i + 1, length
        shift += 7
    return None


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
