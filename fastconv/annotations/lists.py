"""Text files of one entry a line: read whole, checked once, and blamed by line number."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fastconv.errors import InputError
from fastconv.regular import regular

# The largest such file is slim's list of boxes, 40 MB; an archive of images given by mistake
# must not be read into memory to find that it is no text.
LIST_BYTES_MAX = 256 << 20
# So many lines of slim's list of boxes make LIST_BYTES_MAX; a line takes 60 bytes of memory at the
# least, however short it is.
LINES_MAX = 5_000_000

# A lone carriage return would join two lines, and NUL tells UTF-16.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

WNID = re.compile(r"n[0-9]{8}(?!\S)")


def shown(text: str, limit: int = 60) -> str:
    """``text`` in quotes for a message: printable, and no longer than ``limit``."""
    return ascii(text if len(text) <= limit else f"{text[:limit]}...")


def read_bytes(path: Path) -> bytes:
    """The whole file.

    Raises InputError if it cannot be opened, is no file, or exceeds LIST_BYTES_MAX.
    """
    try:
        with open(path, "rb", opener=regular) as file:
            too_large = os.fstat(file.fileno()).st_size > LIST_BYTES_MAX
            data = b"" if too_large else file.read(LIST_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if too_large or len(data) > LIST_BYTES_MAX:
        raise InputError(
            f"{path}: over {LIST_BYTES_MAX >> 20} MiB, too large for a text file of one entry a "
            "line; is it an archive given in its place?"
        )
    return data


def lines_of(where: str | Path, data: bytes) -> list[str]:
    """The lines of a UTF-8 file, each without the white space around it.

    A byte order mark, CRLF line ends, and blank lines at the end are let pass; editors add them.

    Raises InputError at text that is not UTF-8, a blank line before the last entry,
    or a file without entries.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{where}, line {number}: byte {error.start} (0x{data[error.start]:02x}) is not UTF-8; "
            "save the file as UTF-8 text"
        ) from error
    text = text.replace("\r\n", "\n")
    control = CONTROL.search(text)
    if control:
        number = text.count("\n", 0, control.start()) + 1
        raise InputError(
            f"{where}, line {number}: holds the control character {control[0]!r}; "
            "save the file as UTF-8 text with a line feed after each line"
        )
    if text.count("\n") > LINES_MAX:
        raise InputError(f"{where}: over {LINES_MAX:,} lines, more than any list that is known")
    # Not str.splitlines: it also breaks lines at characters that may stand inside a name.
    lines = [line.strip() for line in text.rstrip().split("\n")]
    if lines == [""]:
        raise InputError(f"{where}: holds no entry; one a line is expected")
    if "" in lines:
        number = lines.index("") + 1
        raise InputError(
            f"{where}, line {number}: blank; a line's number may decide what it stands for, "
            "so remove the blank line or write the missing entry"
        )
    return lines


def refuse_duplicates(path: Path, entries: list[str], first_line: int = 1) -> None:
    """Raise InputError that names both lines if an entry occurs twice."""
    if len(set(entries)) == len(entries):
        return
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries, first_line):
        if entry in seen:
            raise InputError(
                f"{path}, line {number}: {shown(entry)} stands on line {seen[entry]} already; "
                "remove one of the two"
            )
        seen[entry] = number
