"""Damaged JPEGs made from good ones, by kind; the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
SOS = 0xDA

Case = tuple[str, bytes]


class Part(NamedTuple):
    """A segment from `start` to `head`, and image data behind it to `stop`."""

    marker: int
    start: int
    head: int
    stop: int


def parts(jpeg: bytes) -> list[Part]:
    """The segments of a whole, undamaged JPEG, in order."""
    found, at = [], 2
    while jpeg[at : at + 2] != EOI:
        marker, head = jpeg[at + 1], at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        stop = head
        if marker == SOS:
            while jpeg[stop] != 0xFF or jpeg[stop + 1] == 0 or 0xD0 <= jpeg[stop + 1] <= 0xD7:
                stop += 1
        found.append(Part(marker, at, head, stop))
        at = stop
    return found


def put(jpeg: bytes, at: int, new: bytes, old: int | None = None) -> bytes:
    """With `old` bytes at `at` (as many as are new, unless told) replaced by the new ones."""
    return jpeg[:at] + new + jpeg[at + (len(new) if old is None else old) :]


class Damage:
    """Cases (name, bytes) made from a JPEG, and from another to splice it with."""

    def __init__(self, jpeg: bytes, other: bytes, seed: int) -> None:
        self.chance, self.other = random.Random(seed), other
        self.jpeg = jpeg[: parts(jpeg)[-1].stop] + EOI
        self.parts = parts(self.jpeg)
        self.scans = [part for part in self.parts if part.marker == SOS]
        self.frame = next(part.start for part in self.parts if part.marker in SOF)

    def __iter__(self) -> Iterator[Case]:
        yield "whole", self.jpeg
        for group in (self.cut, self.behind, self.changed, self.markers, self.segments, self.heads):
            yield from group()

    def coded(self) -> int:
        """A place in image data."""
        _, _, start, stop = self.chance.choice(self.scans)
        return self.chance.randrange(start, stop)

    def cut(self) -> Iterator[Case]:
        jpeg = self.jpeg
        for k in range(1, 9):
            yield f"cut at the end, {k}", jpeg[:-k]
            yield f"cut at the end, with EOI, {k}", jpeg[: -2 - k] + EOI
        for part in self.parts:
            for more in (0, 1, 3):
                yield f"cut in the header, {part.start + more}", jpeg[: part.start + more]
        for _ in range(6):
            at = self.coded()
            for name, behind in {
                "": b"",
                "EOI": EOI,
                "FF": b"\xff",
                "zeros": bytes(len(jpeg) - at),
                "zeros, EOI": bytes(len(jpeg) - at) + EOI,
            }.items():
                yield f"cut in image data, {at}, {name}", jpeg[:at] + behind
        for part in self.scans:
            yield f"cut between scans, {part.stop}", jpeg[: part.stop]
            yield f"cut between scans, EOI, {part.stop}", jpeg[: part.stop] + EOI
            yield f"cut before image data, EOI, {part.head}", jpeg[: part.head] + EOI

    def behind(self) -> Iterator[Case]:
        jpeg = self.jpeg
        tails = {
            "a zero": b"\0",
            "zeros": bytes(70_000),
            "text": b"</html>\r\n",
            "FF": b"\xff",
            "a JPEG": self.other,
            "EOI": EOI,
            "SOI": SOI,
            "RST": b"\xff\xd3",
            "a cut table": b"\xff\xc4\x00\x1f\x00",
            "a long comment": b"\xff\xfe\xff\xff",
        }
        for name, tail in tails.items():
            yield f"behind, {name}", jpeg + tail
            yield f"instead of EOI, {name}", jpeg[:-2] + tail
            yield f"before EOI, {name}", jpeg[:-2] + tail + EOI

    def changed(self) -> Iterator[Case]:
        for bits in (1, 2, 10, 100):
            for _ in range(5):
                damaged = bytearray(self.jpeg)
                for _ in range(bits):
                    damaged[self.coded()] ^= 1 << self.chance.randrange(8)
                yield f"{bits} bits of image data", bytes(damaged)
        for _ in range(20):
            part = self.chance.choice(self.parts)
            at = self.chance.randrange(part.start, part.head)
            value = bytes([self.chance.choice((0, 0xFF, self.chance.randrange(256)))])
            yield f"a byte of a header, {at}", put(self.jpeg, at, value)
        for size in (1, 16, 512):
            for _ in range(3):
                at = self.coded()
                block = self.jpeg[at : at + size]
                yield f"{size} zeros", put(self.jpeg, at, bytes(size), len(block))
                yield f"{size} of FF", put(self.jpeg, at, b"\xff" * size, len(block))
                yield f"{size} removed", put(self.jpeg, at, b"", len(block))
                yield f"{size} repeated", put(self.jpeg, at, block, 0)
        at = self.coded()
        yield "spliced", self.jpeg[:at] + self.other[len(self.other) // 2 :]

    def markers(self) -> Iterator[Case]:
        for marker in (0x00, 0x01, 0xC0, 0xC4, 0xC8, 0xCC, 0xD0, 0xD8, SOS, 0xDD, 0xF0, 0xFE, 0xFF):
            code = bytes([0xFF, marker])
            yield f"marker {marker:02X} in image data", put(self.jpeg, self.coded(), code, 0)
            start = self.chance.choice(self.parts).start
            yield f"marker {marker:02X} in a header", put(self.jpeg, start, code, 0)
        for part in self.parts[1:]:
            for stray in (b"\0", b"\xff", b"junk"):
                yield f"stray bytes before {part.marker:02X}", put(self.jpeg, part.start, stray, 0)

    def segments(self) -> Iterator[Case]:
        for part in self.parts:
            length = part.head - part.start - 2
            name = f"{part.marker:02X}"
            yield f"{name} removed", put(self.jpeg, part.start, b"", part.head - part.start)
            doubled = self.jpeg[part.start : part.head]
            yield f"{name} doubled", put(self.jpeg, part.start, doubled, 0)
            for wrong in (2, length - 1, length + 1, 65_535):
                bad = put(self.jpeg, part.start + 2, wrong.to_bytes(2, "big"))
                yield f"length of {name}, {wrong}", bad
        for part in self.scans[1:]:
            yield "scan removed", put(self.jpeg, part.start, b"", part.stop - part.start)

    def heads(self) -> Iterator[Case]:
        frame = self.frame
        for code in sorted(SOF):
            yield f"SOF {code:02X}", put(self.jpeg, frame + 1, bytes([code]))
        for bits in (0, 7, 12, 16):
            yield f"precision {bits}", put(self.jpeg, frame + 4, bytes([bits]))
        for height, width in ((0, 8), (1, 1), (3000, 3000), (65_501, 8), (65_535, 65_535)):
            sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
            yield f"sides {height} {width}", put(self.jpeg, frame + 5, sides)
        for count in (0, 1, 2, 3, 4, 5):
            yield f"components {count}", put(self.jpeg, frame + 9, bytes([count]))
        for number in range(self.jpeg[frame + 9]):
            at = frame + 10 + 3 * number
            for value in (0x00, 0x10, 0x12, 0x14, 0x21, 0x33, 0x41, 0x44, 0x51):
                yield f"sampling {number} {value:02X}", put(self.jpeg, at + 1, bytes([value]))
            yield f"table {number}", put(self.jpeg, at + 2, b"\3")
        for transform in (0, 1, 2, 255):
            adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
            yield f"Adobe {transform}", put(self.jpeg, 2, adobe, 0)
