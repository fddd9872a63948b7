"""The members of a tar stream, read once in order: much faster than ``tarfile``, which makes an
object of each member, and needing no more memory than the largest member that is asked for.

Formats: POSIX ustar and pax, and GNU tar's long names and base-256 numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from fastconv.annotations.gunzip import DamageError

BLOCK = 512
EXTENSION_BYTES_MAX = 1 << 20
SIZE_DIGITS_MAX = 19  # those of 2^63

_REGULAR = b"\0" + b"07"
# Links, devices, folders and pipes: nothing follows their header, whatever size it gives.
_DATALESS = b"123456"
_ZEROS = bytes(BLOCK)


class TarStream:
    """A tar archive as an iterator of its regular files.

    ``advance()`` goes to the next one; then ``name`` and ``size`` describe it, and ``read()`` or
    ``pieces()`` gives its bytes, if they are wanted. ``chunks`` are the archive's bytes.

    All raise DamageError, which gives the byte offset in the (decompressed) archive.
    """

    def __init__(self, chunks: Iterator[bytes], end_marker: bool) -> None:
        """``end_marker``: whether an archive without its blocks of zeros at the end is cut off."""
        self.name = b""
        self.size = 0
        self._chunks = chunks
        self._end_marker = end_marker
        self._buffer = b""
        self._at = 0  # in the buffer
        self._base = 0  # of the buffer, in the archive
        self._left = 0  # bytes of the member in hand that are not read yet
        self._padding = 0

    @property
    def offset(self) -> int:
        """Bytes of the archive read so far."""
        return self._base + self._at

    def advance(self) -> bool:
        """Go to the next regular file; False at the end of the archive."""
        long_name: bytes | None = None
        long_size: int | None = None
        while True:
            skipped = self._left + self._padding
            at = self._at + skipped
            if at + BLOCK <= len(self._buffer):
                self._at = at
            else:
                self._skip(skipped)
                if not self._fill(BLOCK):
                    return self._ended()
                at = self._at
            header = self._buffer[at : at + BLOCK]
            if header[0] == 0 and header == _ZEROS:
                self._left = self._padding = 0
                return self._drained()
            _check(header, self._base + at)
            size = _octal(header, 124, self._base + at)
            kind = header[156]
            self._at = at + BLOCK
            if kind in _REGULAR:
                if long_name is None:
                    name = header[:100].partition(b"\0")[0]
                    if header[345] and header[257:263] == b"ustar\0":
                        name = header[345:500].partition(b"\0")[0] + b"/" + name
                else:
                    name = long_name
                if long_size is not None:
                    size = long_size
                if name[-1:] != b"/":  # else a folder, as tar wrote them before 1988
                    self.name, self.size = name, size
                    self._left, self._padding = size, -size % BLOCK
                    return True
                size = 0
            self._left, self._padding = size, -size % BLOCK
            if kind in b"LKxX":
                value = self._extension(size)
                if kind == 76:  # L
                    long_name = value.partition(b"\0")[0]
                elif kind != 75:  # K gives the target of a link
                    long_name, long_size = _pax(value, self.offset, long_name, long_size)
                continue
            if kind in _DATALESS:
                self._left = self._padding = 0
            elif kind == 83:  # S: its headers go on after this one
                raise DamageError(
                    f"a GNU sparse file at byte {self._base + at}; pack it with tar "
                    "without --sparse"
                )
            long_name = long_size = None

    def read(self) -> bytes:
        """The rest of the member in hand."""
        size, at = self._left, self._at
        if at + size > len(self._buffer):
            self._need(size)
            at = self._at
        self._at = at + size
        self._left = 0
        return self._buffer[at : at + size]

    def pieces(self, piece_bytes: int) -> Iterator[bytes]:
        """The rest of the member in hand, in pieces."""
        while self._left:
            size = min(self._left, piece_bytes)
            self._need(size)
            self._left -= size
            self._at += size
            yield self._buffer[self._at - size : self._at]

    def _extension(self, size: int) -> bytes:
        if size > EXTENSION_BYTES_MAX:
            raise DamageError(f"a header extension of {size:,} bytes at byte {self.offset}")
        return self.read()

    def _fill(self, size: int) -> bool:
        """Have ``size`` bytes in the buffer, if the archive has them."""
        if len(self._buffer) - self._at >= size:
            return True
        parts = [self._buffer[self._at :]]
        self._base += self._at
        self._at = 0
        have = len(parts[0])
        while have < size and (chunk := next(self._chunks, None)) is not None:
            parts.append(chunk)
            have += len(chunk)
        self._buffer = b"".join(parts)
        return have >= size

    def _need(self, size: int) -> None:
        if not self._fill(size):
            raise self._cut_off()

    def _skip(self, size: int) -> None:
        while size:
            step = min(size, len(self._buffer) - self._at) or min(size, BLOCK)
            self._need(step)
            self._at += step
            size -= step

    def _cut_off(self) -> DamageError:
        return DamageError(f"cut off: the archive ends at byte {self._base + len(self._buffer)}")

    def _ended(self) -> bool:
        self._left = self._padding = 0
        if self._end_marker or self._at < len(self._buffer):
            raise self._cut_off()
        return False

    def _drained(self) -> bool:
        """Read what follows the end, so that a gzip stream is checked to its last byte."""
        for _ in self._chunks:
            pass
        return False


def _check(header: bytes, offset: int) -> None:
    # The low half of Adler-32 is 1 + the sum of the bytes mod 65521: sum() takes 20 times as long.
    field = header[148:156]
    total = (zlib.adler32(header) & 0xFFFF) - 1 - sum(field) + 8 * 32
    try:
        right = (total - int(field.strip(b" \0"), 8)) % 65521 == 0
    except ValueError:
        right = False
    if not right:
        raise DamageError(f"no tar header at byte {offset}: its checksum is wrong")


def _octal(header: bytes, at: int, offset: int) -> int:
    """The 12-byte number at ``at``: octal digits, or base 256 if the highest bit is set."""
    field = header[at : at + 12]
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        size = int(field[:11], 8) if field[11] in b" \0" else int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        size = -1
    if size < 0:
        raise DamageError(f"the tar header at byte {offset} gives the size {field!r}")
    return size


def _pax(
    value: bytes, offset: int, name: bytes | None, size: int | None
) -> tuple[bytes | None, int | None]:
    """Name and size as the records ``<length> <key>=<value>\\n`` of a pax header change them."""
    while value:
        digits, _, _ = value[:20].partition(b" ")
        length = int(digits) if digits.isdigit() else 0  # of 20 digits at the most
        key, equals, content = value[len(digits) + 1 : length - 1].partition(b"=")
        if not equals or length > len(value) or value[length - 1 : length] != b"\n":
            raise DamageError(f"a damaged pax header before byte {offset}")
        if key == b"path":
            if b"\0" in content:
                raise DamageError(f"a name with a NUL in a pax header before byte {offset}")
            name = content or None  # an empty value takes back what was said before
        elif key == b"size" and not content:
            size = None
        elif key == b"size":
            if not content.isdigit() or len(content) > SIZE_DIGITS_MAX:
                raise DamageError(
                    f"a pax header before byte {offset} gives the size {content[:40]!r}"
                )
            size = int(content)
        elif key.startswith(b"GNU.sparse"):
            raise DamageError(f"a GNU sparse file before byte {offset}; pack it without --sparse")
        value = value[length:]
    return name, size
