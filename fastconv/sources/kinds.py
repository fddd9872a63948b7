"""Names as text."""

from __future__ import annotations


def text(name: bytes) -> str:
    """A name of the file system or of an archive as text; what is not UTF-8 stays recoverable."""
    return name.decode("utf-8", "surrogateescape")
