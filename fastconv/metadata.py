"""A JPEG's metadata: taken out, or carried over to another (ITU-T T.81, annex B.1.1.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SOI, _EOI, _SOS, _COM = 0xD8, 0xD9, 0xDA, 0xFE
_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_BARE = {0x01, *range(0xD0, 0xD8), _SOI}
# In image data FF 00 is a byte and RSTn is part of it; FF FF are fill bytes.
_MARKER = re.compile(rb"\xff+([^\x00\xd0-\xd7\xff])", re.DOTALL)


def _pieces(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, begin, end) of each segment in order, image data as part of its SOS; what stands
    between is part of none. Ends with EOI, or where nothing more can be made out."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, begin = found[1][0], found.start()
        end = found.end()
        if marker == _EOI:
            yield marker, begin, end
            return
        if marker not in _BARE:
            end += max(2, int.from_bytes(data[end : end + 2], "big"))
            if end > len(data):
                return
            if marker == _SOS:
                following = _MARKER.search(data, end)
                end = following.start() if following else len(data)
        yield marker, begin, end
        at = end


def _is_note(marker: int, content: bytes) -> bool:
    """Is it without meaning for the pixels? JFIF's head and Adobe's, which say how colours are
    stored, are not."""
    if marker == _APP0:
        return not content.startswith(b"JFIF\0")
    if marker == _APP14:
        return not content.startswith(b"Adobe")
    return marker == _COM or _APP0 < marker <= 0xEF


def stripped(data: bytes) -> bytes:
    """A whole JPEG without its metadata: Exif, XMP, colour profiles, comments, thumbnails, and
    whatever follows its end. Its pixels are the same, to the bit."""
    parts, at = [], 0
    for marker, begin, end in _pieces(data):
        if _is_note(marker, data[begin:end].lstrip(b"\xff")[3:]):
            parts.append(data[at:begin])
            at = end
        elif marker == _EOI:
            parts.append(data[at:end])
            return b"".join(parts)
    return b"".join([*parts, data[at:]])


def notes(data: bytes) -> bytes:
    """A JPEG's Exif data and its colour profile, as the segments that they are in."""
    found = []
    for marker, begin, end in _pieces(data):
        if marker == _SOS:
            break
        segment = b"\xff" + data[begin:end].lstrip(b"\xff")
        if (marker == _APP1 and segment[4:].startswith(b"Exif\0\0")) or (
            marker == _APP2 and segment[4:].startswith(b"ICC_PROFILE\0")
        ):
            found.append(segment)
    return b"".join(found)


def with_notes(made: bytes, segments: bytes) -> bytes:
    """A JPEG with such segments, behind the JFIF head that it may begin with."""
    first = next(_pieces(made), None)
    behind = first[2] if first and first[0] == _APP0 else 2
    return made[:behind] + segments + made[behind:]
