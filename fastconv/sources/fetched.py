"""Small parts of a dataset in an object store, such as labels and boxes: fetched to a temporary
folder, and read there. What is said of them names their URLs all the same."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastconv.errors import FastconvError, InputError
from fastconv.remote.path import Place, RemotePath
from fastconv.remote.threads import heeding, on_threads

THREADS = 32
PIECE_BYTES = 8 << 20


@contextmanager
def on_disk(path: Place) -> Iterator[Path]:
    """The part as a file or folder on disk, until the block ends. An error raised in it tells of
    the URL. Raises InputError for what cannot be fetched, or has no room on disk."""
    if isinstance(path, Path):
        yield path
        return
    folder = Path(tempfile.mkdtemp(prefix="fastconv-"))
    local = folder / path.name
    try:
        fetch(path, local)
        yield local
    except FastconvError as error:
        raise type(error)(named(str(error), local, path)) from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def named(text: str, local: Path, path: Place) -> str:
    """Words about a part as it lies on disk, with its URL in the place of that path."""
    return text.replace(str(local), str(path))


def fetch(path: RemotePath, local: Path) -> None:
    """Copy an object, or all those below a prefix, to disk."""
    from fastconv.sources.buckets import Bucket

    bucket = Bucket.of(path)
    try:
        if bucket.head(path) is not None or path.is_read_only:
            heeding(lambda: _fetch_file(path, local))
            return
        local.mkdir()
        below = heeding(lambda: bucket.store.list(path.key))
        names = [key[len(path.key) + 1 :] for key, _, _ in below]
        on_threads(lambda name: _fetch_below(path, name, local), names, THREADS)
    except OSError as error:
        raise InputError(f"{path}: cannot be fetched: {error.strerror or error}") from None


def _fetch_below(path: RemotePath, name: str, local: Path) -> None:
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return
    target = local.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    _fetch_file(path / name, target)


def _fetch_file(path: RemotePath, local: Path) -> None:
    """In pieces, since an archive of boxes has some 100 MB."""
    from fastconv.remote.store import open_store
    from fastconv.sources.buckets import facts_of

    store = open_store(path)
    size, version = facts_of(path)
    with local.open("wb") as file:
        for start in range(0, size, PIECE_BYTES):
            stop = min(start + PIECE_BYTES, size)
            file.write(store.read_range(path.key, start, stop, version))
