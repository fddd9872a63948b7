"""What a record says of its image, read without the image."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastconv import _verify
from fastconv.errors import InputError
from fastconv.pictures.places import LISTS, SMALL_BYTES, Place, example_of, tagged
from fastconv.pictures.shown import ALIASES, ENCODED, found, parsed
from fastconv.pictures.shown import sides_of as sides_of_any
from fastconv.reader import HEAD, TAIL, read_record
from fastconv.regular import regular

HEAD_BYTES = 256  # which hold a record's frame and all that comes before its image's bytes
VALUE, BYTES = 0x12, 0x0A
JPEG_HEAD_BYTES = (1024, 1 << 17)  # a frame header stands behind Exif data of up to 64 kB

Features = Mapping[str, Any]


class Heads:
    """One shard's records, by their small features."""

    def __init__(self, shard: Path, stored: Mapping[str, str]) -> None:
        try:
            self._fd = regular(str(shard), os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"{shard}: cannot be opened: {error.strerror}") from None
        self._stored = stored
        self._images = {stored.get(ENCODED, ENCODED), *ALIASES[ENCODED]}

    def __enter__(self) -> Heads:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def read(self, place: Place) -> tuple[Features, int, tuple[int, int] | None]:
        """(its features, but for large ones; bytes of its image, 0 where it has none; (height,
        width) of that, by its own header, where the features do not say it). Raises RecordError
        where it cannot be understood."""
        where = f"{place.shard}: record {place.record}"
        outline = self._outline(place)
        if outline is None:
            assert place.offset is not None
            return of_payload(read_record(place.shard, place.record, place.offset), where,
                              self._stored)  # fmt: skip
        payload, image = outline
        features = parsed(payload, where)
        if image is None:
            return _with_sides(features, self._stored)
        at, size = image
        if found(features, "image/height", self._stored) is not None:
            return features, size, None
        for wanted in JPEG_HEAD_BYTES:
            data = os.pread(self._fd, min(wanted, size), at)
            height, width, components = _verify.jpeg_sides(data)
            if components:
                return features, size, (height, width)
            if wanted >= size or data[:2] != b"\xff\xd8":
                break
        return features, size, sides_of_any(os.pread(self._fd, size, at))

    def _outline(self, place: Place) -> tuple[bytes, tuple[int, int] | None] | None:
        """(an Example of the small features, (where the image is, its bytes)); None where the
        record is not of the usual form."""
        assert place.offset is not None
        end = place.offset + place.size - TAIL.size
        window, begin = os.pread(self._fd, HEAD_BYTES, place.offset), place.offset
        whole = tagged(window, HEAD.size, LISTS)
        if whole is None or begin + sum(whole) != end:
            return None
        at = begin + whole[0]
        kept, image = [], None
        while end - at > SMALL_BYTES:
            if not begin <= at <= begin + len(window) - 128:
                window, begin = os.pread(self._fd, HEAD_BYTES, at), at
            entry = tagged(window, at - begin, LISTS)
            if entry is None:
                return None
            inside, length = entry
            if length <= SMALL_BYTES:
                kept.append(os.pread(self._fd, begin + inside + length - at, at))
            elif image is None:
                image = self._image(window, begin, inside, length)
            at = begin + inside + length
        if at > end:
            return None
        kept.append(os.pread(self._fd, end - at, at))
        return example_of(kept), image

    def _image(self, window: bytes, begin: int, inside: int, length: int) -> tuple[int, int] | None:
        """(where it is, its bytes) of the only value of an entry that is an image's."""
        stop = inside + length
        name = tagged(window, inside, LISTS)
        if name is None or window[name[0] : sum(name)].decode("utf-8", "replace") not in (
            self._images
        ):
            return None
        feature = tagged(window, sum(name), VALUE)
        values = tagged(window, feature[0], BYTES) if feature else None
        value = tagged(window, values[0], BYTES) if values else None
        return (begin + value[0], value[1]) if value and sum(value) == stop else None


def of_payload(
    payload: bytes, where: str, stored: Mapping[str, str]
) -> tuple[Features, int, tuple[int, int] | None]:
    """What Heads.read gives, of a record that is at hand."""
    return _with_sides(parsed(payload, where), stored)


def _with_sides(
    features: Features, stored: Mapping[str, str]
) -> tuple[Features, int, tuple[int, int] | None]:
    values = found(features, ENCODED, stored)
    data = bytes(values[0]) if values is not None and values.dtype.kind == "O" else b""
    if not data or found(features, "image/height", stored) is not None:
        return features, len(data), None
    return features, len(data), sides_of_any(data)
