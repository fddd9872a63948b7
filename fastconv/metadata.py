"""A JPEG's metadata: taken out, or carried over to another (ITU-T T.81, annex B.1.1.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SOI, _EOI, _SOS, _COM, _APP0, _APP14 = 0xD8, 0xD9, 0xDA, 0xFE, 0xE0, 0xEE
_JFIF_BYTES = 14  # of its head: a name, a version, the density, and the sides of a thumbnail
_EXIF = b"Exif\0\0"
_CONTENT_BYTES_MAX = 65_533  # of a segment
_EMPTY_NOTE = b"\xff\xfe\0\2"
_BARE = {0x01, *range(0xD0, 0xD8), _SOI}
# In image data FF 00 is a byte and RSTn is part of it; FF FF are fill bytes. These are no part of
# the pattern: with them, a search through a long run of them would begin anew at each.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


def _next_marker(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the next marker begins, its fill bytes included, and the place behind it."""
    found = _MARKER.search(data, at)
    if not found:
        return None
    return at + len(data[at : found.start()].rstrip(b"\xff")), found.end()


def _pieces(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, begin, end) of each segment in order, image data as part of its SOS; what stands
    between is part of none. Ends with EOI, or where nothing more can be made out."""
    at = 2
    while found := _next_marker(data, at):
        begin, end = found
        marker = data[end - 1]
        if marker == _EOI:
            yield marker, begin, end
            return
        if marker not in _BARE:
            end += max(2, int.from_bytes(data[end : end + 2], "big"))
            if end > len(data):
                return
            if marker == _SOS:
                following = _next_marker(data, end)
                end = following[0] if following else len(data)
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
    whatever follows its end. Its pixels are the same, to the bit, also of a damaged one: where a
    note may have cut image data short, an empty one stays."""
    parts: list[bytes] = []
    at, stays = 0, b""
    for marker, begin, end in _pieces(data):
        content = data[begin:end].lstrip(b"\xff")[3:]
        if _is_note(marker, content):
            parts += [data[at:begin], stays]
            at = end
        elif marker == _APP0 and len(content) > _JFIF_BYTES:  # with a thumbnail
            parts += [data[at:begin], b"\xff\xe0\0\x10", content[: _JFIF_BYTES - 2], b"\0\0"]
            at = end
        elif marker == _SOS:
            stays = _EMPTY_NOTE
        elif marker == _EOI:
            parts.append(data[at:end])
            break
    else:
        parts.append(data[at:])
    left = b"".join(parts)
    if data[2:3] == b"\xff" != left[2:3] and (first := _next_marker(left, 2)):
        left = left[:2] + left[first[0] :]  # stray bytes, by which no JPEG is known
    return left


def notes(source: bytes, profile: bool = True) -> bytes:
    """The segments of a JPEG that hold its Exif data and, with `profile`, its colour profile."""
    wanted = {0xE1: _EXIF, 0xE2: b"ICC_PROFILE\0"} if profile else {0xE1: _EXIF}
    found = []
    for marker, begin, end in _pieces(source):
        if marker == _SOS:
            break
        segment = b"\xff" + source[begin:end].lstrip(b"\xff")
        if marker in wanted and segment[4:].startswith(wanted[marker]):
            found.append(segment)
    return b"".join(found)


def exif_segment(content: bytes) -> bytes:
    """Exif data of another format as a JPEG's segment; nothing where they are too long for one."""
    named = content if content.startswith(_EXIF) else _EXIF + content
    if len(named) > _CONTENT_BYTES_MAX:
        return b""
    return b"\xff\xe1" + (len(named) + 2).to_bytes(2, "big") + named


def with_notes(made: bytes, notes: bytes) -> bytes:
    """JPEG `made` with these segments."""
    first = next(_pieces(made), None)
    behind = first[2] if first and first[0] == _APP0 else 2
    return b"".join([made[:behind], notes, made[behind:]])
