"""Which files are images, by their names alone; what they hold is looked at when they are read."""

from __future__ import annotations

IMAGE_ENDINGS = frozenset(
    (b"jpeg", b"jpg", b"jpe", b"jfif", b"png", b"gif", b"bmp", b"webp", b"tif", b"tiff")
)


def is_image_name(name: bytes) -> bool:
    stem, dot, ending = name.rpartition(b".")
    return (
        bool(dot) and bool(stem) and not name.startswith(b".") and ending.lower() in IMAGE_ENDINGS
    )


def text(name: bytes) -> str:
    """A name of the file system or of an archive as text; what is not UTF-8 stays recoverable."""
    return name.decode("utf-8", "surrogateescape")
