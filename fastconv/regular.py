"""Opening files that must be files."""

from __future__ import annotations

import errno
import os
import stat


def regular(path: str, flags: int) -> int:
    """An opener for open(): OSError for what is no regular file, such as a pipe, whose end cannot
    be known, and which could make us wait for ever."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd
    os.close(fd)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.EINVAL, "it is no regular file", path)


def content(path: str | os.PathLike[str]) -> bytes:
    """All that is in a file. OSError for what is no regular file."""
    with open(path, "rb", opener=regular) as file:
        return file.read()
