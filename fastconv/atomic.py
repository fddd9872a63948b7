"""Files that appear under their names only when they are whole and on disk."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from fastconv.errors import OutputError
from fastconv.remote.path import RemotePath

# How file systems say that they cannot sync a folder, network ones above all. Anything else is what
# it is of a file: names that may be lost.
CANNOT_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS}

AGAIN = "run the same command again to go on"
ANEW = "run the same command again"  # of what is made at a stroke


def output_error(
    path: str | os.PathLike[str] | RemotePath, error: OSError, again: str = AGAIN
) -> OutputError:
    """What the system said when `path` was to be written, and what to do about it."""
    if isinstance(path, RemotePath):
        return OutputError(f"{path}: cannot be written: {error.strerror}; mend that, then {again}")
    advice = {
        errno.ENOSPC: f"free some space, then {again}",
        errno.EDQUOT: f"your quota is used up: free some space, then {again}",
        errno.EROFS: "choose another folder with --out",
        errno.EACCES: "choose a folder that you may write to",
        errno.EPERM: "choose a folder that you may write to",
    }.get(error.errno or 0, f"mend that, then {again}")
    return OutputError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}; {advice}")


def write_whole(fd: int, data: bytes | memoryview) -> None:
    """All of data to fd, whatever pieces the system takes it in. OSError where it refuses."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_file(path: Path, data: bytes | memoryview, partial: Path) -> None:
    """Write `partial`, sync it, and give it its final name. OutputError where that fails, and
    nothing is left of it then."""
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            write_whole(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise output_error(path, error) from None


def sync_folder(path: Path) -> None:
    """Make the names in a folder last through a power cut, where its file system can do that, and
    where we may open it: the folder above an output may be one that we may only go through."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return
    except OSError as error:
        raise output_error(path, error) from None
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise output_error(path, error) from None
    finally:
        with contextlib.suppress(OSError):  # nothing was written by it
            os.close(fd)
