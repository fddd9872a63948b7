"""What the peers that make images smaller share: the sides to come to, and what they write.

Each writes the JPEGs that it makes one behind the other, a file a shard, each with its length in
front. fastconv writes records with checksums and indexes in that time, which cost more; so no peer
is slow for what it does beside its images.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.peers.common import Given, Shard, Write, cut, given_of, parser, write_all

QUALITY = 90
LENGTH = struct.Struct("<Q")

Sides = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Smaller:
    """``side``: of the short side, or of the long one, in which case all images are encoded anew;
    ``pixels``: a folder of pixels made beforehand, for the floor."""

    side: int
    long: bool
    pixels: Path | None = None

    def sides(self, height: int, width: int) -> Sides | None:
        """Height and width that an image comes to, or None where it is to keep its bytes."""
        given = max(height, width) if self.long else min(height, width)
        if given <= self.side:
            return (height, width) if self.long else None
        return scaled(height, given, self.side), scaled(width, given, self.side)


def scaled(length: int, given: int, side: int) -> int:
    """A length where one of ``given`` becomes ``side``: rounded, a half upwards, at least 1."""
    return max(1, (2 * length * side + given) // (2 * given))


Remake = Callable[[bytes, str], bytes]  # of an image's bytes and its file's name


def asked(description: str | None) -> tuple[Given, Smaller]:
    words = parser(description)
    words.add_argument("--short", type=int, default=0, help="pixels of the short side")
    words.add_argument("--long", type=int, default=0, help="pixels of the long side; encodes all")
    words.add_argument("--pixels", type=Path, help="folder of pixels made beforehand")
    found: argparse.Namespace = words.parse_args()
    smaller = Smaller(found.short or found.long, bool(found.long), found.pixels)
    return given_of(found), smaller


def writing(remake: Remake) -> Write:
    def write(shard: Shard) -> int:
        with Path(shard.path).open("wb") as file:
            for picture in shard.pictures:
                made = remake(Path(picture.path).read_bytes(), picture.name)
                file.write(LENGTH.pack(len(made)))
                file.write(made)
        return len(shard.pictures)

    return write


def run(description: str | None, start: Callable[[Smaller], Remake]) -> None:
    """``start`` is called once a process, and imports what must not be there before a fork."""
    given, smaller = asked(description)
    write_all(cut(given), given.workers, lambda: writing(start(smaller)))


def frames(path: Path) -> Iterator[bytes]:
    """The JPEGs of a file that a peer wrote."""
    data = path.read_bytes()
    at = 0
    while at < len(data):
        (length,) = LENGTH.unpack_from(data, at)
        at += LENGTH.size + length
        if at > len(data):
            raise ValueError(f"{path.name} is cut off")
        yield data[at - length : at]
