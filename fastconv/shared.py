"""Columns in memory that several processes see: written once by the parent, read by all.

A segment is an anonymous file. It begins with the size of a JSON header, the header (for each
column its name, its buffer format and its place), and then the columns, each aligned to 64 bytes.
Workers read it without NumPy, so that they start in a few milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

ALIGN_BYTES = 64
LENGTH_BYTES = 8
LAST_STANDARD_STREAM = 2
FORMATS = {"uint8": "B", "int32": "i", "int64": "q", "float32": "f"}


def anonymous_file() -> int:
    """An open file without a name, in memory where the system can."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("fastconv", os.MFD_CLOEXEC)
    else:
        fd, path = tempfile.mkstemp(prefix="fastconv-")
        os.unlink(path)  # noqa: PTH108
    return above_standard_streams(fd)


def above_standard_streams(fd: int) -> int:
    """The same open file under a number that no process takes for one of its standard streams:
    where a parent's are closed, the next file opened has theirs."""
    if fd > LAST_STANDARD_STREAM:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, LAST_STANDARD_STREAM + 1)
    os.close(fd)
    return moved


def _aligned(size: int) -> int:
    return -(-size // ALIGN_BYTES) * ALIGN_BYTES


def share(columns: dict[str, npt.NDArray[Any]], facts: dict[str, Any]) -> int:
    """Write columns (contiguous arrays of one dimension or flattened) and plain facts to a new
    segment; returns its file descriptor, which the caller closes."""
    places, at = {}, 0
    for name, column in columns.items():
        places[name] = (FORMATS[column.dtype.name], at, column.nbytes)
        at += _aligned(column.nbytes)
    head = json.dumps({"columns": places, "facts": facts}).encode()
    first = _aligned(LENGTH_BYTES + len(head))
    fd = anonymous_file()
    try:
        os.ftruncate(fd, max(first + at, 1))
        with mmap.mmap(fd, max(first + at, 1)) as memory:
            memory[:LENGTH_BYTES] = len(head).to_bytes(LENGTH_BYTES, "little")
            memory[LENGTH_BYTES : LENGTH_BYTES + len(head)] = head
            for name, column in columns.items():
                begin = first + places[name][1]
                memory[begin : begin + column.nbytes] = column.reshape(-1).view("uint8").data
    except BaseException:
        os.close(fd)
        raise
    return fd


def header(
    read: Callable[[int, int], bytes], size: int
) -> tuple[dict[str, Any], dict[str, tuple[Any, int, int]]]:
    """The facts of a segment of ``size`` bytes, of which ``read(start, stop)`` gives parts, and for
    each column its format, where in the segment it begins, and its bytes. ValueError, KeyError and
    TypeError for what is no segment, or not a whole one."""
    if size < LENGTH_BYTES:
        raise ValueError("it is too short")
    length = int.from_bytes(read(0, LENGTH_BYTES), "little")
    if length > size - LENGTH_BYTES:
        raise ValueError("it is too short")
    told = json.loads(read(LENGTH_BYTES, LENGTH_BYTES + length))
    first = _aligned(LENGTH_BYTES + length)
    places = {}
    for name, (code, at, nbytes) in told["columns"].items():
        if code not in FORMATS.values() or not 0 <= at <= at + nbytes <= size - first:
            raise ValueError(f"column {name} is not there")
        places[name] = (code, first + at, nbytes)
    return told["facts"], places


def attach(fd: int) -> tuple[dict[str, memoryview], dict[str, Any], mmap.mmap]:
    """The columns, read-only and typed, the facts of a segment, and the memory they are in."""
    memory = mmap.mmap(fd, 0, prot=mmap.PROT_READ)
    view = memoryview(memory)
    facts, places = header(lambda start, stop: bytes(view[start:stop]), len(view))
    columns = {
        name: view[at : at + nbytes].cast(code) for name, (code, at, nbytes) in places.items()
    }
    return columns, facts, memory
