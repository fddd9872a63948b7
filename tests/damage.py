"""Damaged JPEGs made from good ones, by kind, the same ones for the same seed.

`cases` needs nothing but two good JPEGs that end with their EOI: restart markers, several scans and
many components are damaged where the first one has them. A name is "kind/detail".
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

Cases = Iterator[tuple[str, bytes]]

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
NAMES = {0xC4: "DHT", 0xDB: "DQT", 0xDD: "DRI", 0xDA: "SOS", 0xFE: "COM"}
MARKERS = (0x00, 0x01, 0x02, 0xC0, 0xC4, 0xC8, 0xCC, 0xD0, 0xD5, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC,
           0xDD, 0xE0, 0xF0, 0xFE, 0xFF)  # fmt: skip
FACTORS = (0x00, 0x01, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x21, 0x22, 0x24, 0x31, 0x33, 0x41, 0x42,
           0x44, 0x51, 0xFF)  # fmt: skip


class Segment(NamedTuple):
    """`start` is its marker's, `stop` behind its content, `last` behind the image data, if any."""

    marker: int
    start: int
    stop: int
    last: int


def segments(jpeg: bytes) -> list[Segment]:
    found, at = [], 2
    while jpeg[at : at + 2] != EOI:
        marker, stop = jpeg[at + 1], at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        last = stop
        if marker == 0xDA:
            while jpeg[last] != 0xFF or jpeg[last + 1] == 0 or 0xD0 <= jpeg[last + 1] <= 0xD7:
                last += 1
        found.append(Segment(marker, at, stop, last))
        at = last
    return found


def put(jpeg: bytes, at: int, new: bytes, old: int | None = None) -> bytes:
    """`old` bytes at `at` (as many as are new, unless told) replaced by the new ones."""
    return jpeg[:at] + new + jpeg[at + (len(new) if old is None else old) :]


class Damage:
    """All damage to one JPEG; `other` is a second one, `n` how often what is random is repeated."""

    def __init__(self, jpeg: bytes, other: bytes, seed: int = 0, n: int = 4) -> None:
        self.jpeg = jpeg[: segments(jpeg)[-1].last] + EOI  # what follows is no part of the image
        self.other, self.n = other, n
        self.chance = random.Random(seed)
        self.segments = segments(self.jpeg)
        self.scans = [one for one in self.segments if one.marker == 0xDA]
        self.sof = next(one.start for one in self.segments if one.marker in SOF)
        self.end = len(self.jpeg) - 2  # of the last scan

    def coded(self) -> int:
        """A place in image data."""
        scan = self.chance.choice(self.scans)
        return self.chance.randrange(scan.stop, scan.last)

    def header(self) -> int:
        """A place in a segment that a decoder looks into."""
        looked_into = [one for one in self.segments if one.marker in SOF or one.marker in NAMES]
        segment = self.chance.choice(looked_into)
        return self.chance.randrange(segment.start, segment.stop)

    def cut(self) -> Cases:
        jpeg, size = self.jpeg, len(self.jpeg)
        for k in range(1, 13):
            yield f"cut end/{k} bytes", jpeg[:-k]
        for at in sorted(self.chance.sample(range(self.scans[0].stop), 3 * self.n)):
            yield f"cut header/{at}", jpeg[:at]
        for marker, start, *_ in self.segments:
            for behind in (0, 1, 3):
                yield f"cut header/{behind} behind {marker:02X}", jpeg[: start + behind]
        for _ in range(3 * self.n):
            at = self.coded()
            yield f"cut scan/{at}", jpeg[:at]
            yield f"cut scan, EOI/{at}", jpeg[:at] + EOI
            yield f"cut scan, FF/{at}", jpeg[:at] + b"\xff"
            yield f"cut scan, zeros/{at}", jpeg[:at] + bytes(size - at)
            yield f"cut scan, zeros, EOI/{at}", jpeg[:at] + bytes(size - at) + EOI
        for k in (1, 2, 3, 5, 8, 13, 50):
            yield f"cut scan, EOI/last {k}", jpeg[: self.end - k] + EOI
        for *_, start, stop in self.scans:
            yield f"cut between scans/{stop}", jpeg[:stop]
            yield f"cut between scans, EOI/{stop}", jpeg[:stop] + EOI
            yield f"cut between scans, EOI/empty {start}", jpeg[:start] + EOI

    def behind(self) -> Cases:
        """Behind the image, with and without its EOI."""
        jpeg, last = self.jpeg, self.scans[-1]
        tails = {
            "zero": b"\0", "zeros": bytes(70000), "text": b"</html>\r\n" * 9, "FF": b"\xff",
            "00FF": b"\0\xff", "JPEG": self.other, "EOI": EOI, "SOI": SOI, "RST": b"\xff\xd3",
            "DHT": b"\xff\xc4\x00\x1f\x00", "COM cut": b"\xff\xfe\x00\x09ab",
            "COM": b"\xff\xfe\x00\x04ab", "COM long": b"\xff\xfe\xff\xff",
            "SOS": jpeg[last.start : last.stop], "random": self.chance.randbytes(500),
        }  # fmt: skip
        for what, tail in tails.items():
            yield f"tail/{what}", jpeg + tail
            yield f"tail without EOI/{what}", jpeg[:-2] + tail
            yield f"bytes before EOI/{what}", jpeg[:-2] + tail + EOI

    def values(self) -> Cases:
        """Bits and bytes that are other ones."""
        chance, jpeg = self.chance, self.jpeg
        for where, spot in (("scan", self.coded), ("header", self.header)):
            for bits in (1, 2, 10, 100) if where == "scan" else (1, 2):
                for _ in range(2 * self.n):
                    damaged = bytearray(jpeg)
                    for _ in range(bits):
                        damaged[spot()] ^= 1 << chance.randrange(8)
                    yield f"flip in {where}/{bits} bits", bytes(damaged)
            for count in (1, 4) if where == "scan" else (1,):
                for _ in range(2 * self.n):
                    damaged = bytearray(jpeg)
                    for _ in range(count):
                        damaged[spot()] = chance.choice((0, 0xFF, chance.randrange(256)))
                    yield f"overwrite in {where}/{count} bytes", bytes(damaged)

    def blocks(self) -> Cases:
        """Stretches of image data that are other ones, gone, or there twice."""
        chance, jpeg = self.chance, self.jpeg
        for most in (16, 512, 4096):
            for _ in range(self.n):
                at = self.coded()
                size = min(most, self.end - at)
                yield f"block zeroed/{at}+{size}", put(jpeg, at, bytes(size))
                yield f"block of FF/{at}+{size}", put(jpeg, at, b"\xff" * size)
                yield f"block random/{at}+{size}", put(jpeg, at, chance.randbytes(size))
                yield f"block removed/{at}+{size}", put(jpeg, at, b"", size)
                yield f"block repeated/{at}+{size}", put(jpeg, at, jpeg[at : at + size], 0)
        for _ in range(self.n):
            at = self.coded()
            yield f"byte removed/{at}", put(jpeg, at, b"", 1)
            yield f"byte inserted/{at}", put(jpeg, at, chance.randbytes(1), 0)
            yield f"spliced/{at}", jpeg[:at] + self.other[at * len(self.other) // len(jpeg) :]
        yield "newlines/LF to CRLF", jpeg.replace(b"\n", b"\r\n")
        yield "newlines/CRLF to LF", jpeg.replace(b"\r\n", b"\n")

    def restarts(self) -> Cases:
        jpeg = self.jpeg
        places = [
            at
            for *_, start, stop in self.scans
            for at in range(start, stop)
            if jpeg[at] == 0xFF and 0xD0 <= jpeg[at + 1] <= 0xD7
        ]
        for _ in range(2 * self.n if len(places) > 2 else 0):
            i, k = self.chance.sample(places, 2)
            swapped = put(put(jpeg, i, jpeg[k : k + 2]), k, jpeg[i : i + 2])
            number = bytes([0xD0 + self.chance.randrange(8)])
            yield f"RST removed/{i}", put(jpeg, i, b"", 2)
            yield f"RST doubled/{i}", put(jpeg, i, jpeg[i : i + 2], 0)
            yield f"RST swapped/{i} {k}", swapped
            yield f"RST renumbered/{i}", put(jpeg, i + 1, number)
            yield f"RST interval removed/{i}", put(jpeg, min(i, k), b"", abs(i - k))

    def markers(self) -> Cases:
        jpeg = self.jpeg
        for marker in MARKERS:
            bare = bytes([0xFF, marker])
            yield f"marker in scan/{marker:02X}", put(jpeg, self.coded(), bare, 0)
            at = self.chance.choice(self.segments).start
            yield f"marker in header/{marker:02X}", put(jpeg, at, bare, 0)
        for marker, start, *_ in self.segments:
            for junk in (b"\0", b"\xff", b"junk", b"\xff\0", bytes(1000)):
                name = f"bytes before marker/{marker:02X} {junk[:4].hex()}"
                yield name, put(jpeg, start, junk, 0)

    def whole_segments(self) -> Cases:
        jpeg = self.jpeg
        for i, (marker, start, stop, _) in enumerate(self.segments):
            name = f"{NAMES.get(marker, f'{marker:02X}')} {i}"
            length = stop - start - 2
            yield f"segment removed/{name}", put(jpeg, start, b"", stop - start)
            yield f"segment doubled/{name}", put(jpeg, start, jpeg[start:stop], 0)
            yield f"segment renamed/{name}", put(jpeg, start + 1, b"\xed")
            for wrong in (0, 1, 2, length - 1, length + 1, length + 40, 65535):
                changed = put(jpeg, start + 2, wrong.to_bytes(2, "big"))
                yield f"segment length/{name} {wrong}", changed
        for _, start, stop, last in self.scans if len(self.scans) > 1 else []:
            yield f"scan removed/{start}", put(jpeg, start, b"", last - start)
            yield f"scan doubled/{start}", put(jpeg, start, jpeg[start:last], 0)
            yield f"scan emptied/{start}", put(jpeg, stop, b"", last - stop)

    def frame(self) -> Cases:
        """Fields of the frame's header."""
        jpeg, sof = self.jpeg, self.sof
        for code in sorted(SOF):
            yield f"SOF type/{code:02X}", put(jpeg, sof + 1, bytes([code]))
        for bits in (0, 1, 7, 9, 12, 16, 255):
            yield f"precision/{bits}", put(jpeg, sof + 4, bytes([bits]))
        high, wide = (int.from_bytes(jpeg[at : at + 2], "big") for at in (sof + 5, sof + 7))
        for h, w in ((0, 0), (0, wide), (high, 0), (1, 1), (1, wide), (high, 1), (65500, 8),
                     (8, 65500), (65501, 8), (65535, 65535), (20000, 20000), (high + 8, wide),
                     (high, wide + 8), (high // 2, wide), (3000, wide), (high, 3000)):  # fmt: skip
            sides = h.to_bytes(2, "big") + w.to_bytes(2, "big")
            yield f"size/{h} {w}", put(jpeg, sof + 5, sides)
        for count in (0, 1, 2, 3, 4, 5, 255):
            yield f"components/{count}", put(jpeg, sof + 9, bytes([count]))
        for c in range(jpeg[sof + 9]):
            at = sof + 10 + 3 * c
            for value in (0, 1, 2, 3, 82, 71, 66, 255):
                yield f"component id/{c} {value}", put(jpeg, at, bytes([value]))
            for value in FACTORS:
                yield f"sampling/{c} {value:02X}", put(jpeg, at + 1, bytes([value]))
            for value in (1, 2, 3, 4, 255):
                yield f"DQT number/{c} {value}", put(jpeg, at + 2, bytes([value]))

    def scan_header(self) -> Cases:
        jpeg, sos, behind = self.jpeg, self.scans[0].start, self.scans[0].stop
        for value in (0, 1, 2, 3, 4, 5):
            yield f"scan components/{value}", put(jpeg, sos + 4, bytes([value]))
        for value in (0x00, 0x01, 0x10, 0x11, 0x22, 0x33, 0x44, 0xFF):
            yield f"DHT numbers/{value:02X}", put(jpeg, sos + 6, bytes([value]))
        for at in (behind - 3, behind - 2, behind - 1):  # Ss, Se, Ah and Al
            for value in (0, 1, 0x10, 62, 63, 64, 0xDD, 0xFF):
                yield f"spectrum/{at} {value}", put(jpeg, at, bytes([value]))
        for every in (0, 1, 3, 50, 65535):
            added = b"\xff\xdd\0\4" + every.to_bytes(2, "big")
            yield f"DRI added/{every}", put(jpeg, sos, added, 0)
        for transform in (0, 1, 2, 3, 255):
            adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([transform])
            yield f"Adobe/{transform}", put(jpeg, 2, adobe, 0)
        yield "Adobe/short", put(jpeg, 2, b"\xff\xee\0\x07Adobe", 0)
        high = jpeg[self.sof + 5 : self.sof + 7]
        lines = put(jpeg, self.end, b"\xff\xdc\0\4" + high, 0)
        yield "DNL/height 0", put(lines, self.sof + 5, b"\0\0")
        yield "DNL/height kept", lines
        yield "DAC/", put(jpeg, sos, b"\xff\xcc\0\4\0\x10", 0)

    def hardly(self) -> Cases:
        """Hardly a JPEG at all."""
        jpeg = self.jpeg
        for tiny in (b"", b"\xff", SOI, SOI + b"\xff", SOI + EOI, SOI + SOI + jpeg[2:],
                     b"\0" + jpeg, jpeg[2:], EOI + jpeg, SOI + bytes(100)):  # fmt: skip
            yield f"tiny/{tiny[:4].hex()} {len(tiny)}", tiny


def cases(jpeg: bytes, other: bytes, seed: int = 0, n: int = 4) -> Cases:
    """(name, bytes) of every damage, the whole image first."""
    damage = Damage(jpeg, other, seed, n)
    yield "whole/", damage.jpeg
    yield from damage.cut()
    yield from damage.behind()
    yield from damage.values()
    yield from damage.blocks()
    yield from damage.restarts()
    yield from damage.markers()
    yield from damage.whole_segments()
    yield from damage.frame()
    yield from damage.scan_header()
    yield from damage.hardly()
