"""What took long to find out about an archive, remembered in the user's cache folder.

A file of the cache is a .npz named for the archive's path and what is remembered of it. It is used
only while the archive is the same: size, times of change, inode and device are compared, and
whatever else the caller can check cheaply. A cache that cannot be read or written is no error: the
work is done again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

VERSION = 1
# What is found out faster than this is not worth a file.
WORTH_SECONDS = 0.3
FILES_KEPT = 32
IDENTITY = "identity"


def folder() -> Path | None:
    """Where the cache is: $FASTCONV_CACHE, or fastconv below the user's cache folder. None where
    $FASTCONV_CACHE is empty, or there is no home."""
    own = os.environ.get("FASTCONV_CACHE")
    if own is not None:
        return Path(own) if own else None
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "fastconv"
    try:
        return Path.home() / ".cache" / "fastconv"
    except RuntimeError:
        return None


def identity_of(path: Path, key: str) -> bytes:
    """What must be the same for a memory of `path` to hold."""
    status = path.stat()
    times = [status.st_mtime_ns, status.st_ctime_ns]
    facts = [VERSION, key, status.st_size, *times, status.st_ino, status.st_dev]
    return json.dumps(facts).encode()


def remembered(
    path: Path, key: str, find_out: Callable[[], Arrays], still_holds: Callable[[Arrays], bool]
) -> Arrays:
    """The arrays that find_out() gives, from the cache where it has them for `path` as it is now.

    `key` says what is remembered, with whatever it depends on besides the file. `still_holds` may
    look at the file to see whether remembered arrays can be right.
    """
    name = os.path.realpath(path)
    return remembered_as(name, key, lambda: identity_of(path, key), find_out, still_holds)


def remembered_as(
    name: str,
    key: str,
    identify: Callable[[], bytes],
    find_out: Callable[[], Arrays],
    still_holds: Callable[[Arrays], bool],
) -> Arrays:
    """The same of anything that has a name, and of which ``identify`` says what must be the same
    for a memory of it to hold."""
    home = folder()
    if home is None:
        return find_out()
    digest = hashlib.sha256(f"{name}\0{key}".encode("utf-8", "surrogateescape"))
    place = home / f"{digest.hexdigest()[:32]}.npz"
    identity = identify()
    arrays = _load(place, identity)
    if arrays is not None and still_holds(arrays):
        return arrays
    began = time.monotonic()
    arrays = find_out()
    # A file that changed meanwhile is remembered as what it was, which it no longer is.
    if time.monotonic() - began >= WORTH_SECONDS and identify() == identity:
        with suppress(OSError):
            _save(place, identity, arrays)
    return arrays


def _load(place: Path, identity: bytes) -> Arrays | None:
    try:
        with place.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            if file[IDENTITY].tobytes() != identity:
                return None
            arrays = {name: file[name] for name in file.files if name != IDENTITY}
        os.utime(place)
    except FileNotFoundError:
        return None
    except Exception:
        # A damaged file can make NumPy, zipfile and zlib raise nearly anything. It is of no use.
        with suppress(OSError):
            place.unlink()
        return None
    return arrays


def _save(place: Path, identity: bytes, arrays: Arrays) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        # NumPy's own savez_compressed takes ten times as long for a little less.
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            for name, array in {**arrays, IDENTITY: np.frombuffer(identity, np.uint8)}.items():
                with file.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, np.ascontiguousarray(array), None, False)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)
    files = sorted(place.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
    for old in files[:-FILES_KEPT]:
        old.unlink(missing_ok=True)
